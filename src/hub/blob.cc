#include "hub/blob.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/try.h"
#include "hub/lock.h"
#include "hub/names.h"
#include "hub/refusal.h"
#include "io/file_descriptor.h"
#include "io/system_error.h"

namespace rerank::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 1 << 20;
constexpr const char* kContradiction = "the hub contradicts itself; try again later, or another HF_ENDPOINT";

// The value of an ETag header: without W/ and quotes.
std::string_view tag_of(std::string_view text) {
  if (text.starts_with("W/")) text.remove_prefix(2);
  while (text.starts_with('"')) text.remove_prefix(1);
  while (text.ends_with('"')) text.remove_suffix(1);
  return text;
}

// A number and nothing else.
std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The checksum that a tag is, if it is one.
std::optional<Expected> checksum_of(std::string_view tag) {
  if (is_sha256(tag)) return Expected{Expected::Kind::kSha256, std::string(tag)};
  if (is_sha1(tag)) return Expected{Expected::Kind::kGitSha1, std::string(tag)};
  return std::nullopt;
}

// A file that grows at its end, with the checksum of what it holds.
class GrowingFile {
 public:
  GrowingFile(io::FileDescriptor file, std::string name, const FileHead& head)
      : file_(std::move(file)), name_(std::move(name)), head_(head), sum_(head.checksum.kind, head.size) {}

  std::uint64_t size() const { return size_; }
  std::string digest() { return sum_.digest(); }

  // Takes in what an earlier attempt left. kIo.
  Status read_beginning() {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) return failed("read");
    if (static_cast<std::uint64_t>(status.st_size) > head_.size) return empty();
    std::vector<char> buffer(std::min<std::size_t>(kReadBytes, static_cast<std::size_t>(status.st_size)));
    while (size_ < static_cast<std::uint64_t>(status.st_size)) {
      const ssize_t got = ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(size_));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed("read");
      if (got == 0) break;
      sum_.add({buffer.data(), static_cast<std::size_t>(got)});
      size_ += static_cast<std::uint64_t>(got);
    }
    return {};
  }

  // Begins anew. kIo.
  Status empty() {
    if (::ftruncate(file_.get(), 0) != 0) return failed("write");
    size_ = 0;
    sum_ = Checksum(head_.checksum.kind, head_.size);
    return {};
  }

  // Writes at the end. kIo; what does not fit is not part of the checksum.
  Status add(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("write");
      const auto count = static_cast<std::size_t>(written);
      sum_.add(bytes.substr(0, count));
      size_ += count;
      bytes.remove_prefix(count);
    }
    return {};
  }

  // On the disk before its name says that it is whole. kIo.
  Status sync() {
    if (::fdatasync(file_.get()) != 0 && errno != EINVAL) return failed("write");
    return {};
  }

 private:
  Error failed(const char* action) const {
    Error error = io::system_error(errno, action, name_);
    if (errno == ENOSPC || errno == EDQUOT) error.fix += "; HF_HUB_CACHE names another folder for models";
    return error;
  }

  io::FileDescriptor file_;
  std::string name_;
  const FileHead& head_;
  Checksum sum_;
  std::uint64_t size_ = 0;
};

Status fetch_into(const Settings& settings, GrowingFile& file, const FileHead& head, const BlobHooks& hooks) {
  RangeFetch fetch;
  fetch.where = head.where;
  fetch.begin = file.size();
  fetch.size = head.size;
  fetch.name = head.name;
  fetch.locate_again = hooks.locate_again;
  fetch.on_bytes = hooks.on_bytes;
  fetch.on_note = hooks.on_note;
  fetch.write = [&file](std::string_view bytes) { return file.add(bytes); };
  return fetch_ranges(settings, fetch);
}

}  // namespace

