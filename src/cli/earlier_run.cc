#include "cli/earlier_run.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>

#include "base/try.h"
#include "cli/whole_lines.h"

namespace rerank::cli {

Result<EarlierRun> EarlierRun::read(const std::string& path, const FirstStage& stage) {
  EarlierRun earlier;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return earlier;
  std::string current;
  std::size_t next = 0;  // query of the first stage behind the current one
  RERANK_TRY(for_each_whole_line(path, [&](const WholeLine& line) -> Status {
    const std::string_view query = std::string_view(line.text).substr(0, line.text.find(' '));
    if (query.empty() || query != current) {
      while (next < stage.queries.size() && stage.queries[next].query_id != query) ++next;
      if (query.empty() || next == stage.queries.size())
        return Error{Error::Code::kBadInput, fmt::format("\"{}\" is not the next query of this run", query),
                     fmt::format("{}:{}", path, line.number),
                     "resume with the same data set and run, or name another --output"};
      earlier.queries = next++;
      earlier.bytes = line.offset;
      earlier.last_lines.clear();
      current = query;
    }
    earlier.last_lines += line.text + '\n';
    return {};
  }));
  return earlier;
}

}  // namespace rerank::cli
