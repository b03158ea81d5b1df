// From a checkpoint to the scorer of its method.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/choose_ops.h"
#include "engine/scorer.h"
#include "engine/worker_pool.h"
#include "io/checkpoint.h"
#include "kernels/ops.h"
#include "models/lora.h"
#include "models/sizes.h"
#include "models/weight_cache.h"
#include "scoring/method.h"
#include "tokenizer/tokenizer.h"

namespace rerank {

class GeneratingModel;

// A tokenizer that is read on a thread of its own while the weights are packed.
class BackgroundTokenizer {
 public:
  // Borrows the checkpoint.
  explicit BackgroundTokenizer(const io::Checkpoint& checkpoint);
  // Waits for it. The tokenizer lives as long as this object.
  Result<const tokenizer::Tokenizer*> get() const;

 private:
  std::shared_future<Result<tokenizer::Tokenizer>> tokenizer_;
};

struct ScorerRequest {
  const io::Checkpoint& checkpoint;
  const BackgroundTokenizer& tokenizer;
  WorkerPool& workers;
  scoring::Method method;
  kernels::Ops ops;
  int threads;
  const EngineOptions& options;
  models::WeightCache* cache = nullptr;  // of packed weights

  // The adapter that the options name; nothing where they name none.
  Result<std::optional<models::LoraAdapter>> open_adapter() const;
};

struct LoadedScorer {
  std::unique_ptr<const Scorer> scorer;  // borrows checkpoint, tokenizer and workers
  std::string architecture;
  models::Sizes sizes;
  std::vector<int> cutoff_layers;  // that can be asked for
  // Writes with the same weights; null where the method has no vocabulary. Borrows what the scorer borrows.
  std::shared_ptr<GeneratingModel> generating;
};

Result<LoadedScorer> load_scorer(const ScorerRequest& request);

// The cache in the folder that the options name, or else RERANK_WEIGHT_CACHE, for what `purpose` loads of a checkpoint
// in a folder, without an adapter; nullptr where there is none.
std::unique_ptr<models::WeightCache> open_weight_cache(const io::Checkpoint& checkpoint, const ChosenOps& chosen,
                                                       std::string_view purpose, const EngineOptions& options);

}  // namespace rerank
