#include "server/request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <limits>
#include <utility>

#include "base/ascii.h"
#include "base/utf8.h"
#include "server/http_text.h"

namespace rerank::server {

namespace http = boost::beast::http;
using Kind = dialects::Failure::Kind;

namespace {

// "0\r\n\r\n", which every chunked body ends with. Of a body without chunks, Beast takes for granted that it sees them
// all at once.
constexpr std::size_t kLastChunkBytes = 5;

}  // namespace

struct RequestReader::Parser {
  explicit Parser(const ReadLimits& limits) {
    parser.header_limit(static_cast<std::uint32_t>(
        std::min<std::size_t>(limits.head_bytes, std::numeric_limits<std::uint32_t>::max())));
    parser.body_limit(limits.body_bytes);
  }
  http::request_parser<http::string_body> parser;
};

RequestReader::RequestReader(const ReadLimits& limits) : limits_(limits) {}
RequestReader::~RequestReader() = default;

void RequestReader::refuse(int status, Kind kind, std::string message) {
  bad_ = {status, kind, std::move(message)};
  state_ = State::kBad;
  parser_.reset();
}

std::size_t RequestReader::step(std::string_view bytes) {
  std::size_t used = 0;
  if (!has_begun_) {  // an empty line may stand before a request (RFC 9112, 2.2)
    while (used < bytes.size() && (bytes[used] == '\r' || bytes[used] == '\n')) ++used;
    if (used == bytes.size()) return used;
    has_begun_ = true;
    parser_ = std::make_unique<Parser>(limits_);
  }
  const State before = state_;
  while (state_ == before && (state_ == State::kHead || state_ == State::kBody)) {
    auto& parser = parser_->parser;
    if (parser.is_done()) {
      state_ = State::kDone;
      break;
    }
    if (used == bytes.size()) break;
    if (state_ == State::kBody && parser.chunked() && bytes[used] == '0' && bytes.size() - used < kLastChunkBytes)
      break;
    boost::system::error_code error;
    const std::size_t taken = parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
    used += taken;
    if (error == http::error::need_more) {
      if (bytes.size() - used > limits_.head_bytes)
        refuse(state_ == State::kHead ? 431 : 400, state_ == State::kHead ? Kind::kHeadersTooLarge : Kind::kMalformed,
               fmt::format("a line is longer than {} bytes", limits_.head_bytes));
      break;
    }
    if (error == http::error::header_limit) {
      refuse(431, Kind::kHeadersTooLarge, fmt::format("the headers are longer than {} bytes", limits_.head_bytes));
    } else if (error == http::error::body_limit) {
      if (state_ == State::kHead) read_head();  // its headers say in which dialect it is refused
      refuse(413, Kind::kTooLarge, fmt::format("the body is larger than {} bytes", limits_.body_bytes));
    } else if (error == http::error::bad_version) {
      refuse(505, Kind::kMalformed, "the request is not HTTP/1.0 or HTTP/1.1");
    } else if (error) {
      refuse(400, Kind::kMalformed, fmt::format("the request is not HTTP: {}", error.message()));
    } else if (state_ == State::kHead && parser.is_header_done()) {
      read_head();
    } else if (taken == 0 && !parser.is_done()) {
      break;
    }
  }
  return used;
}

// Copies what was parsed, before trailers can be added to it.
void RequestReader::read_head() {
  const auto& message = parser_->parser.get();
  request_ = {};
  request_.method = std::string(message.method_string());
  int hosts = 0;
  std::string transfer_encoding;
  for (const auto& field : message) {
    const std::string_view name(field.name_string().data(), field.name_string().size());
    const std::string_view value(field.value().data(), field.value().size());
    if (equal_ascii_case(name, "host")) ++hosts;
    if (equal_ascii_case(name, "transfer-encoding")) transfer_encoding += std::string(value) + ",";
    if (equal_ascii_case(name, "expect")) expects_continue_ = equal_ascii_case(value, "100-continue");
    request_.headers.emplace_back(name, value);
  }
  is_http_1_0_ = message.version() < 11;
  keep_alive_ = message.keep_alive();
  auto target = parse_target({message.target().data(), message.target().size()});
  if (target) {
    request_.path = std::move(target->path);
    request_.query = std::move(target->query);
  }
  if (message.version() != 10 && message.version() != 11) {
    refuse(505, Kind::kMalformed, "the request is not HTTP/1.0 or HTTP/1.1");
  } else if (!target) {
    refuse(400, Kind::kMalformed, "the request's target is no path");
  } else if (hosts > 1 || (hosts == 0 && !is_http_1_0_)) {
    refuse(400, Kind::kMalformed, "a request has one Host header");
  } else if (!transfer_encoding.empty() && is_http_1_0_) {
    refuse(400, Kind::kMalformed, "HTTP/1.0 knows no Transfer-Encoding");
  } else if (!transfer_encoding.empty() && !equal_ascii_case(transfer_encoding, "chunked,")) {
    refuse(501, Kind::kMalformed, "of the transfer encodings, only chunked is known here");
  } else {
    state_ = State::kBody;
  }
}

std::optional<std::uint64_t> RequestReader::content_length() const {
  if (!parser_) return request_.body.size();
  if (parser_->parser.chunked()) return std::nullopt;
  const auto length = parser_->parser.content_length();
  return length ? *length : 0;
}

std::size_t RequestReader::body_bytes() const {
  return parser_ ? parser_->parser.get().body().size() : 0;
}

dialects::HttpRequest RequestReader::take() {
  request_.body = std::move(parser_->parser.get().body());
  parser_.reset();
  state_ = State::kHead;
  has_begun_ = expects_continue_ = false;
  return std::exchange(request_, {});
}

std::optional<Target> parse_target(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() || !equal_ascii_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t path = target.find_first_of("/?");
    target = path == std::string_view::npos ? "/" : target.substr(path);
    break;
  }
  Target parsed;
  const std::size_t mark = target.find('?');
  if (mark != std::string_view::npos) {
    parsed.query = target.substr(mark + 1);
    target = target.substr(0, mark);
  }
  if (target.empty() && mark != std::string_view::npos) target = "/";
  if (target != "*" && !target.starts_with('/')) return std::nullopt;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] != '%') {
      parsed.path += target[i];
      continue;
    }
    if (i + 2 >= target.size()) return std::nullopt;
    const int high = hex_digit(target[i + 1]), low = hex_digit(target[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    parsed.path += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (first_invalid_utf8(parsed.path) != std::string_view::npos) return std::nullopt;
  return parsed;
}

}  // namespace rerank::server
