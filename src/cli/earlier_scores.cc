#include "cli/earlier_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/try.h"
#include "cli/whole_lines.h"
#include "io/json.h"
#include "io/output.h"
#include "io/system_error.h"

namespace rerank::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOtherFile = "--resume takes the output of the same command that was interrupted";

struct Line : WholeLine {
  std::size_t index;  // of its record
};

// Every whole line of the file; the offset where they end.
Result<std::uint64_t> for_each_line(const std::string& file, const std::function<Status(Line)>& take) {
  io::JsonParser parser;
  return for_each_whole_line(file, [&](WholeLine line) -> Status {
    const io::JsonSource source{fmt::format("{} line {}", file, line.number), Error::Code::kBadInput};
    const auto index = [&]() -> Result<std::int64_t> {
      RERANK_ASSIGN(const io::Json json, parser.parse(line.text, source));
      RERANK_ASSIGN(const io::Json member, json.get("index"));
      RERANK_ASSIGN(const std::int64_t value, member.integer());
      if (value < 0) return member.expected("a number from 0");
      return value;
    }();
    if (!index.ok()) {
      Error error = index.error();
      error.fix = kOtherFile;
      return error;
    }
    return take({std::move(line), static_cast<std::size_t>(index.value())});
  });
}

}  // namespace

// Out of line: GCC 12 with sanitizers takes the sample that is not there for uninitialized otherwise.
EarlierScores::EarlierScores() = default;

Result<EarlierScores> EarlierScores::read(const std::string& file, std::size_t records) {
  EarlierScores earlier;
  earlier.done_.assign(records, false);
  std::error_code error;
  if (!fs::exists(file, error)) return earlier;
  if (!fs::is_regular_file(file, error))
    return Error{Error::Code::kBadInput, "is no file that could be read again", file,
                 "--resume needs an --output FILE"};
  RERANK_ASSIGN(const std::uint64_t end, for_each_line(file, [&](Line line) {
                  return earlier.take(line.index, std::move(line.text), fmt::format("{} line {}", file, line.number));
                }));
  if (end < fs::file_size(file, error)) fs::resize_file(file, end, error);
  if (error) return io::system_error(error.value(), "cut", file);
  return earlier;
}

Status EarlierScores::take(std::size_t index, std::string line, const std::string& where) {
  if (index >= done_.size())
    return Error{Error::Code::kBadInput, fmt::format("index {} is beyond the input's {} records", index, done_.size()),
                 where, kOtherFile};
  if (done_[index])
    return Error{Error::Code::kBadInput, fmt::format("index {} is there already", index), where, kOtherFile};
  done_[index] = true;
  ++size_;
  if (!sample_ || line.size() < sample_->line.size()) sample_ = Sample{index, std::move(line)};
  return {};
}

Status sort_scores(const std::string& file) {
  struct Place {
    std::size_t index;
    std::uint64_t offset;
  };
  std::vector<Place> places;
  RERANK_TRY(for_each_line(file, [&](const Line& line) {
    places.push_back({line.index, line.offset});
    return Status();
  }));
  const auto by_index = [](const Place& a, const Place& b) { return a.index < b.index; };
  if (std::is_sorted(places.begin(), places.end(), by_index)) return {};
  std::sort(places.begin(), places.end(), by_index);

  std::error_code error;
  const fs::path target = fs::canonical(file, error);  // behind a link, not the link itself
  if (error) return io::system_error(error.value(), "find", file);
  const std::string sorted = target.string() + ".sorted";
  std::ifstream stream(target, std::ios::binary);
  RERANK_ASSIGN(io::OutputFile output, io::OutputFile::open(sorted));
  std::string text;
  for (const Place& place : places) {
    stream.seekg(static_cast<std::streamoff>(place.offset));
    if (!std::getline(stream, text)) return io::system_error(errno, "read", file);
    RERANK_TRY(output.write(text + '\n'));
  }
  RERANK_TRY(output.close());
  fs::rename(sorted, target, error);
  if (error) return io::system_error(error.value(), "replace", file);
  return {};
}

}  // namespace rerank::cli
