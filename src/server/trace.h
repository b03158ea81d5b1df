// What lets one request be followed through several services: its id, and W3C's traceparent.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace rerank::server {

// 32 hexadecimal digits that no other request has.
std::string new_request_id();

// Whether an id that a client gave may stand in logs and headers: 1 to 128 of A-Z a-z 0-9 . _ - : / + =.
bool is_good_request_id(std::string_view id);

// "00-TRACE-PARENT-FLAGS" (https://www.w3.org/TR/trace-context/).
struct TraceParent {
  std::string trace_id, parent_id, flags;  // 32, 16 and 2 lower-case hexadecimal digits
};
// None for what the recommendation calls invalid. Of a later version, what version 00 knows is read.
std::optional<TraceParent> parse_traceparent(std::string_view header);
// The same trace with a parent id of our own.
TraceParent child_of(const TraceParent& trace);
std::string to_string(const TraceParent& trace);

// The value of X-Request-Timeout: seconds, such as "30" or "2.5"; at most a day. None for anything else, 0 included.
std::optional<std::chrono::milliseconds> parse_timeout(std::string_view header);

}  // namespace rerank::server
