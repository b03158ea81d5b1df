// One large file over several connections at once: ranges arrive side by side, and are handed on in order.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "hub/http.h"
#include "hub/settings.h"
#include "rerank/error.h"

namespace rerank::hub {

// Where a file's bytes are: an address of the hub, or a signed one of its storage, which gets no token and expires.
struct Location {
  std::string url;
  bool with_token = false;
};

struct RangeFetch {
  Location where;
  std::uint64_t begin = 0, size = 0;  // bytes there are already, and in all
  std::string name;                   // for errors
  // Asked when the address refuses (401, 403, 404, 410): signed ones expire.
  std::function<Result<Location>()> locate_again;
  // Takes the bytes in order, from `begin` on. Its error ends the fetch.
  std::function<Status(std::string_view)> write;
  // Called as bytes arrive, in any order; with a negative count where some have to come once more.
  std::function<void(std::int64_t)> on_bytes;
  // Hears of long pauses.
  Note on_note;
};

// Bytes of one range, and how many may be on their way: what is ahead of the first gap waits in memory, at most
// kRangesAhead - 1 of them.
inline constexpr std::uint64_t kRangeBytes = 16 << 20;
inline constexpr int kConnections = 4, kRangesAhead = 6;

// Fetches the bytes from `begin` to `size`; a file of up to two ranges over one connection. A connection that is cut or
// too slow is made anew where it stopped; `settings.retries` in a row that bring next to nothing are too many. A server
// that knows no ranges is read from the beginning, without the bytes that are there. kIo, kCorrupt for a file of
// another size, or what `write` or `locate_again` return; what was written until then is right in its order.
Status fetch_ranges(const Settings& settings, const RangeFetch& fetch);

}  // namespace rerank::hub
