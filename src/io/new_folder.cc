#include "io/new_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "base/try.h"
#include "io/file_descriptor.h"
#include "io/output.h"
#include "io/system_error.h"

namespace rerank::io {
namespace fs = std::filesystem;
namespace {

Error taken(const fs::path& path, const char* what) {
  return Error{Error::Code::kBadInput, what, path.string(), "name a folder that does not exist yet"};
}

// So that a crash of the machine leaves the names as they are now.
Status sync_folder(const fs::path& path) {
  const FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return system_error(errno, "open", path.string());
  // EINVAL: a file system that has nothing to do for it.
  if (::fsync(folder.get()) != 0 && errno != EINVAL) return system_error(errno, "write", path.string());
  return {};
}

}  // namespace

Result<NewFolder> NewFolder::create(const fs::path& path) {
  std::error_code failed;
  // The name behind links, without a slash at its end.
  fs::path wanted = fs::weakly_canonical(fs::absolute(path, failed), failed);
  if (failed) return system_error(failed.value(), "open", path.string());
  if (!wanted.has_filename()) wanted = wanted.parent_path();
  const fs::file_status status = fs::status(wanted, failed);
  if (fs::exists(status)) {
    if (!fs::is_directory(status)) return taken(path, "exists and is no folder");
    const bool empty = fs::is_empty(wanted, failed);
    if (failed) return system_error(failed.value(), "read", path.string());
    if (!empty) return taken(path, "exists and is not empty");
  }
  const std::string name = fmt::format(".{}.unfinished-{}", wanted.filename().string(), ::getpid());
  fs::path temporary = wanted.parent_path() / name;
  for (int attempt = 1; ::mkdir(temporary.c_str(), 0777) != 0; ++attempt) {
    const int number = errno;
    if (number == ENOENT || number == ENOTDIR)
      return Error{Error::Code::kBadInput, "there is no such folder to put it in", wanted.parent_path().string(),
                   "make it first"};
    if (number != EEXIST) return system_error(number, "create a folder in", wanted.parent_path().string());
    temporary.replace_filename(fmt::format("{}-{}", name, attempt));  // left behind by one that was killed
  }
  return NewFolder(std::move(wanted), std::move(temporary));
}

NewFolder::NewFolder(NewFolder&& other) noexcept
    : wanted_(std::move(other.wanted_)), temporary_(std::exchange(other.temporary_, {})) {}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

Status NewFolder::write(std::string_view name, std::string_view text) const {
  const fs::path path = temporary_ / name;
  RERANK_ASSIGN(OutputFile file, OutputFile::open(path.string()));
  RERANK_TRY(file.write(text));
  return file.close();
}

Status NewFolder::publish() {
  RERANK_TRY(sync_folder(temporary_));
  if (std::rename(temporary_.c_str(), wanted_.c_str()) != 0) {
    const int number = errno;
    if (number == ENOTEMPTY || number == EEXIST || number == ENOTDIR)
      return taken(wanted_, "was filled by somebody else meanwhile");
    return system_error(number, "rename to", wanted_.string());
  }
  temporary_.clear();
  return sync_folder(wanted_.parent_path());
}

}  // namespace rerank::io
