// What an interrupted `rerank score` left in its output file, for --resume.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "rerank/error.h"

namespace rerank::cli {

class EarlierScores {
 public:
  // None at all.
  EarlierScores();

  // Reads the output file for an input of so many records; one that is not there holds none. The last line is cut off
  // where it has no end, because an interruption tore it.
  // kBadInput for a line that is no {"index":N, ...}, and for an index that comes twice or is beyond the input.
  static Result<EarlierScores> read(const std::string& file, std::size_t records);

  bool has(std::size_t index) const { return index < done_.size() && done_[index]; }
  std::size_t size() const { return size_; }

  // The shortest line, which took the least to compute: where it comes out the same again, the file is likely to belong
  // to the same input, model and options.
  struct Sample {
    std::size_t index;
    std::string line;
  };
  const std::optional<Sample>& sample() const { return sample_; }

 private:
  Status take(std::size_t index, std::string line, const std::string& where);

  std::vector<bool> done_;  // [records]
  std::size_t size_ = 0;
  std::optional<Sample> sample_;
};

// Puts the lines of a finished output file in the order of their indexes, if they are not: a run that was resumed
// appends. The file is replaced as a whole.
Status sort_scores(const std::string& file);

}  // namespace rerank::cli
