// Hidden states of the causal golden checkpoints at every station, from recorded token ids, at every CPU level.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/checkpoint.h"
#include "kernels/level.h"
#include "models/causal_registry.h"
#include "support/golden_decoder.h"

namespace rerank::models {
namespace {

using testing::GoldenDecoder;

class GoldenStations : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenStations,
                         ::testing::Values("bge-reranker-v2-gemma", "bge-reranker-v2-minicpm-layerwise",
                                           "bge-reranker-v2.5-gemma2-lightweight", "lb-reranker-0.5b"));

void expect_near(std::span<const float> actual, const std::vector<double>& expected, double relative,
                 const std::string& where) {
  ASSERT_EQ(actual.size(), expected.size()) << where;
  double largest = 0;
  for (const double value : expected) largest = std::max(largest, std::fabs(value));
  for (std::size_t c = 0; c < expected.size(); ++c)
    ASSERT_NEAR(actual[c], expected[c], relative * largest) << where << ", column " << c;
}

CausalOptions options_of(const GoldenDecoder::Fingerprint& fingerprint, const LoadedDecoder& model) {
  CausalOptions options;
  options.layers = model.decoder->layers();
  for (std::size_t layer = model.cutoffs.first; layer <= model.cutoffs.last; layer += model.cutoffs.step)
    options.cutoffs.push_back(layer);
  options.attention_softcap = fingerprint.eager;
  options.compress_ratio = static_cast<std::size_t>(fingerprint.call.number("compress_ratio", 1));
  options.compress_before.assign(options.layers, false);
  for (const int layer : fingerprint.call.compress_layers().value_or(std::vector<int>{}))
    options.compress_before[static_cast<std::size_t>(layer)] = true;
  return options;
}

TEST_P(GoldenStations, AtEveryLevel) {
  RERANK_NEED_SHARED("golden");
  const GoldenDecoder golden(GetParam());
  auto checkpoint = io::Checkpoint::open(testing::shared_dir() / "golden" / GetParam());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message();
  const bool has_heads = !golden.fingerprints().front().scores.empty();
  for (const kernels::Level* level : kernels::levels_on_this_cpu()) {
    const kernels::Ops ops(*level->table, kernels::Element::kF32);
    auto model = load_decoder(checkpoint.value(), ops, {.reads = has_heads ? Reads::kLayerHeads : Reads::kVocabulary});
    ASSERT_TRUE(model.ok()) << model.error().message();
    const auto hidden = static_cast<std::size_t>(model.value().sizes.hidden);
    kernels::Workspace workspace;
    for (const GoldenDecoder::Fingerprint& fingerprint : golden.fingerprints()) {
      const CausalOptions options = options_of(fingerprint, model.value());
      CausalBatch batch;
      batch.add(fingerprint.ids,
                {.query_tokens = fingerprint.query_length, .prompt_tokens = fingerprint.prompt_length});
      std::vector<float> states(options.cutoffs.size() * hidden);
      Trace trace;
      const auto work = model.value().decoder->forward(batch, options, workspace, states, &trace);
      ASSERT_TRUE(work.ok()) << work.error().message();

      const std::string where =
          fmt::format("{}, pair {}, ratio {}, first drift at ", level->name, fingerprint.pair, options.compress_ratio);
      std::size_t station = 0;
      for (const Trace::Station& traced : trace.stations) {
        if (traced.name.starts_with("entering.")) {
          const int layer = std::stoi(traced.name.substr(9));
          const auto& slots = fingerprint.entering_layer_at.at(layer);
          const std::size_t rows = traced.values.size() / hidden;
          EXPECT_EQ(rows, fingerprint.lengths_entering_layers.at(static_cast<std::size_t>(layer)));
          const std::span<const float> values(traced.values);
          expect_near(values.subspan(fingerprint.query_length * hidden, hidden), slots.first,
                      golden.fingerprint_tolerance(), where + traced.name);
          expect_near(values.subspan((rows - fingerprint.prompt_length - 1) * hidden, hidden), slots.last,
                      golden.fingerprint_tolerance(), where + traced.name);
        } else {
          expect_near(traced.values, fingerprint.stations.at(station++), golden.fingerprint_tolerance(),
                      where + traced.name);
        }
        if (::testing::Test::HasFatalFailure()) return;
      }
      EXPECT_EQ(station, fingerprint.stations.size());
      for (std::size_t k = 0; k < options.cutoffs.size(); ++k) {
        const auto normed = fingerprint.normed_at_cutoff.find(static_cast<int>(options.cutoffs[k]));
        expect_near(std::span(states).subspan(k * hidden, hidden),
                    normed == fingerprint.normed_at_cutoff.end() ? fingerprint.final_norm : normed->second,
                    golden.fingerprint_tolerance(), where + "final norm");
      }
    }
  }
}

}  // namespace
}  // namespace rerank::models
