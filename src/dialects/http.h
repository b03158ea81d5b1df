// Requests and responses as values: what the dialects read and write. Sockets are nobody's business here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rerank::dialects {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET", "POST", ...
  std::string path;    // percent-decoded, without the query
  std::string query;   // what stood behind the question mark, as it came
  Headers headers;     // in the order in which they came; names in any case
  std::string body;

  std::string id;              // of the request, for answers that name one: printable ASCII
  std::int64_t unix_time = 0;  // seconds; when it came, for answers that say so

  // The value of the first header of that name, in any case of ASCII letters; null without one.
  const std::string* header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  Headers headers;  // Content-Type among them where there is a body; never Content-Length
  std::string body;
};

}  // namespace rerank::dialects
