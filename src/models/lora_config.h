// adapter_config.json of a PEFT LoRA adapter: how strongly each of its matrices counts.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rerank/error.h"

namespace rerank::models {

struct LoraConfig {
  // A name and the value for all modules it fits. It fits a module ("model.layers.3.self_attn.q_proj") that it equals,
  // or whose last parts it equals ("q_proj"); a "." in it fits any character, as in the regular expression it is.
  using Patterns = std::vector<std::pair<std::string, double>>;

  std::string base_model;  // what the adapter was trained on, for errors; may be empty
  std::size_t rank = 0;
  double alpha = 0;
  bool rank_stabilized = false;  // scale is alpha / sqrt(rank) instead of alpha / rank
  Patterns ranks, alphas;        // exceptions; the first that fits counts

  std::size_t rank_of(std::string_view module) const;
  float scale_of(std::string_view module) const;
};

// kUnsupported for a key that would change the result and is not known here, naming it. Keys that only matter in
// training are skipped.
Result<LoraConfig> read_lora_config(const std::filesystem::path& file);

}  // namespace rerank::models
