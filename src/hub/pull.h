// A model from the hub into the local cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/settings.h"
#include "rerank/error.h"

namespace rerank::hub {

struct ModelRevision {
  std::string name;               // "OWNER/NAME"
  std::string revision = "main";  // a branch, a tag or a commit
};

// kBadInput where either is none.
Status check(const ModelRevision& model);

// The folder of a model that is in the cache with all that it takes to load it; the network is not asked. kNotFound
// says what is missing and how to fetch it.
Result<std::filesystem::path> find_in_cache(const std::filesystem::path& cache, const ModelRevision& model);

// What a fetch tells while it goes on. Each may be empty.
struct PullHooks {
  // Once it is known what is to be fetched: files, and bytes of them that are not here yet.
  std::function<void(std::size_t files, std::uint64_t bytes)> on_plan;
  // While these bytes arrive.
  std::function<void(std::uint64_t done, std::uint64_t bytes)> on_progress;
  // A sentence for people.
  std::function<void(const std::string& text)> on_note;
};

struct Pulled {
  std::filesystem::path folder;  // cache/models--OWNER--NAME/snapshots/COMMIT
  std::string commit;
  std::vector<std::string> files;  // all that belong to it, sorted
  std::size_t fetched = 0;         // files of these that were not in the cache
  std::uint64_t bytes = 0;         // that were to be fetched of them
};

// Asks the hub what the revision is, and fetches what is missing of the files that a checkpoint needs (wanted_files.h),
// each checked by its checksum. The revision is remembered when all is there. With `settings.offline`, or for a commit
// that is whole in the cache, the hub is not asked. kBadInput, kNotFound, kUnsupported, kCorrupt or kIo, each with a
// way to mend it; what has arrived stays, and the next call goes on behind it.
Result<Pulled> pull(const Settings& settings, const ModelRevision& model, const PullHooks& hooks);

}  // namespace rerank::hub
