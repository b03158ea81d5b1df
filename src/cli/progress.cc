#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/process.h"
#include "cli/terminal.h"

namespace rerank::cli {
namespace {

constexpr double kSecondsBetweenDraws = 0.1;
constexpr std::size_t kWidestBar = 40, kNarrowestBar = 5;
// Before that the rate is mostly noise of the start.
constexpr double kSecondsBeforeForecast = 1.0;

std::string clock_text(double seconds) {
  const auto total = static_cast<long long>(std::min(std::ceil(seconds), 359'999'999.0));
  const long long hours = total / 3600, minutes = total / 60 % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, total % 60)
                   : fmt::format("{}:{:02}", minutes, total % 60);
}

std::string amount_text(double amount, std::string_view unit, int decimals) {
  if (unit == "bytes") return bytes_text(static_cast<std::uint64_t>(amount));
  return fmt::format("{:.{}f} {}", amount, decimals, unit);
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  static constexpr std::array<const char*, 6> kUnits = {"bytes", "kB", "MB", "GB", "TB", "PB"};
  while (amount >= 999.95 && unit + 1 < kUnits.size()) {
    amount /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", amount, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string progress_line(const ProgressState& state, std::size_t columns) {
  const double rate = state.seconds > 0 ? static_cast<double>(state.done) / state.seconds : 0;
  std::string text = amount_text(static_cast<double>(state.done), state.unit, 0);
  if (state.done > 0) text += fmt::format("  {}/s", amount_text(rate, state.unit, 1));
  if (state.new_tokens > 0)
    text += fmt::format("  {} tokens  {:.1f} tokens/s", state.new_tokens,
                        state.seconds > 0 ? static_cast<double>(state.new_tokens) / state.seconds : 0);
  if (state.fraction) {
    const double fraction = std::clamp(*state.fraction, 0.0, 1.0);
    text = fmt::format("{:3.0f}%  {}", std::floor(100 * fraction), text);
    if (fraction > 0 && state.seconds >= kSecondsBeforeForecast)
      text += fmt::format("  {} left", clock_text(state.seconds * (1 - fraction) / fraction));
    const std::size_t around = 4;  // "[", "]" and two spaces
    if (columns >= text.size() + around + kNarrowestBar) {
      const std::size_t cells = std::min(kWidestBar, columns - text.size() - around);
      const auto full = static_cast<std::size_t>(fraction * static_cast<double>(cells));
      std::string bar(full, '=');
      if (full < cells) bar += '>';
      bar.resize(cells, ' ');
      text = fmt::format("[{}]  {}", bar, text);
    }
  }
  if (text.size() > columns) text.resize(columns);
  return text;
}

ProgressBar::ProgressBar(bool quiet, std::string_view unit)
    : enabled_(!quiet && is_terminal(STDERR_FILENO)), unit_(unit) {}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::update(std::size_t done, std::optional<double> fraction, std::uint64_t new_tokens) {
  if (!enabled_) return;
  const double now = wall_seconds();
  if (!started_) start_ = now;
  if (started_ && now - last_drawn_ < kSecondsBetweenDraws) return;
  started_ = true;
  last_drawn_ = now;
  // One column stays free: a terminal that wraps at the last one would leave a trail of lines.
  const std::string line =
      progress_line({done, now - start_, fraction, unit_, new_tokens}, terminal_columns(STDERR_FILENO) - 1);
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressBar::note(const std::string& message) {
  clear();
  fmt::print(stderr, "rerank: {}\n", message);
}

void ProgressBar::clear() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace rerank::cli
