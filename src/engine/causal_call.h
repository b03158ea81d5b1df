// The tokens of one call's pairs through a decoder: what pairs have in common at their beginning goes through once, the
// rest in micro-batches. None of it changes a bit of a state.
#pragma once

#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/prefix_cache.h"
#include "engine/worker_pool.h"
#include "models/decoder.h"
#include "rerank/engine.h"
#include "scoring/pair_encoder.h"

namespace rerank {

class CausalCall {
 public:
  struct Context {
    const models::Decoder& decoder;
    PrefixCache& prefixes;
    WorkerPool& workers;
  };
  // Pairs that could not be encoded are left out. All is borrowed for the life of the call.
  CausalCall(Context context, std::span<const Pair> pairs, std::span<const Result<scoring::EncodedPair>> encoded,
             const models::CausalOptions& options, bool share_prefixes, std::stop_token stop);

  // Takes the states [cutoffs, batch, hidden] of some pairs, or the error of a single one. Called from worker threads,
  // from several at once; each pair comes once.
  using Read = std::function<void(std::span<const std::size_t> batch, const Status& status,
                                  std::span<const float> states, kernels::Workspace& workspace)>;
  // What was computed, prefixes included.
  models::CausalWork run(const Read& read);

 private:
  // Pairs with the same query.
  struct Group {
    std::vector<std::size_t> pairs;
    std::size_t common = 0;  // tokens that all of them begin with and that may be shared
    SharedPrefix prefix;     // of those, what needs not be computed again
  };

  void make_groups(std::span<const Pair> pairs);
  std::span<const std::int32_t> ids(std::size_t pair_idx) const { return encoded_[pair_idx].value().ids; }
  std::span<const std::int32_t> common_ids(const Group& group) const {
    return ids(group.pairs.front()).first(group.common);
  }
  std::size_t sharable_tokens(std::size_t pair_idx) const;
  void share_constant_part();
  std::size_t prefix_bytes(const Group& group) const;
  void find_prefixes(std::span<Group> groups);
  void compute_prefixes(std::span<Group*> groups);
  std::shared_ptr<Prefix> start_prefix(std::span<const std::int32_t> ids, const SharedPrefix& known) const;
  void run_pairs(std::span<const Group> groups, const Read& read);
  void run_batch(std::span<const std::size_t> batch, const Read& read, kernels::Workspace& workspace, Team* team);
  void add_work(const models::CausalWork& work);

  Context context_;
  std::span<const Result<scoring::EncodedPair>> encoded_;
  models::CausalOptions options_;
  bool share_prefixes_;
  std::stop_token stop_;  // batches that have not begun when it asks are errors
  std::vector<Group> groups_;
  std::vector<const SharedPrefix*> prefix_of_;  // [pairs]
  std::mutex work_mutex_;
  models::CausalWork work_;
};

}  // namespace rerank
