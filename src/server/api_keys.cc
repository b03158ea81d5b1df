#include "server/api_keys.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/ascii.h"

namespace rerank::server {

Result<ApiKeys> ApiKeys::load(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream)
    return Error{Error::Code::kNotFound, fmt::format("cannot be read: {}", std::strerror(errno)), file,
                 "give a file with a key a line"};
  return parse(text, file);
}

Result<ApiKeys> ApiKeys::parse(std::string_view text, const std::string& name) {
  ApiKeys keys;
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    if (!std::all_of(line.begin(), line.end(), [](char c) { return c > ' ' && c < 0x7F; }))
      return Error{Error::Code::kBadInput, "holds a space or a character beyond ASCII",
                   fmt::format("{} line {}", name, line_number), "a key is printable ASCII without spaces"};
    keys.digests_.push_back(digest_of(line));
  }
  if (keys.digests_.empty())
    return Error{Error::Code::kBadInput, "holds no key", name, "write a key a line, or leave the option out"};
  return keys;
}

ApiKeys::Digest ApiKeys::digest_of(std::string_view key) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return digest;
}

bool ApiKeys::holds(std::string_view key) const {
  const Digest given = digest_of(key);
  unsigned found = 0;
  for (const Digest& digest : digests_) found |= CRYPTO_memcmp(given.data(), digest.data(), digest.size()) == 0;
  return found != 0;
}

bool ApiKeys::admits(const dialects::HttpRequest& request) const {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string* given = request.header("Authorization");
  if (given == nullptr) return false;
  std::string_view key = *given;
  if (key.size() > kBearer.size() && equal_ascii_case(key.substr(0, kBearer.size()), kBearer)) {
    key.remove_prefix(kBearer.size());
    while (key.starts_with(' ')) key.remove_prefix(1);
  }
  return holds(key);
}

}  // namespace rerank::server
