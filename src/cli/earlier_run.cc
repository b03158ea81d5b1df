#include "cli/earlier_run.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string_view>

namespace rerank::cli {

Result<EarlierRun> EarlierRun::read(const std::string& path, const FirstStage& stage) {
  EarlierRun earlier;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return earlier;
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{Error::Code::kIo, "cannot be read", path, "--resume goes on behind what the file holds"};

  std::string line, current;
  std::size_t next = 0;  // query of the first stage behind the current one
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (file.eof()) break;  // no line end: torn
    const std::string_view query = std::string_view(line).substr(0, line.find(' '));
    if (query.empty() || query != current) {
      while (next < stage.queries.size() && stage.queries[next].query_id != query) ++next;
      if (query.empty() || next == stage.queries.size())
        return Error{Error::Code::kBadInput, fmt::format("\"{}\" is not the next query of this run", query),
                     fmt::format("{}:{}", path, number),
                     "resume with the same data set and run, or name another --output"};
      earlier.queries = next++;
      earlier.bytes += earlier.last_lines.size();
      earlier.last_lines.clear();
      current = query;
    }
    earlier.last_lines += line + '\n';
  }
  if (file.bad()) return Error{Error::Code::kIo, "cannot be read", path, ""};
  return earlier;
}

}  // namespace rerank::cli
