#include "hub/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/try.h"
#include "hub/cache.h"
#include "io/system_error.h"

namespace rerank::hub {
namespace {

// Whether the descriptor is still that file: a program that removes locks may have been faster than we.
bool is_same_file(int descriptor, const std::filesystem::path& path) {
  struct stat opened {
  }, named{};
  return ::fstat(descriptor, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

}  // namespace

Result<FileLock> FileLock::acquire(const std::filesystem::path& path, const std::function<void()>& on_wait) {
  RERANK_TRY(make_folder(path.parent_path()));
  bool told = false;
  while (true) {
    io::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664));
    if (!file.is_open()) return io::system_error(errno, "open", path.string());
    int failed = ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    if (failed == EWOULDBLOCK) {
      if (!told) on_wait();
      told = true;
      while ((failed = ::flock(file.get(), LOCK_EX) == 0 ? 0 : errno) == EINTR) continue;
    }
    const bool no_locks_here = failed == ENOSYS || failed == ENOLCK || failed == EOPNOTSUPP;
    if (failed != 0 && !no_locks_here) return io::system_error(failed, "lock", path.string());
    if (no_locks_here || is_same_file(file.get(), path)) return FileLock(std::move(file));
  }
}

}  // namespace rerank::hub
