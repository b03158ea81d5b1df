#include "io/replace_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/try.h"
#include "io/file_descriptor.h"
#include "io/output.h"
#include "io/system_error.h"

namespace rerank::io {
namespace fs = std::filesystem;
namespace {

Status write_to_disk(const std::string& path, std::string_view text) {
  RERANK_ASSIGN(OutputFile output, OutputFile::open(path));
  RERANK_TRY(output.write(text));
  RERANK_TRY(output.close());
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return system_error(errno, "open", path);
  if (::fsync(file.get()) != 0 && errno != EINVAL) return system_error(errno, "write", path);
  return {};
}

}  // namespace

Status replace_file(const fs::path& path, std::string_view text) {
  std::error_code failed;
  const fs::path wanted = fs::weakly_canonical(fs::absolute(path, failed), failed);
  if (failed) return system_error(failed.value(), "open", path.string());
  const fs::path unfinished =
      wanted.parent_path() / fmt::format(".{}.unfinished-{}", wanted.filename().string(), ::getpid());
  Status status = write_to_disk(unfinished.string(), text);
  if (status.ok()) {
    fs::rename(unfinished, wanted, failed);
    if (!failed) return {};
    status = system_error(failed.value(), "replace", path.string());
  }
  fs::remove(unfinished, failed);
  status.error().where = path.string();
  return status;
}

}  // namespace rerank::io
