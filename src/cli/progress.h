// The line on a terminal that says how far the work is, how fast it goes and how long it will take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rerank::cli {

// What the line shows; a pure function of these numbers.
struct ProgressState {
  std::size_t done = 0;             // pairs, or whatever `unit` says
  double seconds = 0;               // since the first one was begun
  std::optional<double> fraction;   // of all the work, 0 to 1; empty when nobody knows (a pipe)
  std::string_view unit = "pairs";  // "bytes" are shown as kB, MB and GB
  std::uint64_t new_tokens = 0;     // that a model has written; 0: none is to be shown
};

// "[=========>          ]  45%  1234 pairs  56.1 pairs/s  0:27 left", in at most `columns` columns; the bar gives way
// first. Without a fraction only the counts and the rates.
std::string progress_line(const ProgressState& state, std::size_t columns);

// "17 bytes", "4.2 kB", "2.3 GB": powers of 1000, as download pages count.
std::string bytes_text(std::uint64_t bytes);

// Draws the line on stderr when that is a terminal and `quiet` is off; otherwise only the notes appear.
// For one thread at a time.
class ProgressBar {
 public:
  // `unit` is what is counted, in the plural; it must outlive the bar.
  explicit ProgressBar(bool quiet, std::string_view unit = "pairs");
  ~ProgressBar();  // takes the line away
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Draws, at most ten times a second. The clock starts at the first call.
  void update(std::size_t done, std::optional<double> fraction, std::uint64_t new_tokens = 0);
  // A message of its own line, "rerank: MESSAGE", without leaving pieces of the bar behind. Written even when quiet.
  void note(const std::string& message);
  // Takes the line away.
  void clear();
  // Whether anybody will see the line.
  bool enabled() const { return enabled_; }

 private:
  bool enabled_;
  std::string_view unit_;
  bool drawn_ = false;
  bool started_ = false;
  double start_ = 0, last_drawn_ = 0;
};

}  // namespace rerank::cli
