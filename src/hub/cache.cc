#include "hub/cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include "base/try.h"
#include "hub/names.h"
#include "hub/wanted_files.h"
#include "io/file_descriptor.h"
#include "io/mapped_file.h"
#include "io/output.h"
#include "io/system_error.h"

namespace rerank::hub {
namespace {

namespace fs = std::filesystem;

// Commits of caches made by hand or by mirrors may be anything that is safe as a name.
bool is_snapshot_name(std::string_view text) {
  return is_file_name(text);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// A file of a few bytes that appears with all of them or not at all.
Status write_whole(const fs::path& path, std::string_view text) {
  const fs::path temporary = fmt::format("{}.{}.tmp", path.string(), ::getpid());
  RERANK_ASSIGN(io::OutputFile file, io::OutputFile::open(temporary.string()));
  RERANK_TRY(file.write(text));
  RERANK_TRY(file.close());
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return io::system_error(errno, "write", path.string());
  return {};
}

}  // namespace

Status make_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (!failed) return {};
  Error error = io::system_error(failed.value(), "create the folder", folder.string());
  error.code = Error::Code::kIo;
  error.fix = "HF_HUB_CACHE names another folder for models";
  return error;
}

ModelCache::ModelCache(const fs::path& cache, std::string_view name) {
  const std::size_t slash = name.find('/');
  const std::string folder = fmt::format("models--{}--{}", name.substr(0, slash), name.substr(slash + 1));
  folder_ = cache / folder;
  locks_ = cache / ".locks" / folder;
}

fs::path ModelCache::incomplete(std::string_view sum) const {
  return folder_ / "blobs" / fmt::format("{}.incomplete", sum);
}

fs::path ModelCache::lock(std::string_view sum) const {
  return locks_ / fmt::format("{}.lock", sum);
}

std::optional<std::string> ModelCache::commit_of(std::string_view revision) const {
  if (is_commit(revision)) return std::string(revision);
  if (!is_revision(revision)) return std::nullopt;
  std::string commit;
  std::ifstream(folder_ / "refs" / revision) >> commit;
  // The name becomes part of a path, so it must not be able to lead out of the cache.
  if (!is_snapshot_name(commit)) return std::nullopt;
  return commit;
}

std::vector<std::string> ModelCache::missing(std::string_view commit) const {
  const fs::path here = snapshot(commit), absent = folder_ / ".no_exist" / commit;
  const auto has = [&](std::string_view name) { return is_file(here / name); };
  if (!is_snapshot_name(commit)) return {std::string(kConfig)};
  if (!has(kConfig) && has(kAdapterConfig) && has(kAdapterWeights)) return {};

  std::vector<std::string> missing;
  if (!has(kConfig)) missing.emplace_back(kConfig);
  if (!has(kTokenizer) && !is_file(absent / kTokenizer)) missing.emplace_back(kTokenizer);
  if (has(kWeights)) return missing;
  if (!has(kIndex)) {
    missing.emplace_back(kWeights);
    return missing;
  }
  const std::string index = (here / kIndex).string();
  const Result<io::MappedFile> file = io::MappedFile::open(index);
  const auto shards =
      file.ok() ? shards_of(file.value().text(), index) : Result<std::vector<std::string>>(file.error());
  if (!shards.ok()) {
    missing.emplace_back(kIndex);
    return missing;
  }
  for (const std::string& shard : shards.value())
    if (!has(shard)) missing.push_back(shard);
  return missing;
}

Status ModelCache::link(std::string_view commit, std::string_view file, std::string_view sum) const {
  const fs::path place = snapshot(commit) / file;
  RERANK_TRY(make_folder(place.parent_path()));
  // Relative, so that the cache can be moved. Under a name of its own first: nobody sees the place empty.
  const fs::path temporary = fmt::format("{}.{}.tmp", place.string(), ::getpid());
  const fs::path target = fs::path("..") / ".." / "blobs" / sum;
  ::unlink(temporary.c_str());  // of one that was killed, whose number we have got
  if (::symlink(target.c_str(), temporary.c_str()) != 0 || std::rename(temporary.c_str(), place.c_str()) != 0) {
    Error error = io::system_error(errno, "create a link", place.string());
    error.fix = "the cache needs a file system with symbolic links; HF_HUB_CACHE names another folder";
    return error;
  }
  return {};
}

Status ModelCache::remember_absent(std::string_view commit, std::string_view file) const {
  const fs::path place = folder_ / ".no_exist" / commit / file;
  RERANK_TRY(make_folder(place.parent_path()));
  return write_whole(place, "");
}

Status ModelCache::remember(std::string_view revision, std::string_view commit) const {
  if (revision == commit || commit_of(revision) == commit) return {};
  const fs::path place = folder_ / "refs" / revision;
  RERANK_TRY(make_folder(place.parent_path()));
  return write_whole(place, commit);
}

}  // namespace rerank::hub
