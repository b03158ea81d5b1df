#include "engine/causal_call.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/try.h"
#include "engine/micro_batches.h"
#include "engine/pair_encoding.h"

namespace rerank {
namespace {

// Fewer tokens are computed again faster than they are looked after.
constexpr std::size_t kFewestShared = 4;
// Prefixes that one wave of queries may hold at a time.
constexpr std::size_t kWaveBytes = std::size_t{128} << 20;

}  // namespace

CausalCall::CausalCall(Context context, std::span<const Pair> pairs,
                       std::span<const Result<scoring::EncodedPair>> encoded, const models::CausalOptions& options,
                       bool share_prefixes, std::stop_token stop)
    : context_(context),
      encoded_(encoded),
      options_(options),
      share_prefixes_(share_prefixes),
      stop_(std::move(stop)),
      prefix_of_(encoded.size()) {
  make_groups(pairs);
}

// The last token is computed for each pair, and compression takes passages apart.
std::size_t CausalCall::sharable_tokens(std::size_t pair_idx) const {
  const scoring::EncodedPair& pair = encoded_[pair_idx].value();
  const std::size_t all_but_last = pair.ids.empty() ? 0 : pair.ids.size() - 1;
  return options_.compress_ratio > 1 ? std::min<std::size_t>(all_but_last, pair.query_tokens) : all_but_last;
}

void CausalCall::make_groups(std::span<const Pair> pairs) {
  std::unordered_map<std::string_view, std::size_t> group_of;
  for (std::size_t pair_idx = 0; pair_idx < encoded_.size(); ++pair_idx) {
    if (!encoded_[pair_idx].ok()) continue;
    const auto [found, is_new] = group_of.try_emplace(pairs[pair_idx].query, groups_.size());
    if (is_new) groups_.emplace_back();
    Group& group = groups_[found->second];
    const std::size_t sharable = sharable_tokens(pair_idx);
    group.common = is_new ? sharable : std::min(sharable, common_prefix(common_ids(group), ids(pair_idx)));
    group.pairs.push_back(pair_idx);
  }
}

models::CausalWork CausalCall::run(const Read& read) {
  if (share_prefixes_) share_constant_part();
  for (std::size_t first = 0; first < groups_.size();) {
    std::size_t end = first, bytes = 0;
    do bytes += prefix_bytes(groups_[end++]);
    while (end < groups_.size() && bytes + prefix_bytes(groups_[end]) <= kWaveBytes);
    const std::span<Group> wave = std::span(groups_).subspan(first, end - first);
    if (share_prefixes_) find_prefixes(wave);
    run_pairs(wave, read);
    for (Group& group : wave) group.prefix = {};
    first = end;
  }
  return work_;
}

std::size_t CausalCall::prefix_bytes(const Group& group) const {
  if (!share_prefixes_ || group.pairs.size() < 2) return 0;
  const std::size_t pages = kernels::round_up(group.common, kernels::kPageTokens) / kernels::kPageTokens;
  return pages * options_.layers * context_.decoder.kv_page_bytes();
}

// A system message, say, that all queries of this call begin with: the groups' prefixes begin where it ends.
void CausalCall::share_constant_part() {
  if (groups_.size() < 2) return;
  std::size_t constant = groups_.front().common;
  for (const Group& group : groups_)
    constant = std::min(constant, common_prefix(common_ids(groups_.front()), common_ids(group)));
  if (constant < kFewestShared) return;
  Group whole;
  whole.pairs = {groups_.front().pairs.front(), groups_.back().pairs.front()};
  whole.common = constant;
  find_prefixes({&whole, 1});
}

void CausalCall::find_prefixes(std::span<Group> groups) {
  const PrefixVariant variant{options_.attention_softcap, options_.layers};
  std::vector<Group*> missing;
  for (Group& group : groups) {
    if (group.common < kFewestShared) continue;
    group.prefix = context_.prefixes.find(common_ids(group), variant);
    if (group.prefix.tokens < group.common && group.pairs.size() > 1) missing.push_back(&group);
  }
  compute_prefixes(missing);
}

// Where it fails, groups keep what they have: their pairs fail as well, and each says why.
void CausalCall::compute_prefixes(std::span<Group*> groups) {
  std::vector<std::shared_ptr<Prefix>> made;
  std::vector<std::uint32_t> tokens;
  for (const Group* group : groups) {
    made.push_back(start_prefix(common_ids(*group), group->prefix));
    tokens.push_back(made.back() == nullptr ? 0 : static_cast<std::uint32_t>(group->common - group->prefix.tokens));
  }
  models::CausalOptions keys_and_values = options_;
  keys_and_values.cutoffs.clear();
  keys_and_values.compress_ratio = 1;
  const auto batches = make_micro_batches(tokens, kTokensPerMicroBatch, context_.workers.size());
  context_.workers.run_in_teams(batches.size(), [&](std::size_t batch_idx, kernels::Workspace& workspace, Team* team) {
    if (stop_.stop_requested()) {
      for (const std::size_t i : batches[batch_idx]) made[i] = nullptr;
      return;
    }
    models::CausalBatch batch;
    for (const std::size_t i : batches[batch_idx]) {
      const std::size_t known = groups[i]->prefix.tokens;
      batch.add(common_ids(*groups[i]).subspan(known), {.past_tokens = known, .keep = &made[i]->cache});
    }
    const auto work = context_.decoder.forward(batch, keys_and_values, workspace, {}, nullptr, team);
    if (work.ok()) return add_work(work.value());
    for (const std::size_t i : batches[batch_idx]) made[i] = nullptr;
  });
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (made[i] == nullptr) continue;
    context_.prefixes.insert(made[i]);
    groups[i]->prefix = {made[i], groups[i]->common};
  }
}

