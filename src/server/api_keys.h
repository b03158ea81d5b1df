// The keys that clients may come with.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/http.h"
#include "rerank/error.h"

namespace rerank::server {

class ApiKeys {
 public:
  // A key a line, of printable ASCII without spaces; empty lines and those that begin with # are left out. kBadInput
  // for a file without a key: it would let nobody in, and an empty file is a mistake more often than a wish.
  static Result<ApiKeys> load(const std::string& file);
  static Result<ApiKeys> parse(std::string_view text, const std::string& name);

  // Whether `key` is one of them. Takes the same time whatever it has in common with them.
  bool holds(std::string_view key) const;
  // The same for "Authorization: Bearer KEY", and for the key alone in its place, as LlamaIndex's client sends it.
  bool admits(const dialects::HttpRequest& request) const;
  std::size_t size() const { return digests_.size(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  static Digest digest_of(std::string_view key);
  std::vector<Digest> digests_;  // SHA-256: of one length, and no keys lie around in memory
};

}  // namespace rerank::server
