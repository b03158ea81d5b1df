#include "hub/checksum.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <new>

namespace rerank::hub {

void Checksum::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Checksum::Checksum(Expected::Kind kind, std::uint64_t size) : context_(EVP_MD_CTX_new()) {
  // Only memory can be missing: both sums are part of every OpenSSL.
  const EVP_MD* const algorithm = kind == Expected::Kind::kSha256 ? EVP_sha256() : EVP_sha1();
  if (context_ == nullptr || EVP_DigestInit_ex(context_.get(), algorithm, nullptr) != 1) throw std::bad_alloc();
  if (kind == Expected::Kind::kGitSha1) {
    const std::string header = fmt::format("blob {}", size);
    add({header.c_str(), header.size() + 1});
  }
}
Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;

void Checksum::add(std::string_view bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string Checksum::digest() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned length = 0;
  EVP_DigestFinal_ex(context_.get(), bytes.data(), &length);
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

}  // namespace rerank::hub
