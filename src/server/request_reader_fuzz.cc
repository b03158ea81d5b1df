// Bytes that a stranger sends, whole and in pieces: the same requests have to come out, and nothing else may happen.
// The headers that the server reads itself go through their readers.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "server/api_keys.h"
#include "server/request_reader.h"
#include "server/trace.h"

namespace {

using rerank::server::RequestReader;
using State = RequestReader::State;

// What was read, as text: two ways to cut the same bytes must give the same.
std::string read(std::string_view bytes, std::size_t piece) {
  RequestReader reader({256, 1024});
  std::string in, seen;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    in += bytes.substr(at, piece);
    while (true) {
      const State before = reader.state();
      const std::size_t used = reader.step(in);
      if (used > in.size()) std::abort();
      in.erase(0, used);
      if (reader.state() == State::kBad) return seen + "bad " + std::to_string(reader.bad().status);
      if (reader.state() == State::kDone) {
        const auto request = reader.take();
        seen += request.method + " " + request.path + "?" + request.query + "\n" + request.body + "\n";
        for (const auto& [name, value] : request.headers) {
          seen += name + ":" + value + "\n";
          if (const auto trace = rerank::server::parse_traceparent(value); trace && to_string(*trace).size() != 55)
            std::abort();
          rerank::server::parse_timeout(value);
          rerank::server::is_good_request_id(value);
        }
        continue;
      }
      if (reader.body_bytes() > 1024) std::abort();
      if (used == 0 && reader.state() == before) break;
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // A line that is too long is noticed when it is there as a whole or when it has grown too long: not at the same byte,
  // and once bytes are refused, what follows does not matter.
  const std::string whole = read(bytes, std::max<std::size_t>(size, 1)), slow = read(bytes, 1);
  if (whole.find("bad") == std::string::npos && slow.find("bad") == std::string::npos && whole != slow) std::abort();
  (void)rerank::server::ApiKeys::parse(bytes, "keys").ok();
  return 0;
}