Result<FileHead> head_of(Http& http, const Settings& settings, const std::string& model, const std::string& commit,
                         const RemoteFile& file) {
  const Request request{
      .head = true,
      .url = fmt::format("{}/{}/resolve/{}/{}", settings.endpoint, model, commit, percent_encoded(file.name)),
      .with_token = true};
  RERANK_ASSIGN(const Answer answer, http.ask_following(request));
  const bool elsewhere = !answer.redirect.empty();
  if (answer.status != 200 && !elsewhere) return refusal(answer, {model, commit, file.name}, settings);
  if (elsewhere && !may_follow(answer.url, answer.redirect))
    return Error{Error::Code::kIo, fmt::format("redirects to {}, which is not encrypted", answer.redirect), answer.url,
                 "does the address belong to a Hugging Face hub? See HF_ENDPOINT"};
  const std::string where = fmt::format("{}/{}", model, file.name);
  if (const std::string_view told = answer.header("x-repo-commit"); !told.empty() && told != commit)
    return Error{Error::Code::kCorrupt, "comes from another commit than was asked for", where, kContradiction};

  FileHead head;
  head.name = file.name;
  head.where = elsewhere ? Location{answer.redirect, false} : Location{answer.url, true};
  const std::string_view linked = answer.header("x-linked-etag");
  const std::string_view tag = tag_of(linked.empty() ? answer.header("etag") : linked);
  std::optional<Expected> checksum = checksum_of(tag);
  if (file.checksum && checksum && file.checksum->kind == checksum->kind && file.checksum->digest != checksum->digest)
    return Error{Error::Code::kCorrupt, "has two checksums", where, kContradiction};
  if (file.checksum) checksum = file.checksum;
  if (!checksum)
    return Error{Error::Code::kCorrupt, "the hub names no checksum of this file", where,
                 "does the address belong to a Hugging Face hub? See HF_ENDPOINT"};
  head.checksum = *checksum;
  head.blob = is_file_name(tag) ? std::string(tag) : checksum->digest;

  std::optional<std::uint64_t> size = number_in(answer.header("x-linked-size"));
  if (!size && !elsewhere) size = number_in(answer.header("content-length"));
  if (size && file.size && *size != *file.size)
    return Error{Error::Code::kCorrupt, fmt::format("has two sizes: {} and {} bytes", *file.size, *size), where,
                 kContradiction};
  if (!size) size = file.size;
  if (!size)
    return Error{Error::Code::kCorrupt, "the hub does not say how large this file is", where,
                 "does the address belong to a Hugging Face hub? See HF_ENDPOINT"};
  head.size = *size;
  return head;
}

std::uint64_t bytes_there(const ModelCache& cache, const FileHead& head) {
  std::error_code failed;
  if (fs::exists(cache.blob(head.blob), failed)) return head.size;
  const std::uint64_t there = fs::file_size(cache.incomplete(head.blob), failed);
  return failed || there > head.size ? 0 : there;
}

Status fetch_blob(const Settings& settings, const ModelCache& cache, const FileHead& head, const BlobHooks& hooks) {
  const fs::path blob = cache.blob(head.blob), incomplete = cache.incomplete(head.blob);
  std::error_code ignored;
  if (fs::exists(blob, ignored)) return {};
  RERANK_TRY(make_folder(blob.parent_path()));
  RERANK_ASSIGN(const FileLock lock, FileLock::acquire(cache.lock(head.blob), [&] {
                  hooks.on_note(fmt::format("waiting for another program that is fetching {}", head.name));
                }));
  if (fs::exists(blob, ignored)) return {};
  // Nobody else may be led to write elsewhere: the name is not followed when it is a link.
  io::FileDescriptor descriptor(::open(incomplete.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!descriptor.is_open()) return io::system_error(errno, "open", incomplete.string());
  GrowingFile file(std::move(descriptor), incomplete.string(), head);
  RERANK_TRY(file.read_beginning());

  for (bool resumed = file.size() > 0;; resumed = false) {
    RERANK_TRY(fetch_into(settings, file, head, hooks));
    const std::string digest = file.digest();
    if (digest == head.checksum.digest) break;
    const auto bytes = static_cast<std::int64_t>(file.size());
    RERANK_TRY(file.empty());
    if (!resumed) {
      fs::remove(incomplete, ignored);
      return Error{
          Error::Code::kCorrupt,
          fmt::format("arrived with the {} {}, expected {}", head.checksum.name(), digest, head.checksum.digest),
          head.name, "nothing of it is kept; try again, and look at proxies on the way"};
    }
    hooks.on_note(fmt::format("{}: what an earlier attempt left is wrong; fetching it from the beginning", head.name));
    hooks.on_bytes(-bytes);
  }
  RERANK_TRY(file.sync());
  if (std::rename(incomplete.c_str(), blob.c_str()) != 0) return io::system_error(errno, "rename to", blob.string());
  return {};
}

}  // namespace rerank::hub
