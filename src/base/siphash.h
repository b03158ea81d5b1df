// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein 2012): a hash whose collisions nobody can make who does
// not know the key.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rerank {

class SipHash {
 public:
  using Key = std::array<std::uint64_t, 2>;
  using Digest = std::array<std::uint64_t, 2>;

  explicit SipHash(const Key& key);
  // A key from the operating system's randomness.
  static Key random_key();

  // Goes on with these bytes; where one text ends and the next begins leaves no trace.
  void add(std::string_view bytes);
  // With a length before it: texts that are added so can be told apart.
  void add_text(std::string_view text);
  void add_number(std::uint64_t number);
  // Of all that was added. It may go on afterwards.
  Digest digest() const;

 private:
  void round();
  void take(std::uint64_t word);

  std::uint64_t v_[4];
  std::uint64_t word_ = 0;  // the bytes that do not fill a word yet
  std::size_t bytes_ = 0;   // added so far
};

}  // namespace rerank
