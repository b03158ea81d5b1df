#include "cli/progressive.h"

#include <fmt/format.h>

namespace rerank::cli {

void add_progressive_options(CLI::App& command, ProgressiveOptions& options, CLI::Option* asked) {
  command
      .add_option("--early-layer", options.early_layer,
                  "With --progressive: the layer whose scores decide [the one with a head next to a quarter of them]")
      ->check(CLI::Range(1, 1 << 20).description(""))
      ->type_name("N")
      ->needs(asked);
}

std::string work_saved(const ProgressiveRanking& found, std::size_t passages) {
  const std::string share = found.work_saved < 0
                                ? fmt::format("{:.0f} percent more work", -100 * found.work_saved)
                                : fmt::format("{:.0f} percent of the work saved", 100 * found.work_saved);
  return fmt::format("{} of {} passages went beyond layer {} of {}: {}", found.carried, passages, found.early_layer,
                     found.last_layer, share);
}

}  // namespace rerank::cli
