#include "base/siphash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rerank {
namespace {

constexpr SipHash::Key kKey = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

// The first vectors of the authors' reference program: key 00 01 .. 0f, input 00 01 02 ...
TEST(SipHash, GivesTheAuthorsDigests) {
  const std::vector<SipHash::Digest> expected = {{0xe6a825ba047f81a3, 0x930255c71472f66d},
                                                 {0x44af996bd8c187da, 0x45fc229b11597634},
                                                 {0xc75da4a48d227781, 0xe4ff0af6de8ba3fc}};
  std::string input;
  for (std::size_t length = 0; length < expected.size(); ++length) {
    SipHash hash(kKey);
    hash.add(input);
    EXPECT_EQ(hash.digest(), expected[length]) << length << " bytes";
    input += static_cast<char>(length);
  }
}

TEST(SipHash, PiecesAreAsGoodAsAWhole) {
  const std::string text = "a text of more than sixteen bytes";
  SipHash whole(kKey);
  whole.add(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    SipHash pieces(kKey);
    pieces.add(std::string_view(text).substr(0, cut));
    pieces.add(std::string_view(text).substr(cut));
    EXPECT_EQ(pieces.digest(), whole.digest()) << cut;
  }
}

TEST(SipHash, TextsAreToldApart) {
  const auto of = [](std::string_view a, std::string_view b) {
    SipHash hash(kKey);
    hash.add_text(a);
    hash.add_text(b);
    return hash.digest();
  };
  EXPECT_NE(of("ab", "c"), of("a", "bc"));
  EXPECT_NE(of("", "a"), of("a", ""));
  EXPECT_EQ(of("ab", "c"), of("ab", "c"));
  EXPECT_NE(SipHash(kKey).digest(), SipHash(SipHash::random_key()).digest());
}

}  // namespace
}  // namespace rerank
