#include "cli/progress.h"

#include <gtest/gtest.h>

namespace rerank::cli {
namespace {

struct LineCase {
  const char* why;
  ProgressState state;
  std::size_t columns;
  const char* expected;
};
class ProgressLine : public testing::TestWithParam<LineCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, ProgressLine,
    testing::Values(LineCase{"the start", {0, 0, 0.0}, 40, "[>                      ]    0%  0 pairs"},
                    LineCase{"half way",
                             {500, 10, 0.5},
                             70,
                             "[=============>            ]   50%  500 pairs  50.0 pairs/s  0:10 left"},
                    LineCase{"done", {10, 2, 1.0}, 56, "[==============]  100%  10 pairs  5.0 pairs/s  0:00 left"},
                    LineCase{"hours", {1, 3600, 0.25}, 44, " 25%  1 pairs  0.0 pairs/s  3:00:00 left"},
                    LineCase{"nobody knows how much", {7, 2, std::nullopt}, 60, "7 pairs  3.5 pairs/s"},
                    LineCase{"a model that writes",
                             {3, 10, std::nullopt, "pairs", 640},
                             70,
                             "3 pairs  0.3 pairs/s  640 tokens  64.0 tokens/s"},
                    LineCase{"a download",
                             {1'500'000'000, 30, 0.6, "bytes"},
                             60,
                             "[=============>        ]   60%  1.5 GB  50.0 MB/s  0:20 left"},
                    LineCase{"a narrow terminal", {500, 10, 0.5}, 20, " 50%  500 pairs  50."}));
TEST_P(ProgressLine, FitsTheTerminal) {
  const auto& [why, state, columns, expected] = GetParam();
  EXPECT_EQ(progress_line(state, columns), expected) << why;
  EXPECT_LE(progress_line(state, columns).size(), columns) << why;
}

TEST(BytesText, CountsInPowersOfAThousand) {
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(999), "999 bytes");
  EXPECT_EQ(bytes_text(1000), "1.0 kB");
  EXPECT_EQ(bytes_text(999'960), "1.0 MB");
  EXPECT_EQ(bytes_text(2'271'071'852), "2.3 GB");
  EXPECT_EQ(bytes_text(~std::uint64_t{0}), "18446.7 PB");
}

}  // namespace
}  // namespace rerank::cli
