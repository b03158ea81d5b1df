#include "models/rotary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/try.h"

namespace rerank::models {
namespace {

Result<double> positive(const io::Json& object, std::string_view key) {
  RERANK_ASSIGN(const io::Json value, object.get(key));
  RERANK_ASSIGN(const double number, value.number());
  if (!(number > 0 && std::isfinite(number)))
    return value.error(Error::Code::kCorrupt, fmt::format("is {}, expected a positive number", number));
  return number;
}

Status read_scaling(const io::Json& scaling, RotaryConfig& config) {
  RERANK_ASSIGN(const std::string old_type, scaling.string_or("type", "default"));
  RERANK_ASSIGN(const std::string type, scaling.string_or("rope_type", old_type));
  if (type == "default") return {};
  if (type != "llama3")
    return scaling.error(Error::Code::kUnsupported,
                         fmt::format("rope type is \"{}\", expected \"default\" or \"llama3\"", type));
  RotaryConfig::Llama3 llama3;
  RERANK_ASSIGN(llama3.factor, positive(scaling, "factor"));
  RERANK_ASSIGN(llama3.low_freq_factor, positive(scaling, "low_freq_factor"));
  RERANK_ASSIGN(llama3.high_freq_factor, positive(scaling, "high_freq_factor"));
  RERANK_ASSIGN(llama3.original_positions, positive(scaling, "original_max_position_embeddings"));
  if (llama3.high_freq_factor <= llama3.low_freq_factor)
    return scaling.error(Error::Code::kCorrupt, "high_freq_factor is not larger than low_freq_factor");
  config.llama3 = llama3;
  return {};
}

}  // namespace

Result<RotaryConfig> read_rotary_config(const io::Json& config) {
  RotaryConfig rotary;
  const std::optional<io::Json> parameters = config.find("rope_parameters");
  const io::Json& holder = parameters ? *parameters : config;
  if (holder.find("rope_theta")) {
    RERANK_ASSIGN(rotary.theta, positive(holder, "rope_theta"));
  }
  if (parameters) {
    RERANK_TRY(read_scaling(*parameters, rotary));
  } else if (const auto scaling = config.find("rope_scaling")) {
    RERANK_TRY(read_scaling(*scaling, rotary));
  }
  return rotary;
}

std::vector<float> inverse_frequencies(const RotaryConfig& config, std::size_t head_dim) {
  std::vector<float> frequencies(head_dim / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    // Rounded to float32 where the reference rounds: at position 8,000 a last bit of the frequency is 5e-4 of angle.
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const auto power = static_cast<float>(std::pow(config.theta, static_cast<double>(exponent)));
    frequencies[i] = 1.0f / power;
  }
  if (!config.llama3) return frequencies;
  const RotaryConfig::Llama3& scaling = *config.llama3;
  const double longest = scaling.original_positions / scaling.low_freq_factor;
  const double shortest = scaling.original_positions / scaling.high_freq_factor;
  for (float& frequency : frequencies) {
    const double wave = 2 * std::numbers::pi / static_cast<double>(frequency);
    if (wave < shortest) continue;
    const float slowed = frequency / static_cast<float>(scaling.factor);
    if (wave > longest) {
      frequency = slowed;
    } else {
      const auto smooth = static_cast<float>((scaling.original_positions / wave - scaling.low_freq_factor) /
                                             (scaling.high_freq_factor - scaling.low_freq_factor));
      frequency = (1 - smooth) * slowed + smooth * frequency;
    }
  }
  return frequencies;
}

RotaryTable::RotaryTable(const RotaryConfig& config, std::size_t head_dim, std::size_t padded_head_dim)
    : frequencies_(inverse_frequencies(config, head_dim)), padded_head_dim_(padded_head_dim) {}

RotaryTable::Rows RotaryTable::rows(std::size_t positions) const {
  constexpr std::size_t kFewest = 1024;
  const std::lock_guard lock(mutex_);
  const std::size_t have = rows_ == nullptr ? 0 : rows_->size() / padded_head_dim_;
  if (have >= positions) return rows_;
  const std::size_t wanted = std::max({positions, 2 * have, kFewest});
  const std::size_t half = padded_head_dim_ / 2;
  auto made = std::make_shared<std::vector<float>>(wanted * padded_head_dim_);
  for (std::size_t position = 0; position < wanted; ++position) {
    float* row = made->data() + position * padded_head_dim_;
    std::fill_n(row, half, 1.0f);
    for (std::size_t i = 0; i < frequencies_.size(); ++i) {
      const float angle = static_cast<float>(position) * frequencies_[i];
      row[i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      row[half + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  rows_ = std::move(made);
  return rows_;
}

}  // namespace rerank::models
