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
                    LineCase{"a narrow terminal", {500, 10, 0.5}, 20, " 50%  500 pairs  50."}));
TEST_P(ProgressLine, FitsTheTerminal) {
  const auto& [why, state, columns, expected] = GetParam();
  EXPECT_EQ(progress_line(state, columns), expected) << why;
  EXPECT_LE(progress_line(state, columns).size(), columns) << why;
}

}  // namespace
}  // namespace rerank::cli
