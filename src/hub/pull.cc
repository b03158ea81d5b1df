#include "hub/pull.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/try.h"
#include "hub/blob.h"
#include "hub/cache.h"
#include "hub/http.h"
#include "hub/names.h"
#include "hub/refusal.h"
#include "hub/repository.h"
#include "hub/wanted_files.h"
#include "io/mapped_file.h"
#include "io/system_error.h"

namespace rerank::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestList = 32 << 20;  // bytes of the hub's answer
constexpr std::uint64_t kLargestIndex = 64 << 20;
constexpr double kGigabyte = 1e9;

std::string how_to_fetch(const ModelRevision& model) {
  return fmt::format("fetch it with: rerank pull {}{}", model.name,
                     model.revision == "main" ? "" : " --revision " + model.revision);
}

Error offline_error(const Error& missing, const ModelRevision& model) {
  return {missing.code, missing.what + ", and the network is not to be asked", missing.where,
          fmt::format("without --offline and HF_HUB_OFFLINE it is fetched; on another machine: {}, then copy the cache",
                      how_to_fetch(model).substr(std::string_view("fetch it with: ").size()))};
}

// Bytes that may still be written where the folder is or will be.
Result<std::uint64_t> free_bytes(fs::path folder) {
  std::error_code ignored;
  folder = fs::absolute(folder, ignored);
  while (!fs::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
  struct statvfs space {};
  if (::statvfs(folder.c_str(), &space) != 0) return io::system_error(errno, "look at", folder.string());
  return static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
}

// One call of pull().
class Puller {
 public:
  Puller(const Settings& settings, const ModelRevision& model, const PullHooks& hooks)
      : settings_(settings),
        model_(model),
        hooks_(hooks),
        cache_(settings.cache, model.name),
        http_(settings, hooks.on_note) {}

  Result<Pulled> run();

 private:
  Result<Repository> ask_for_repository();
  Status fetch(const Repository& repository, const std::vector<std::string>& names, bool announced);
  Status fetch_one(const Repository& repository, const FileHead& head);
  Status check_space(std::uint64_t bytes) const;
  Result<std::vector<std::string>> shards() const;
  void note(const std::string& text) const {
    if (hooks_.on_note) hooks_.on_note(text);
  }

  const Settings& settings_;
  const ModelRevision& model_;
  const PullHooks& hooks_;
  ModelCache cache_;
  Http http_;
  Pulled pulled_;
  std::uint64_t done_ = 0;  // bytes of the files that are whole
};

Result<Repository> Puller::ask_for_repository() {
  const std::string url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", settings_.endpoint, model_.name,
                                      percent_encoded(model_.revision));
  RERANK_ASSIGN(const Answer answer,
                http_.ask_following({.head = false, .url = url, .with_token = true, .most_bytes = kLongestList}));
  if (answer.status != 200) return refusal(answer, {model_.name, model_.revision, ""}, settings_);
  return parse_repository(answer.body, url);
}

Status Puller::check_space(std::uint64_t bytes) const {
  RERANK_ASSIGN(const std::uint64_t free, free_bytes(settings_.cache));
  if (bytes <= free) return {};
  return Error{Error::Code::kIo,
               fmt::format("{} needs {:.1f} GB more, and {:.1f} GB are free", model_.name,
                           static_cast<double>(bytes) / kGigabyte, static_cast<double>(free) / kGigabyte),
               settings_.cache.string(), "free some space; HF_HUB_CACHE names another folder for models"};
}

Status Puller::fetch_one(const Repository& repository, const FileHead& head) {
  const std::uint64_t planned = head.size - bytes_there(cache_, head);
  std::int64_t arrived = 0;
  BlobHooks hooks;
  hooks.on_note = [this](const std::string& text) { note(text); };
  hooks.on_bytes = [&](std::int64_t bytes) {
    arrived += bytes;
    const auto now =
        static_cast<std::uint64_t>(std::clamp<std::int64_t>(arrived, 0, static_cast<std::int64_t>(planned)));
    if (hooks_.on_progress) hooks_.on_progress(done_ + now, pulled_.bytes);
  };
  hooks.locate_again = [&]() -> Result<Location> {
    RERANK_ASSIGN(FileHead again,
                  head_of(http_, settings_, model_.name, repository.commit, *find(repository, head.name)));
    return again.where;
  };
  RERANK_TRY(fetch_blob(settings_, cache_, head, hooks));
  done_ += planned;
  return cache_.link(repository.commit, head.name, head.blob);
}

