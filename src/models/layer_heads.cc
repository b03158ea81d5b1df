#include "models/layer_heads.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "base/try.h"
#include "models/config_values.h"

namespace rerank::models {

Result<CutoffRange> read_cutoff_range(const io::Json& config, const DecoderConfig& decoder) {
  CutoffRange range;
  RERANK_ASSIGN(range.first, read_size(config, "start_layer", decoder.layers));
  RERANK_ASSIGN(range.step, read_size_or(config, "layer_sep", decoder.layers, 1));
  range.last = range.first + (decoder.layers - range.first) / range.step * range.step;
  // MiniCPM's remote code knows heads of other types; only this one was published.
  RERANK_ASSIGN(const std::string type, config.string_or("head_type", "simple"));
  RERANK_ASSIGN(const bool several, config.boolean_or("head_multi", true));
  RERANK_ASSIGN(const bool layer_wise, config.boolean_or("layer_wise", true));
  if (type != "simple" || !several || !layer_wise)
    return config.error(
        Error::Code::kUnsupported,
        fmt::format("head_type is \"{}\", head_multi {}, layer_wise {}: expected \"simple\", true, true", type, several,
                    layer_wise));
  return range;
}

Result<LayerHeads> LayerHeads::load(const io::WeightScope& scope, const CutoffRange& range, const DecoderConfig& config,
                                    const LoadOptions& options) {
  LayerHeads made;
  made.heads_ = range.heads();
  made.hidden_ = config.hidden;
  made.softcap_ = config.final_softcap;
  std::vector<float> rows(made.heads_ * config.hidden);
  for (std::size_t k = 0; k < made.heads_; ++k) {
    RERANK_ASSIGN(const io::Tensor row,
                  load_matrix(scope, fmt::format("lm_head.{}.linear_head.weight", k), {1, config.hidden}, options));
    read_row(row, 0, std::span(rows).subspan(k * config.hidden, config.hidden), options);
  }
  const auto row = [&](std::size_t r, std::span<float> values) {
    std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(r * config.hidden), values.size(), values.begin());
  };
  RERANK_ASSIGN(auto packed, kernels::PackedWeight::pack(made.heads_, config.hidden, kernels::Element::kF32, row, {},
                                                         options.threads, "weights"));
  made.weight_ = kernels::Weight<Labels, Hidden>(std::move(packed));
  return made;
}

LayerHeads LayerHeads::of_answer(kernels::PackedWeight row, const DecoderConfig& config) {
  LayerHeads made;
  made.heads_ = 1;
  made.hidden_ = config.hidden;
  made.state_scale_ = config.logit_scale;
  made.softcap_ = config.final_softcap;
  made.weight_ = kernels::Weight<Labels, Hidden>(std::move(row));
  return made;
}

Result<LayerHeads> LayerHeads::load_answer(const io::Tensor& vocabulary, std::int32_t answer,
                                           const DecoderConfig& config, const LoadOptions& options) {
  LoadOptions as_f32 = options;
  as_f32.element = kernels::Element::kF32;
  RERANK_ASSIGN(auto row, load_rows(vocabulary, {&answer, 1}, config.hidden, as_f32));
  return of_answer(std::move(row), config);
}

Result<LayerHeads> LayerHeads::load_answer(const QuantizedMatrix& vocabulary, std::int32_t answer,
                                           const DecoderConfig& config, const LoadOptions& options) {
  const auto only = [&](std::size_t /*row*/) { return QuantizedRow{&vocabulary, static_cast<std::size_t>(answer)}; };
  RERANK_ASSIGN(const auto integers,
                pack_quantized(vocabulary.quantization, 1, config.hidden, only, {}, options.threads, false));
  const auto read = [&](std::size_t row, std::span<float> values) { integers.unpack_row(row, values); };
  RERANK_ASSIGN(auto row, kernels::PackedWeight::pack(1, config.hidden, kernels::Element::kF32, read, {},
                                                      options.threads, "weights"));
  return of_answer(std::move(row), config);
}

Status LayerHeads::read(std::span<const float> states, std::size_t head, const kernels::Ops& ops,
                        kernels::Workspace& workspace, std::span<float> scores) const {
  struct Buffers {
    kernels::Acts<Hidden> x;
    kernels::Tiles<Hidden> tiles;
    kernels::Acts<Labels> scores;
    float* scratch;
  };
  const auto carve = [&](kernels::Carver carver) {
    Buffers b{kernels::carve_acts<Hidden>(carver, scores.size(), hidden_),
              kernels::carve_tiles<Hidden>(carver, scores.size(), hidden_, kernels::Element::kF32),
              kernels::carve_acts<Labels>(carver, scores.size(), heads_),
              carver.take<float>(kernels::linear_scratch_floats())};
    return std::pair(b, carver.used());
  };
  RERANK_TRY(workspace.reserve(carve(kernels::Carver(nullptr)).second));
  const Buffers b = carve(workspace.carve()).first;
  for (std::size_t r = 0; r < scores.size(); ++r) {
    float* x = b.x.row(r).data();
    for (std::size_t i = 0; i < hidden_; ++i) x[i] = state_scale_ * states[r * hidden_ + i];
    std::fill(x + hidden_, x + b.x.stride, 0.0f);
  }
  ops.to_tiles(b.x, b.tiles);
  ops.linear(b.tiles, weight_, kernels::Activation::kNone, b.scores, b.scratch);
  for (std::size_t r = 0; r < scores.size(); ++r) {
    const float logit = b.scores.row(r)[head];
    scores[r] = softcap_ > 0 ? softcap_ * std::tanh(logit / softcap_) : logit;
  }
  return {};
}

}  // namespace rerank::models
