// From a checkpoint to the scorer of its method.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/scorer.h"
#include "engine/worker_pool.h"
#include "io/checkpoint.h"
#include "kernels/ops.h"
#include "models/lora.h"
#include "models/sizes.h"
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

}  // namespace rerank
