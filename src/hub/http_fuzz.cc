// Any lines of a header give headers with names in small letters, a pause that can be waited for, and addresses that
// are followed only to http and https, never from https to http.
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "hub/http.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::map<std::string, std::string> headers;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    rerank::hub::take_header_line(text.substr(0, end + 1), headers);
    text.remove_prefix(end + 1);
  }
  for (const auto& [name, value] : headers)
    for (const char byte : name)
      if (std::isupper(static_cast<unsigned char>(byte)) != 0) std::abort();
  const double pause = rerank::hub::pause_asked_for(0, headers["ratelimit"]);
  if (!std::isfinite(pause) || pause < 0) std::abort();
  const std::string& to = headers["location"];
  const bool is_plain = to.rfind("http://", 0) == 0;
  if (rerank::hub::may_follow("https://hub.example/file", to) && is_plain) std::abort();
  if (to.rfind("file:", 0) == 0 && rerank::hub::may_follow("http://hub.example/file", to)) std::abort();
  return 0;
}