// Room for `ids`, with the tokens that are known already; nullptr when there is not enough memory.
std::shared_ptr<Prefix> CausalCall::start_prefix(std::span<const std::int32_t> ids, const SharedPrefix& known) const {
  auto cache = models::KvCache::make(options_.layers, context_.decoder.kv_page_bytes(), ids.size());
  if (!cache.ok()) return nullptr;
  if (known.tokens > 0) cache.value().copy_from(known.prefix->cache, known.tokens);
  return std::make_shared<Prefix>(
      Prefix{{ids.begin(), ids.end()}, {options_.attention_softcap, options_.layers}, std::move(cache).value()});
}

void CausalCall::run_pairs(std::span<const Group> groups, const Read& read) {
  std::vector<std::size_t> pairs;
  std::vector<std::uint32_t> tokens;
  for (const Group& group : groups)
    for (const std::size_t pair_idx : group.pairs) {
      prefix_of_[pair_idx] = &group.prefix;
      pairs.push_back(pair_idx);
      tokens.push_back(static_cast<std::uint32_t>(ids(pair_idx).size() - group.prefix.tokens));
    }
  auto batches = make_micro_batches(tokens, kTokensPerMicroBatch, context_.workers.size());
  context_.workers.run_in_teams(batches.size(), [&](std::size_t batch_idx, kernels::Workspace& workspace, Team* team) {
    for (std::size_t& entry : batches[batch_idx]) entry = pairs[entry];
    run_batch(batches[batch_idx], read, workspace, team);
  });
}

void CausalCall::run_batch(std::span<const std::size_t> batch, const Read& read, kernels::Workspace& workspace,
                           Team* team) {
  if (stop_.stop_requested()) {
    read(batch, stopped(), {}, workspace);
    return;
  }
  models::CausalBatch sequences;
  for (const std::size_t pair_idx : batch) {
    const scoring::EncodedPair& pair = encoded_[pair_idx].value();
    const SharedPrefix& prefix = *prefix_of_[pair_idx];
    sequences.add(ids(pair_idx).subspan(prefix.tokens), {.past = prefix.tokens > 0 ? &prefix.prefix->cache : nullptr,
                                                         .past_tokens = prefix.tokens,
                                                         .query_tokens = pair.query_tokens,
                                                         .prompt_tokens = pair.prompt_tokens});
  }
  std::vector<float> states(options_.cutoffs.size() * batch.size() * context_.decoder.config().hidden);
  const auto work = context_.decoder.forward(sequences, options_, workspace, states, nullptr, team);
  if (!work.ok() && batch.size() > 1) {  // find the pair whose fault it is; the others still get their scores
    for (const std::size_t& pair_idx : batch) run_batch({&pair_idx, 1}, read, workspace, team);
    return;
  }
  if (work.ok()) add_work(work.value());
  read(batch, work.ok() ? Status() : Status(work.error()), states, workspace);
}

void CausalCall::add_work(const models::CausalWork& work) {
  const std::lock_guard lock(work_mutex_);
  work_.tokens += work.tokens;
  work_.flops += work.flops;
}

}  // namespace rerank
