#include "scoring/cutoff_layers.h"

#include <fmt/format.h>

#include <algorithm>

namespace rerank::scoring {
namespace {

std::string text_of(const LayerRange& range) {
  if (range.first == range.last) return fmt::format("only {}", range.last);
  if (range.step == 1) return fmt::format("{} to {}", range.first, range.last);
  return fmt::format("{}, {}, ... {}", range.first, range.first + range.step, range.last);
}

bool has(const LayerRange& range, int layer) {
  return layer >= range.first && layer <= range.last && (layer - range.first) % range.step == 0;
}

void sort_and_unite(std::vector<std::size_t>& layers) {
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
}

}  // namespace

Result<CutoffPlan> plan_cutoffs(std::span<const int> asked, const LayerRange& available) {
  CutoffPlan plan;
  std::vector<std::size_t> kept;  // in the order asked
  for (const int layer : asked) {
    const auto wanted = static_cast<std::size_t>(layer);
    if (!has(available, layer)) {
      plan.remarks.push_back(fmt::format("cutoff layer {} is left out: the model has heads for {}", layer,  //
                                         text_of(available)));
    } else if (std::find(kept.begin(), kept.end(), wanted) != kept.end()) {
      plan.remarks.push_back(fmt::format("cutoff layer {} is asked for more than once and counts once", layer));
    } else {
      kept.push_back(wanted);
    }
  }
  if (asked.empty()) kept.push_back(static_cast<std::size_t>(available.last));
  if (kept.empty())
    return Error{Error::Code::kBadInput, fmt::format("none of the layers has a head ({})", fmt::join(asked, ", ")),
                 "--cutoff-layers", fmt::format("the model has heads for {}", text_of(available))};
  plan.layers = kept;
  sort_and_unite(plan.layers);
  for (const std::size_t layer : kept)
    plan.order.push_back(static_cast<std::size_t>(std::lower_bound(plan.layers.begin(), plan.layers.end(), layer) -
                                                  plan.layers.begin()));
  return plan;
}

Result<CompressionPlan> plan_compression(int ratio, std::span<const int> layers, std::size_t last_layer) {
  if (ratio != 1 && ratio != 2 && ratio != 4 && ratio != 8)
    return Error{Error::Code::kBadInput, fmt::format("{} is no ratio of compression", ratio), "--compress-ratio",
                 "use 1 (off), 2, 4 or 8"};
  CompressionPlan plan{static_cast<std::size_t>(ratio), {}, {}};
  for (const int layer : layers) {
    if (layer < 0)
      return Error{Error::Code::kBadInput, fmt::format("{} is no layer", layer), "--compress-layers",
                   "layers count from 0"};
    if (ratio == 1) continue;
    const auto wanted = static_cast<std::size_t>(layer);
    if (wanted == 0) {
      plan.remarks.push_back("nothing is compressed before layer 0");
    } else if (wanted >= last_layer) {
      plan.remarks.push_back(
          fmt::format("nothing is compressed before layer {}: only {} layers run", layer, last_layer));
    } else {
      plan.layers.push_back(wanted);
    }
  }
  sort_and_unite(plan.layers);
  if (plan.layers.empty()) plan.ratio = 1;
  return plan;
}

}  // namespace rerank::scoring
