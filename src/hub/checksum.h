// The sums that the hub tells of its files: SHA-256 of those in large file storage, git's SHA-1 of the others.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace rerank::hub {

// Which sum, and the value that it has to have.
struct Expected {
  enum class Kind { kSha256, kGitSha1 };
  Kind kind = Kind::kSha256;
  std::string digest;  // hexadecimal, small letters

  const char* name() const { return kind == Kind::kSha256 ? "sha256" : "git sha1"; }
};

// A sum over bytes as they come.
class Checksum {
 public:
  // git's SHA-1 of a file of `size` bytes begins with "blob SIZE" and a NUL.
  Checksum(Expected::Kind kind, std::uint64_t size);
  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;

  void add(std::string_view bytes);
  // Hexadecimal, small letters. Once, at the end.
  std::string digest();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace rerank::hub
