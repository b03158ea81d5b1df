#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "io/file_descriptor.h"
#include "io/system_error.h"

namespace rerank::io {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  std::string name = path.string();
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  const FileDescriptor file(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return system_error(errno, "open", std::move(name));
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return system_error(errno, "read", std::move(name));
  if (S_ISDIR(status.st_mode)) return system_error(EISDIR, "read", std::move(name));
  if (!S_ISREG(status.st_mode))
    return Error{Error::Code::kIo, "is not a regular file", std::move(name), "name a file on disk"};
  if (status.st_size == 0)
    return Error{Error::Code::kCorrupt, "is empty", std::move(name), "copy or download the file again"};
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) return system_error(errno, "map", std::move(name));
  return MappedFile(std::move(name), static_cast<const std::byte*>(address), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::will_need(std::size_t offset, std::size_t size) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  offset = std::min(offset, size_);
  const std::size_t end = offset + std::min(size, size_ - offset), first = offset / page * page;
  if (first < end) ::madvise(const_cast<std::byte*>(data_) + first, end - first, MADV_WILLNEED);
}

void MappedFile::drop(std::size_t offset, std::size_t size) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  offset = std::min(offset, size_);
  const std::size_t end = offset + std::min(size, size_ - offset);
  const std::size_t first = (offset + page - 1) / page * page;
  // The file's last page belongs to the file alone, though the file may end inside it.
  const std::size_t last = end == size_ ? (end + page - 1) / page * page : end / page * page;
  if (first < last) ::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
}

}  // namespace rerank::io
