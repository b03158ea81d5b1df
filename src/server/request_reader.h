// HTTP/1.0 and HTTP/1.1 requests out of bytes, however they are cut. No sockets: a connection feeds it what it reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dialects/http.h"
#include "dialects/job.h"

namespace rerank::server {

struct ReadLimits {
  std::size_t head_bytes = std::size_t{32} << 10;  // request line and headers; also of a chunk's head, or the trailers
  std::size_t body_bytes = std::size_t{32} << 20;
};

// Why bytes are no request that is taken.
struct BadRequest {
  int status = 400;  // as HTTP has it; a dialect may not know it
  dialects::Failure::Kind kind = dialects::Failure::Kind::kMalformed;
  std::string message;
};

// Reads one request after the other:
//
//   while (reader.step(bytes) makes progress) { ... }   // bytes: what has not been used yet
//
// It pauses behind the head, so that a request can be refused before its body is read. Refused are: what breaks the
// grammar, more than the limits, both or several of Content-Length and Transfer-Encoding, encodings other than chunked,
// no or several Host headers, and targets that are no path.
class RequestReader {
 public:
  enum class State {
    kHead,  // more bytes are needed
    kBody,  // the head is there: head(); more bytes are needed for the body
    kDone,  // take()
    kBad,   // bad(); nothing more is read
  };

  explicit RequestReader(const ReadLimits& limits);
  ~RequestReader();

  // How many of the bytes were used. The others have to be given again, with more behind them: a line is read as a
  // whole. 0 is no progress until then; that a line never ends is refused here when more than head_bytes are given.
  std::size_t step(std::string_view bytes);

  State state() const { return state_; }
  bool has_begun() const { return has_begun_; }  // a byte of this request was used
  const BadRequest& bad() const { return bad_; }

  // From kBody on:
  const dialects::HttpRequest& head() const { return request_; }  // without the body
  std::optional<std::uint64_t> content_length() const;            // none: chunked
  std::size_t body_bytes() const;                                 // read so far
  bool expects_continue() const { return expects_continue_; }     // "Expect: 100-continue"
  bool keep_alive() const { return keep_alive_; }                 // whether the connection may be used again
  bool is_http_1_0() const { return is_http_1_0_; }

  // kDone: the request; the next one is read from here on.
  dialects::HttpRequest take();

 private:
  struct Parser;
  void refuse(int status, dialects::Failure::Kind kind, std::string message);
  void read_head();

  ReadLimits limits_;
  std::unique_ptr<Parser> parser_;  // none between requests: idle connections are many
  dialects::HttpRequest request_;
  BadRequest bad_;
  State state_ = State::kHead;
  bool has_begun_ = false, expects_continue_ = false, keep_alive_ = false, is_http_1_0_ = false;
};

// A request target ("/v1/rerank?x=1", "http://host/path") as path and query. None for one that is neither, or whose
// percent encoding is broken or spells no UTF-8.
struct Target {
  std::string path, query;
};
std::optional<Target> parse_target(std::string_view target);

}  // namespace rerank::server
