// Rotary position embedding: the angles. Su et al. 2021; transformers' modeling_rope_utils.py.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "io/json.h"
#include "rerank/error.h"

namespace rerank::models {

struct RotaryConfig {
  // Llama 3.1: long waves are slowed down by `factor`, short ones stay, those between are blended
  // (_compute_llama3_parameters).
  struct Llama3 {
    double factor = 1, low_freq_factor = 1, high_freq_factor = 1, original_positions = 0;
  };
  double theta = 10000;
  std::optional<Llama3> llama3;
};

// "rope_theta" and "rope_scaling", or "rope_parameters" as newer transformers write them. kUnsupported for any scaling
// but Llama 3.1's.
Result<RotaryConfig> read_rotary_config(const io::Json& config);

// The angle a position turns each pair of dims by: [head_dim / 2], in float32 as the reference has it.
std::vector<float> inverse_frequencies(const RotaryConfig& config, std::size_t head_dim);

// Cosines and sines, made as positions are asked for. Safe to use from many threads.
class RotaryTable {
 public:
  // `padded_head_dim` is a multiple of 32; the dims that pad a half turn by nothing.
  RotaryTable(const RotaryConfig& config, std::size_t head_dim, std::size_t padded_head_dim);

  // [at least `positions`, padded_head_dim]: a position's cosines, then its sines.
  using Rows = std::shared_ptr<const std::vector<float>>;
  Rows rows(std::size_t positions) const;

 private:
  std::vector<float> frequencies_;  // [head_dim / 2]
  std::size_t padded_head_dim_;
  mutable std::mutex mutex_;
  mutable Rows rows_;
};

}  // namespace rerank::models
