#include "engine/decode_prefixes.h"

#include <algorithm>

#include "engine/prefix_cache.h"
#include "kernels/kernel_table.h"

namespace rerank {
namespace {

using kernels::kPageTokens;
using Node = PromptTree::Node;

// Fewer tokens are computed again faster than they are copied or waited for.
constexpr std::size_t kFewestCopied = 4;

// The children of `node` that have the longest beginnings in common with `ids`.
struct Neighbours {
  const Node* ready = nullptr;
  Node* pending = nullptr;
  std::size_t ready_tokens = 0, pending_tokens = 0;
};

Neighbours neighbours(const Node& node, std::span<const std::int32_t> ids) {
  Neighbours found;
  // In the order of the keys, common beginnings only get shorter on the way out from where `ids` would lie.
  const auto look = [&](const auto& child) {
    const std::size_t common = common_prefix(child.first, ids);
    if (common < kFewestCopied || common <= found.ready_tokens) return false;
    if (child.second->block == nullptr) {
      if (common > found.pending_tokens) {
        found.pending = child.second.get();
        found.pending_tokens = common;
      }
      return true;
    }
    found.ready = child.second.get();
    found.ready_tokens = common;
    return false;
  };
  const auto middle = node.children.lower_bound({ids.begin(), ids.end()});
  for (auto child = middle; child != node.children.end() && look(*child);) ++child;
  for (auto child = middle; child != node.children.begin() && look(*std::prev(child));) --child;
  return found;
}

}  // namespace

PromptTree::Match PromptTree::match(std::span<const std::int32_t> prompt) {
  Match match;
  std::span<const std::int32_t> sharable = prompt.first(prompt.size() - 1);
  const Node* node = &root_;
  while (sharable.size() >= kPageTokens) {
    const auto child = node->children.find({sharable.begin(), sharable.begin() + kPageTokens});
    if (child == node->children.end()) break;
    node = child->second.get();
    match.wait = match.wait || node->block == nullptr;
    if (match.wait) {
      child->second->is_wanted = true;
    } else {
      match.path.push_back(child->second.get());
    }
    sharable = sharable.subspan(kPageTokens);
  }
  const Neighbours near = neighbours(*node, sharable.first(std::min(sharable.size(), kPageTokens)));
  match.partial = near.ready;
  match.partial_tokens = near.ready_tokens;
  if (near.pending != nullptr && near.pending_tokens >= near.ready_tokens + kFewestCopied) {
    near.pending->is_wanted = true;
    match.wait = true;
  }
  return match;
}

std::vector<PromptTree::Node*> PromptTree::enter(std::span<const std::int32_t> prompt, std::span<Node* const> path) {
  std::vector<Node*> whole(path.begin(), path.end());
  Node* node = path.empty() ? &root_ : path.back();
  for (std::size_t at = path.size() * kPageTokens; at < prompt.size(); at += kPageTokens) {
    const auto ids = prompt.subspan(at, std::min(kPageTokens, prompt.size() - at));
    const auto [child, is_new] = node->children.try_emplace({ids.begin(), ids.end()});
    if (!is_new) break;  // an equal prompt, or one whose equal block may not be shared: it has that node
    child->second = std::make_unique<Node>();
    child->second->parent = node;
    child->second->ids = &child->first;
    node = child->second.get();
    whole.push_back(node);
  }
  for (Node* entered : whole) {
    entered->is_wanted = entered->is_wanted || entered->users > 0;
    ++entered->users;
    entered->last_used = ++clock_;
  }
  return whole;
}

void PromptTree::leave(std::span<Node* const> path) {
  for (std::size_t i = path.size(); i-- > 0;) {
    Node& node = *path[i];
    --node.users;
    if (node.users == 0 && node.children.empty() && (node.block == nullptr || !node.is_wanted)) remove(node);
  }
}

bool PromptTree::evict() {
  Node* oldest = nullptr;
  std::vector<Node*> open = {&root_};
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    for (const auto& [ids, child] : node->children) open.push_back(child.get());
    if (node == &root_ || node->users > 0 || !node->children.empty()) continue;
    if (oldest == nullptr || node->last_used < oldest->last_used) oldest = node;
  }
  if (oldest == nullptr) return false;
  remove(*oldest);
  return true;
}

void PromptTree::remove(Node& node) {
  node.parent->children.erase(node.parent->children.find(*node.ids));
}

}  // namespace rerank
