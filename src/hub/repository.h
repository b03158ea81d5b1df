// What the hub says about a repository: its commit and its files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/checksum.h"
#include "rerank/error.h"

namespace rerank::hub {

struct RemoteFile {
  std::string name;                   // plain: files in folders of the repository are left out
  std::optional<std::uint64_t> size;  // bytes; some mirrors do not say
  std::optional<Expected> checksum;   // the same
};

struct Repository {
  std::string commit;             // is_commit()
  std::vector<RemoteFile> files;  // by name, each once
};

// Reads the answer of /api/models/OWNER/NAME/revision/REVISION?blobs=true. `where` names it in errors. kCorrupt for
// anything that does not tell commit and files; what is in folders, or bears a name that is_file_name() refuses, is
// left out, and so are sizes and sums that make no sense as such.
Result<Repository> parse_repository(std::string_view json, const std::string& where);

// The file called so, or null.
const RemoteFile* find(const Repository& repository, std::string_view name);

}  // namespace rerank::hub
