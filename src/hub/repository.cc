#include "hub/repository.h"

#include <algorithm>

#include "base/try.h"
#include "hub/names.h"
#include "io/json.h"

namespace rerank::hub {
namespace {

constexpr std::size_t kMostFiles = 100'000;
constexpr const char* kNoHub = "does the address belong to a Hugging Face hub? See HF_ENDPOINT";

std::optional<std::string> text_of(const io::Json& object, std::string_view key) {
  const std::optional<io::Json> value = object.find(key);
  if (!value || !value->is_string()) return std::nullopt;
  return std::string(value->string().value());
}

std::optional<std::uint64_t> size_of(const io::Json& object) {
  const std::optional<io::Json> value = object.find("size");
  if (!value) return std::nullopt;
  const Result<std::int64_t> size = value->integer();
  if (!size.ok() || size.value() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(size.value());
}

RemoteFile read_file(std::string name, const io::Json& entry) {
  RemoteFile file{std::move(name), size_of(entry), std::nullopt};
  if (const std::optional<io::Json> stored = entry.find("lfs"); stored && stored->is_object()) {
    if (const auto size = size_of(*stored)) file.size = size;
    if (const auto digest = text_of(*stored, "sha256"); digest && is_sha256(*digest))
      file.checksum = Expected{Expected::Kind::kSha256, *digest};
    return file;
  }
  if (const auto blob = text_of(entry, "blobId"); blob && is_sha1(*blob))
    file.checksum = Expected{Expected::Kind::kGitSha1, *blob};
  return file;
}

}  // namespace

Result<Repository> parse_repository(std::string_view json, const std::string& where) {
  RERANK_ASSIGN(const io::JsonDocument document, io::JsonDocument::parse(json, where));
  Repository repository;
  RERANK_ASSIGN(const io::Json sha, document.root().get("sha"));
  RERANK_ASSIGN(const std::string_view commit, sha.string());
  if (!is_commit(commit)) return sha.error(Error::Code::kCorrupt, "is no commit", kNoHub);
  repository.commit = commit;

  RERANK_ASSIGN(const io::Json siblings, document.root().get("siblings"));
  RERANK_ASSIGN(const simdjson::dom::array list, siblings.array());
  if (list.size() > kMostFiles) return siblings.error(Error::Code::kCorrupt, "is too long to be true");
  std::size_t file_idx = 0;
  for (const simdjson::dom::element element : list) {
    const io::Json entry = siblings.item(element, file_idx++);
    RERANK_ASSIGN(const std::string_view name, entry.string_at("rfilename"));
    if (is_file_name(name)) repository.files.push_back(read_file(std::string(name), entry));
  }
  const auto by_name = [](const RemoteFile& a, const RemoteFile& b) { return a.name < b.name; };
  std::stable_sort(repository.files.begin(), repository.files.end(), by_name);
  const auto same_name = [](const RemoteFile& a, const RemoteFile& b) { return a.name == b.name; };
  if (std::adjacent_find(repository.files.begin(), repository.files.end(), same_name) != repository.files.end())
    return siblings.error(Error::Code::kCorrupt, "names a file twice", kNoHub);
  return repository;
}

const RemoteFile* find(const Repository& repository, std::string_view name) {
  const auto less = [](const RemoteFile& file, std::string_view wanted) { return file.name < wanted; };
  const auto at = std::lower_bound(repository.files.begin(), repository.files.end(), name, less);
  return at != repository.files.end() && at->name == name ? &*at : nullptr;
}

}  // namespace rerank::hub
