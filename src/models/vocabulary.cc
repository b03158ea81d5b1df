#include "models/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/try.h"

namespace rerank::models {
namespace {

constexpr std::size_t kPanelsAtOnce = 64;  // 2,048 tokens: their logits for a block of rows stay in L2

struct Buffers {
  kernels::Acts<Hidden> x;
  kernels::Tiles<Hidden> tiles;
  kernels::Acts<VocabularyRows> logits;  // [rows, kPanelsAtOnce * kPanel]
  float* scratch;
};

}  // namespace

Result<Vocabulary> Vocabulary::load(const io::Tensor& matrix, const DecoderConfig& config, const LoadOptions& options) {
  Vocabulary vocabulary;
  vocabulary.size_ = config.vocabulary;
  vocabulary.hidden_ = config.hidden;
  vocabulary.state_scale_ = config.logit_scale;
  vocabulary.softcap_ = config.final_softcap;
  std::vector<std::int32_t> rows(config.vocabulary);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int32_t>(i);
  RERANK_ASSIGN(auto packed, load_rows(matrix, rows, config.hidden, options));
  io::release(matrix);
  vocabulary.weight_ = std::make_shared<const kernels::Weight<VocabularyRows, Hidden>>(std::move(packed));
  return vocabulary;
}

Status Vocabulary::read(std::span<const float> states, std::span<const std::int32_t> tokens, bool with_ranks,
                        const kernels::Ops& ops, kernels::Workspace& workspace, std::span<Reading> readings) const {
  const std::size_t rows = states.size() / hidden_;
  const auto carve = [&](kernels::Carver carver) {
    Buffers b{kernels::carve_acts<Hidden>(carver, rows, hidden_),
              kernels::carve_tiles<Hidden>(carver, rows, hidden_, ops.activations()),
              kernels::carve_acts<VocabularyRows>(carver, rows, kPanelsAtOnce * kernels::kPanel),
              carver.take<float>(kernels::linear_scratch_floats())};
    return std::pair(b, carver.used());
  };
  RERANK_TRY(workspace.reserve(carve(kernels::Carver(nullptr)).second));
  const Buffers b = carve(workspace.carve()).first;
  for (std::size_t r = 0; r < rows; ++r) {
    float* x = b.x.row(r).data();
    for (std::size_t i = 0; i < hidden_; ++i) x[i] = state_scale_ * states[r * hidden_ + i];
    std::fill(x + hidden_, x + b.x.stride, 0.0f);
  }
  ops.to_tiles(b.x, b.tiles);

  // Logits of the panels from `first` on, capped; returns how many tokens they are.
  const auto logits_of = [&](std::size_t first, std::size_t panels) {
    ops.linear_panels(b.tiles, *weight_, first, panels, b.logits, b.scratch);
    const std::size_t count = std::min(panels * kernels::kPanel, size_ - first * kernels::kPanel);
    for (std::size_t r = 0; r < rows && softcap_ > 0; ++r)
      for (float& logit : b.logits.row(r).first(count)) logit = softcap_ * std::tanh(logit / softcap_);
    return count;
  };

  // The tokens' own logits first: their ranks are counted while the others go by.
  std::vector<float> own(rows * tokens.size());
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const auto id = static_cast<std::size_t>(tokens[t]);
    logits_of(id / kernels::kPanel, 1);
    for (std::size_t r = 0; r < rows; ++r) own[r * tokens.size() + t] = b.logits.row(r)[id % kernels::kPanel];
  }
  for (Reading& reading : readings) reading.rank = 0;
  std::vector<float> largest(rows, -std::numeric_limits<float>::infinity()), sums(rows, 0.0f);
  const std::size_t panels = weight_->out() / kernels::kPanel;
  for (std::size_t first = 0; first < panels; first += kPanelsAtOnce) {
    const std::size_t count = logits_of(first, std::min(kPanelsAtOnce, panels - first));
    ops.exp_sums(b.logits, count, largest.data(), sums.data());
    for (std::size_t i = 0; with_ranks && i < readings.size(); ++i) {
      const std::size_t r = i / tokens.size(), id = static_cast<std::size_t>(tokens[i % tokens.size()]);
      const float* logits = b.logits.row(r).data();
      std::size_t likelier = 0;
      for (std::size_t c = 0; c < count; ++c) {
        const bool earlier = first * kernels::kPanel + c < id;
        likelier += logits[c] > own[i] || (earlier && logits[c] == own[i]);
      }
      readings[i].rank += likelier;
    }
  }
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const std::size_t r = i / tokens.size();
    readings[i].log_probability =
        static_cast<double>(own[i]) - static_cast<double>(largest[r]) - std::log(static_cast<double>(sums[r]));
  }
  return {};
}

}  // namespace rerank::models
