// Which blocks of keys and values the beginnings of prompts have in common: a tree of blocks of token ids.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "models/kv_cache.h"

namespace rerank {

// One level for each block of kernels::kPageTokens tokens; a prompt is a path. The last block of a prompt, which is
// seldom full, is there to be copied from. Not for several threads at a time.
class PromptTree {
 public:
  struct Node {
    std::map<std::vector<std::int32_t>, std::unique_ptr<Node>> children;  // by their tokens
    Node* parent = nullptr;
    const std::vector<std::int32_t>* ids = nullptr;  // its key among the parent's children
    models::KvBlock block;                           // nullptr until its keys and values are computed
    std::size_t users = 0;                           // sequences that have it on their path
    bool is_wanted = false;                          // more than one had it, or waited for it
    std::uint64_t last_used = 0;
  };

  // What a prompt may take over instead of computing it.
  struct Match {
    std::vector<Node*> path;         // whole blocks
    const Node* partial = nullptr;   // the block that begins with the prompt's next tokens
    std::size_t partial_tokens = 0;  // how many of them
    bool wait = false;               // more will be there soon: a sequence is about to compute it
  };
  // The last token is never part of a match: its state is what the prompt is computed for. What the prompt has to wait
  // for stays for it, even if the sequence that computes it is done by then.
  Match match(std::span<const std::int32_t> prompt);

  // Puts the nodes on a sequence's path, and behind them nodes for the rest of its prompt, which it is going to
  // compute.
  std::vector<Node*> enter(std::span<const std::int32_t> prompt, std::span<Node* const> path);
  // Says that the keys and values of `node`'s tokens are computed, and lie in `block`.
  static void computed(Node& node, const models::KvBlock& block) { node.block = block; }
  // Says that another sequence may want what lies on the path.
  static void keep(std::span<Node* const> path) {
    for (Node* node : path) node->is_wanted = true;
  }
  // Takes a sequence off its path. What nobody else had or waits for goes; the rest stays until evict().
  void leave(std::span<Node* const> path);
  // Drops the block that no path has held for longest; false when there is none.
  bool evict();
  // Drops everything. For when no sequence is on any path.
  void clear() { root_.children.clear(); }

 private:
  static void remove(Node& node);

  Node root_;
  std::uint64_t clock_ = 0;
};

}  // namespace rerank