// Those of the files that the snapshot does not have.
Status Puller::fetch(const Repository& repository, const std::vector<std::string>& names, bool announced) {
  std::vector<FileHead> heads;
  std::error_code ignored;
  std::uint64_t bytes = 0;
  for (const std::string& name : names) {
    pulled_.files.push_back(name);
    if (fs::exists(cache_.snapshot(repository.commit) / name, ignored)) continue;
    const RemoteFile* const file = find(repository, name);
    if (file == nullptr)
      return Error{Error::Code::kCorrupt, fmt::format("its index names {}, which is not there", name), model_.name,
                   "tell the model's authors"};
    RERANK_ASSIGN(FileHead head, head_of(http_, settings_, model_.name, repository.commit, *file));
    const std::uint64_t more = head.size - bytes_there(cache_, head);
    if (more > std::numeric_limits<std::uint64_t>::max() - bytes) return check_space(more);
    bytes += more;
    heads.push_back(std::move(head));
  }
  RERANK_TRY(check_space(bytes));
  pulled_.fetched += heads.size();
  pulled_.bytes += bytes;
  if (announced && !heads.empty() && hooks_.on_plan) hooks_.on_plan(heads.size(), bytes);
  for (const FileHead& head : heads) RERANK_TRY(fetch_one(repository, head));
  return {};
}

Result<std::vector<std::string>> Puller::shards() const {
  const fs::path index = cache_.snapshot(pulled_.commit) / kIndex;
  RERANK_ASSIGN(const io::MappedFile file, io::MappedFile::open(index));
  if (file.bytes().size() > kLargestIndex)
    return Error{Error::Code::kCorrupt, "is too large to be an index", index.string(), "tell the model's authors"};
  return shards_of(file.text(), index.string());
}

Result<Pulled> Puller::run() {
  RERANK_ASSIGN(const Repository repository, ask_for_repository());
  pulled_.commit = repository.commit;
  pulled_.folder = cache_.snapshot(repository.commit);
  RERANK_ASSIGN(std::vector<std::string> names, wanted_files(repository, model_.name));
  const bool in_shards = std::find(names.begin(), names.end(), kIndex) != names.end();
  if (in_shards) {
    // The index first, by itself: it says what else there is, and only then is it known how much.
    RERANK_TRY(fetch(repository, {std::string(kIndex)}, false));
    RERANK_ASSIGN(const std::vector<std::string> more, shards());
    std::erase(names, kIndex);
    names.insert(names.end(), more.begin(), more.end());
  }
  RERANK_TRY(fetch(repository, names, true));
  if (std::find(names.begin(), names.end(), kConfig) != names.end() && find(repository, kTokenizer) == nullptr) {
    RERANK_TRY(cache_.remember_absent(repository.commit, kTokenizer));
    note(fmt::format("{} has no tokenizer.json; docs/models.md says how to make one", model_.name));
  }
  RERANK_TRY(cache_.remember(model_.revision, repository.commit));
  std::sort(pulled_.files.begin(), pulled_.files.end());
  return std::move(pulled_);
}

}  // namespace

Status check(const ModelRevision& model) {
  if (!is_model_name(model.name))
    return Error{Error::Code::kBadInput, "is no name of a model on the hub", model.name,
                 "give OWNER/NAME, such as BAAI/bge-reranker-v2-m3"};
  if (!is_revision(model.revision))
    return Error{Error::Code::kBadInput, "is no revision", model.revision, "give a branch, a tag or a commit"};
  return {};
}

Result<fs::path> find_in_cache(const fs::path& cache, const ModelRevision& model) {
  RERANK_TRY(check(model));
  const ModelCache here(cache, model.name);
  std::error_code ignored;
  if (!fs::is_directory(here.folder(), ignored))
    return Error{Error::Code::kNotFound, fmt::format("is not in the local Hugging Face cache {}", cache.string()),
                 model.name, how_to_fetch(model)};
  const std::optional<std::string> commit = here.commit_of(model.revision);
  if (!commit || !fs::is_directory(here.snapshot(*commit), ignored))
    return Error{Error::Code::kNotFound, fmt::format("holds no download of the revision \"{}\"", model.revision),
                 here.folder().string(), how_to_fetch(model)};
  if (const std::vector<std::string> missing = here.missing(*commit); !missing.empty())
    return Error{Error::Code::kNotFound,
                 fmt::format("its download is not complete: {} missing", fmt::join(missing, ", ")),
                 here.snapshot(*commit).string(), how_to_fetch(model)};
  return here.snapshot(*commit);
}

Result<Pulled> pull(const Settings& settings, const ModelRevision& model, const PullHooks& hooks) {
  RERANK_TRY(check(model));
  if (settings.offline || is_commit(model.revision)) {
    const Result<fs::path> folder = find_in_cache(settings.cache, model);
    if (!folder.ok() && settings.offline) return offline_error(folder.error(), model);
    if (folder.ok()) {
      Pulled pulled;
      pulled.folder = folder.value();
      pulled.commit = pulled.folder.filename().string();
      std::error_code ignored;
      for (const fs::directory_entry& entry : fs::directory_iterator(pulled.folder, ignored))
        pulled.files.push_back(entry.path().filename().string());
      std::sort(pulled.files.begin(), pulled.files.end());
      return pulled;
    }
  }
  return Puller(settings, model, hooks).run();
}

}  // namespace rerank::hub
