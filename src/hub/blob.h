// One file from the hub into the cache: asked for, resumed, checked, and put in its place.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "hub/cache.h"
#include "hub/checksum.h"
#include "hub/http.h"
#include "hub/range_fetcher.h"
#include "hub/repository.h"
#include "hub/settings.h"
#include "rerank/error.h"

namespace rerank::hub {

// What the hub says about a file of a commit before it is fetched.
struct FileHead {
  std::string name;
  Location where;
  std::uint64_t size = 0;
  Expected checksum;
  std::string blob;  // what its blob is called: huggingface_hub takes the ETag
};

// Asks for it (HEAD) and holds the answer against the repository's list. kCorrupt where the two tell different stories
// or the hub names no checksum; else what Http and refusal() give. The token goes to the hub's own origin alone.
Result<FileHead> head_of(Http& http, const Settings& settings, const std::string& model, const std::string& commit,
                         const RemoteFile& file);

// Bytes of the file that are in the cache already, from an earlier attempt.
std::uint64_t bytes_there(const ModelCache& cache, const FileHead& head);

struct BlobHooks {
  std::function<void(std::int64_t bytes)> on_bytes;  // have arrived; negative: have to come once more
  Note on_note;                                      // something that takes time, or a second attempt
  std::function<Result<Location>()> locate_again;    // where the file is now
};

// Makes the blob, under the lock that huggingface_hub takes, if nobody else has made it meanwhile. What arrives is kept
// in SUM.incomplete, always the file's beginning without gaps, and goes on there the next time. A beginning that leads
// to the wrong checksum is thrown away, and the file fetched once more. kCorrupt when it is wrong again; kIo.
Status fetch_blob(const Settings& settings, const ModelCache& cache, const FileHead& head, const BlobHooks& hooks);

}  // namespace rerank::hub
