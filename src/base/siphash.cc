#include "base/siphash.h"

#include <bit>
#include <cstring>
#include <random>

namespace rerank {

static_assert(std::endian::native == std::endian::little);

SipHash::SipHash(const Key& key)
    : v_{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d ^ 0xee, key[0] ^ 0x6c7967656e657261,
         key[1] ^ 0x7465646279746573} {}

SipHash::Key SipHash::random_key() {
  std::random_device device;
  const auto word = [&device] { return std::uint64_t{device()} << 32 | device(); };
  return {word(), word()};
}

void SipHash::round() {
  v_[0] += v_[1];
  v_[1] = std::rotl(v_[1], 13) ^ v_[0];
  v_[0] = std::rotl(v_[0], 32);
  v_[2] += v_[3];
  v_[3] = std::rotl(v_[3], 16) ^ v_[2];
  v_[0] += v_[3];
  v_[3] = std::rotl(v_[3], 21) ^ v_[0];
  v_[2] += v_[1];
  v_[1] = std::rotl(v_[1], 17) ^ v_[2];
  v_[2] = std::rotl(v_[2], 32);
}

void SipHash::take(std::uint64_t word) {
  v_[3] ^= word;
  round();
  round();
  v_[0] ^= word;
}

void SipHash::add(std::string_view bytes) {
  for (; !bytes.empty() && bytes_ % 8 != 0; bytes.remove_prefix(1)) {
    word_ |= std::uint64_t{static_cast<unsigned char>(bytes.front())} << bytes_ % 8 * 8;
    if (++bytes_ % 8 != 0) continue;
    take(word_);
    word_ = 0;
  }
  for (; bytes.size() >= 8; bytes.remove_prefix(8), bytes_ += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    take(word);
  }
  for (const char byte : bytes) word_ |= std::uint64_t{static_cast<unsigned char>(byte)} << bytes_++ % 8 * 8;
}

void SipHash::add_number(std::uint64_t number) {
  char bytes[8];
  std::memcpy(bytes, &number, 8);
  add({bytes, 8});
}

void SipHash::add_text(std::string_view text) {
  add_number(text.size());
  add(text);
}

SipHash::Digest SipHash::digest() const {
  SipHash end = *this;
  end.take(word_ | std::uint64_t{bytes_} << 56);
  Digest digest;
  const std::uint64_t marks[] = {0xee, 0xdd};
  for (std::size_t i = 0; i < 2; ++i) {
    end.v_[i == 0 ? 2 : 1] ^= marks[i];
    for (int r = 0; r < 4; ++r) end.round();
    digest[i] = end.v_[0] ^ end.v_[1] ^ end.v_[2] ^ end.v_[3];
  }
  return digest;
}

}  // namespace rerank
