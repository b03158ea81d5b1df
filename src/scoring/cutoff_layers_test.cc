#include "scoring/cutoff_layers.h"

#include <gtest/gtest.h>

namespace rerank::scoring {
namespace {

using Layers = std::vector<std::size_t>;

struct CutoffCase {
  std::vector<int> asked;
  LayerRange available;
  Layers layers, order;
  std::vector<std::string> remarks;
};
class Cutoffs : public ::testing::TestWithParam<CutoffCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Cutoffs,
    ::testing::Values(
        CutoffCase{{}, {2, 6, 1}, {6}, {0}, {}},  //
        CutoffCase{{2, 6}, {2, 6, 1}, {2, 6}, {0, 1}, {}}, CutoffCase{{6, 2, 4}, {2, 6, 1}, {2, 4, 6}, {2, 0, 1}, {}},
        CutoffCase{{1, 4, 9},
                   {2, 6, 1},
                   {4},
                   {0},
                   {"cutoff layer 1 is left out: the model has heads for 2 to 6",
                    "cutoff layer 9 is left out: the model has heads for 2 to 6"}},
        CutoffCase{
            {6, 2, 6}, {2, 6, 1}, {2, 6}, {1, 0}, {"cutoff layer 6 is asked for more than once and counts once"}},
        CutoffCase{{9, 8}, {8, 42, 2}, {8}, {0}, {"cutoff layer 9 is left out: the model has heads for 8, 10, ... 42"}},
        CutoffCase{
            {-1, 24}, {24, 24, 1}, {24}, {0}, {"cutoff layer -1 is left out: the model has heads for only 24"}}));
TEST_P(Cutoffs, AreRisingAndKeepTheOrderAsked) {
  const auto plan = plan_cutoffs(GetParam().asked, GetParam().available);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan.value().layers, GetParam().layers);
  EXPECT_EQ(plan.value().order, GetParam().order);
  EXPECT_EQ(plan.value().remarks, GetParam().remarks);
}

TEST(Cutoffs, NoneLeftIsAnError) {
  const int asked[] = {1, 7};
  const auto plan = plan_cutoffs(asked, {2, 6, 1});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, Error::Code::kBadInput);
  EXPECT_EQ(plan.error().message(),
            "--cutoff-layers: none of the layers has a head (1, 7) (the model has heads for 2 to 6)");
}

struct CompressionCase {
  int ratio;
  std::vector<int> layers;
  std::size_t last_layer, expected_ratio;
  Layers expected;
  std::vector<std::string> remarks;
};
class Compression : public ::testing::TestWithParam<CompressionCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Compression,
    ::testing::Values(CompressionCase{1, {8}, 6, 1, {}, {}},  // off: the default layers are not worth a remark
                      CompressionCase{2, {3, 1, 3}, 6, 2, {1, 3}, {}},
                      CompressionCase{8, {0, 2}, 6, 8, {2}, {"nothing is compressed before layer 0"}},
                      CompressionCase{
                          4, {3, 4}, 4, 4, {3}, {"nothing is compressed before layer 4: only 4 layers run"}},
                      CompressionCase{2, {8}, 6, 1, {}, {"nothing is compressed before layer 8: only 6 layers run"}},
                      CompressionCase{2, {}, 6, 1, {}, {}}));
TEST_P(Compression, HappensBeforeLayersThatRun) {
  const auto plan = plan_compression(GetParam().ratio, GetParam().layers, GetParam().last_layer);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(plan.value().ratio, GetParam().expected_ratio);
  EXPECT_EQ(plan.value().layers, GetParam().expected);
  EXPECT_EQ(plan.value().remarks, GetParam().remarks);
}

TEST(Compression, OtherRatiosAndNegativeLayersAreErrors) {
  for (const int ratio : {-2, 0, 3, 16}) {
    const auto plan = plan_compression(ratio, {}, 6);
    ASSERT_FALSE(plan.ok()) << ratio;
    EXPECT_EQ(plan.error().where, "--compress-ratio");
    EXPECT_EQ(plan.error().fix, "use 1 (off), 2, 4 or 8");
  }
  const int layers[] = {2, -3};
  const auto plan = plan_compression(2, layers, 6);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().message(), "--compress-layers: -3 is no layer (layers count from 0)");
}

}  // namespace
}  // namespace rerank::scoring
