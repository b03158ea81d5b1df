// The folder that this program shares with huggingface_hub, and how things are called in it:
//
//   models--OWNER--NAME/blobs/SUM              a file, by its checksum; SUM.incomplete is its beginning
//   models--OWNER--NAME/snapshots/COMMIT/FILE  a link to its blob
//   models--OWNER--NAME/refs/REVISION          the commit that a branch or tag was when it was fetched
//   models--OWNER--NAME/.no_exist/COMMIT/FILE  that the commit has no such file
//   .locks/models--OWNER--NAME/SUM.lock        held by who writes that blob
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"

namespace rerank::hub {

// The places of one model. `name` must be a model's name, and what is given to the functions be what they say.
class ModelCache {
 public:
  ModelCache(const std::filesystem::path& cache, std::string_view name);

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path blob(std::string_view sum) const { return folder_ / "blobs" / sum; }
  std::filesystem::path incomplete(std::string_view sum) const;
  std::filesystem::path lock(std::string_view sum) const;
  std::filesystem::path snapshot(std::string_view commit) const { return folder_ / "snapshots" / commit; }

  // The commit that a revision was when it was fetched; a commit is itself.
  std::optional<std::string> commit_of(std::string_view revision) const;
  // What the snapshot of a commit lacks to be loaded, by file name: empty when it is whole. Shards that the index names
  // count; a file that the commit is known not to have does not.
  std::vector<std::string> missing(std::string_view commit) const;

  // Makes the blob known as that file of the commit. kIo.
  Status link(std::string_view commit, std::string_view file, std::string_view sum) const;
  // Remembers that the commit has no such file. kIo.
  Status remember_absent(std::string_view commit, std::string_view file) const;
  // From now on the revision is that commit; whoever reads at this moment sees the old one or the new one. kIo.
  Status remember(std::string_view revision, std::string_view commit) const;

 private:
  std::filesystem::path folder_, locks_;
};

// Makes a folder of the cache and those around it. kIo.
Status make_folder(const std::filesystem::path& folder);

}  // namespace rerank::hub
