#include "cli/whole_lines.h"

#include <cerrno>
#include <fstream>

#include "base/try.h"
#include "io/system_error.h"

namespace rerank::cli {

Result<std::uint64_t> for_each_whole_line(const std::string& file, const std::function<Status(WholeLine)>& take) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return io::system_error(errno, "open", file);
  std::uint64_t offset = 0;
  std::string text;
  for (std::size_t number = 1; std::getline(stream, text) && !stream.eof(); ++number) {
    const std::uint64_t size = text.size() + 1;
    RERANK_TRY(take({number, offset, std::move(text)}));
    offset += size;
  }
  if (stream.bad()) return io::system_error(errno, "read", file);
  return offset;
}

}  // namespace rerank::cli
