// Which layers a call reads and compresses, of those it asked for.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "rerank/error.h"

namespace rerank::scoring {

// The layers that have a head: first, first + step, ... last. They count finished layers, from 1.
struct LayerRange {
  int first = 0, last = 0, step = 1;
};

struct CutoffPlan {
  std::vector<std::size_t> layers;  // to be read, rising, each once
  std::vector<std::size_t> order;   // for each score to give, in the order asked: its index in `layers`
  std::vector<std::string> remarks;
};

// Layers without a head are left out and repeated ones count once, with a remark each; none asked for: the last one.
// kBadInput when none is left. Source: LayerWiseMiniCPMModel.forward; unsorted ones get the scores of their own layers
// here, which the reference mixes up.
Result<CutoffPlan> plan_cutoffs(std::span<const int> asked, const LayerRange& available);

struct CompressionPlan {
  std::size_t ratio = 1;            // 1: nothing is compressed
  std::vector<std::size_t> layers;  // before which it happens, rising, each once; empty for ratio 1
  std::vector<std::string> remarks;
};

// `last_layer` is the highest cutoff: what is asked for layers that do not run has no effect, nor has layer 0, and both
// give a remark. kBadInput for a ratio other than 1, 2, 4 and 8 and for negative layers.
// Source: CostWiseGemmaModel.forward in FlagEmbedding's decoder_only/models/gemma_model.py.
Result<CompressionPlan> plan_compression(int ratio, std::span<const int> layers, std::size_t last_layer);

}  // namespace rerank::scoring
