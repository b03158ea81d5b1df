// Every BERT and XLM-R checkpoint of the golden data, from its recorded token ids: stations and scores of every
// setting, at every CPU level. The token ids themselves are compared where pairs are encoded (scoring).
#include "support/golden.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <map>

#include "io/checkpoint.h"
#include "kernels/level.h"
#include "models/registry.h"

namespace rerank::models {
namespace {

using rerank::testing::Golden;

struct Loaded {
  io::Checkpoint checkpoint;
  std::unique_ptr<SequenceClassifier> model;
};

Loaded load(const std::string& name, const kernels::Level& level, kernels::Element element) {
  auto checkpoint = io::Checkpoint::open(rerank::testing::shared_dir() / "golden" / name);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.error().message();
  Loaded loaded{std::move(checkpoint).value(), nullptr};
  auto model = load_classifier(loaded.checkpoint, kernels::Ops(*level.table, element), 1);
  EXPECT_TRUE(model.ok()) << model.error().message();
  loaded.model = std::move(model.value().model);
  return loaded;
}

float score(const SequenceClassifier& model, const Golden::Ids& ids, kernels::Workspace& workspace,
            Trace* trace = nullptr) {
  RaggedBatch batch;
  batch.add(ids.ids, ids.types);
  float logit = 0;
  const Status status = model.forward(batch, workspace, {&logit, 1}, trace);
  EXPECT_TRUE(status.ok()) << status.error().message();
  return logit;
}

class GoldenEncoder : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenEncoder,
                         ::testing::Values("bge-reranker-base", "bge-reranker-v2-m3", "ms-marco-minilm"));

TEST_P(GoldenEncoder, ScoresOfEverySettingAtEveryLevel) {
  RERANK_NEED_SHARED("golden");
  const Golden golden(GetParam());
  for (const kernels::Level* level : kernels::levels_on_this_cpu()) {
    const Loaded loaded = load(GetParam(), *level, kernels::Element::kF32);
    kernels::Workspace workspace;
    std::size_t compared = 0;
    for (std::size_t i = 0; i < golden.scores().size(); i += rerank::testing::kEvery) {
      const Golden::Score& expected = golden.scores()[i];
      double actual = score(*loaded.model, expected.ids, workspace);
      if (expected.sigmoid) actual = 1 / (1 + std::exp(-actual));
      ASSERT_NEAR(actual, expected.value, golden.float32_tolerance())
          << level->name << ' ' << expected.setting << ' ' << expected.pair;
      ++compared;
    }
    EXPECT_GT(compared, 200u / rerank::testing::kEvery);
  }
}

TEST_P(GoldenEncoder, StationsAtEveryLevel) {
  RERANK_NEED_SHARED("golden");
  const Golden golden(GetParam());
  for (const kernels::Level* level : kernels::levels_on_this_cpu()) {
    const Loaded loaded = load(GetParam(), *level, kernels::Element::kF32);
    const auto hidden = static_cast<std::size_t>(loaded.model->sizes().hidden);
    kernels::Workspace workspace;
    for (const Golden::Fingerprint& fingerprint : golden.fingerprints()) {
      Trace trace;
      score(*loaded.model, fingerprint.ids, workspace, &trace);
      ASSERT_EQ(trace.stations.size(), fingerprint.stations.size());
      for (std::size_t s = 0; s < trace.stations.size(); ++s)
        for (std::size_t i = 0; i < fingerprint.positions.size(); ++i) {
          const std::vector<double>& expected = fingerprint.stations[s][i];
          ASSERT_EQ(expected.size(), hidden);
          double largest = 0;
          for (const double value : expected) largest = std::max(largest, std::fabs(value));
          for (std::size_t c = 0; c < hidden; ++c)
            ASSERT_NEAR(trace.stations[s].values[fingerprint.positions[i] * hidden + c], expected[c],
                        golden.fingerprint_tolerance() * largest)
                << level->name << ": first drift at " << trace.stations[s].name << ", pair " << fingerprint.pair;
        }
    }
  }
}

// bf16 is compared with how far the reference program itself moves in bf16 on these pairs.
TEST_P(GoldenEncoder, Bf16MovesNoFurtherThanTheReferenceInBf16) {
  RERANK_NEED_SHARED("golden");
  const Golden golden(GetParam());
  for (const kernels::Level* level : kernels::levels_on_this_cpu()) {
    const Loaded loaded = load(GetParam(), *level, kernels::Element::kBf16);
    kernels::Workspace workspace;
    double largest = 0, total = 0;
    std::size_t count = 0;
    for (std::size_t i = 0; i < golden.scores().size(); i += rerank::testing::kEvery) {
      const Golden::Score& expected = golden.scores()[i];
      if (expected.sigmoid) continue;
      const double moved = std::fabs(score(*loaded.model, expected.ids, workspace) - expected.value);
      largest = std::max(largest, moved);
      total += moved;
      ++count;
    }
    std::printf("%s bf16 at %s: scores move by %.4f at most, %.4f on average (reference in bf16: %.4f, %.4f)\n",
                GetParam(), std::string(level->name).c_str(), largest, total / static_cast<double>(count),
                golden.bf16_noise_max(), golden.bf16_noise_mean());
    EXPECT_LE(largest, 1.5 * golden.bf16_noise_max()) << level->name;
    if (!rerank::testing::kSanitized) {  // the mean of a small sample says little
      EXPECT_LE(total / static_cast<double>(count), 1.5 * golden.bf16_noise_mean()) << level->name;
    }
  }
}

// A trace computes every layer for every token; without one the last layer sees first tokens only. Same bits.
TEST_P(GoldenEncoder, TheShortLastLayerGivesTheSameBits) {
  RERANK_NEED_SHARED("golden");
  const Golden golden(GetParam());
  for (const kernels::Level* level : kernels::levels_on_this_cpu())
    for (const kernels::Element element : {kernels::Element::kF32, kernels::Element::kBf16}) {
      const Loaded loaded = load(GetParam(), *level, element);
      kernels::Workspace workspace;
      for (const Golden::Fingerprint& fingerprint : golden.fingerprints()) {
        Trace trace;
        EXPECT_EQ(score(*loaded.model, fingerprint.ids, workspace, &trace),
                  score(*loaded.model, fingerprint.ids, workspace))
            << level->name;
      }
    }
}

TEST_P(GoldenEncoder, ABatchGivesTheSameBitsAsOneAtATime) {
  RERANK_NEED_SHARED("golden");
  const Golden golden(GetParam());
  for (const kernels::Level* level : kernels::levels_on_this_cpu())
    for (const kernels::Element element : {kernels::Element::kF32, kernels::Element::kBf16}) {
      const Loaded loaded = load(GetParam(), *level, element);
      kernels::Workspace workspace;
      RaggedBatch batch;
      std::vector<float> alone;
      for (const Golden::Score& expected : golden.scores()) {
        if (expected.setting != "flag-64") continue;
        batch.add(expected.ids.ids, expected.ids.types);
        alone.push_back(score(*loaded.model, expected.ids, workspace));
      }
      std::vector<float> together(alone.size());
      ASSERT_TRUE(loaded.model->forward(batch, workspace, together).ok());
      EXPECT_EQ(together, alone) << level->name;
    }
}

}  // namespace
}  // namespace rerank::models
