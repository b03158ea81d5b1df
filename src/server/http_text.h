// Small pieces of HTTP's own text: the bytes of a response's head.
#pragma once

#include <string>
#include <string_view>

#include "dialects/http.h"

namespace rerank::server {

// 0 to 15, or -1.
int hex_digit(char c);

// "Not Found"; "Status" for one that has no name here.
std::string_view reason_of(int status);

// How a response says where it ends.
enum class Framing { kLength, kChunked, kUntilClose };

// Status line, headers and the empty line. `length` counts with kLength alone.
std::string response_head(const dialects::HttpResponse& response, Framing framing, std::size_t length, bool keep_alive);

// A piece of a chunked body; an empty one is the end of it.
std::string chunk_of(std::string_view bytes);

}  // namespace rerank::server
