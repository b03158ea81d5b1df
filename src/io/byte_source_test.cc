#include "io/byte_source.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "io/lines.h"

namespace rerank::io {
namespace {

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(::deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  return packed;
}

std::string zstd(const std::string& text) {
  std::string packed(::ZSTD_compressBound(text.size()), '\0');
  packed.resize(::ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

// All bytes, or the error's message.
std::string all_of(std::string_view bytes, std::size_t piece = 1 << 16) {
  ByteSource source = ByteSource::over_text(bytes, "f");
  std::string text;
  std::vector<char> buffer(piece);
  while (true) {
    const auto read = source.read(buffer.data(), buffer.size());
    if (!read.ok()) return "error: " + read.error().message();
    if (read.value() == 0) return text;
    text.append(buffer.data(), read.value());
  }
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 40'000; ++i) text += "line " + std::to_string(i * 7919 % 10'007) + "\n";
  return text;
}

TEST(ByteSource, UnpacksWhatIsPackedAndNothingElse) {
  const std::string text = long_text();
  for (const std::size_t piece : {std::size_t{1} << 16, std::size_t{100}}) {
    EXPECT_EQ(all_of(gzip(text), piece), text);
    EXPECT_EQ(all_of(zstd(text), piece), text);
    EXPECT_EQ(all_of(text, piece), text);
  }
  EXPECT_EQ(all_of(gzip("a") + gzip("") + gzip("bc")), "abc") << "members of a gzip file";
  EXPECT_EQ(all_of(zstd("a") + zstd("") + zstd("bc")), "abc") << "frames of a zstd file";
  EXPECT_EQ(all_of(gzip("")), "");
  EXPECT_EQ(all_of(zstd("")), "");
  for (const std::string plain : {"", "(", "(text)", "\x1F", "\x28\xB5\x2F", "PK\x03\x04"})
    EXPECT_EQ(all_of(plain), plain);
}

TEST(ByteSource, SaysWhatIsCutOrDamaged) {
  const std::string text = long_text();
  for (const std::string& packed : {gzip(text), zstd(text)}) {
    for (const std::size_t kept : {packed.size() - 1, packed.size() / 2, std::size_t{5}})
      EXPECT_EQ(all_of(packed.substr(0, kept)),
                "error: f: the packed data end in the middle (fetch or pack the file anew)")
          << kept;
    std::string damaged = packed;
    for (std::size_t i = 0; i < 40; ++i) damaged[packed.size() / 2 + i] = static_cast<char>(i * 37);
    EXPECT_NE(all_of(damaged).find("data are damaged"), std::string::npos);
    EXPECT_NE(all_of(packed + "text behind it").find("data are damaged"), std::string::npos);
  }
}

TEST(ByteSource, LinesOfACutFileNameTheLine) {
  std::string text = long_text();
  const std::string packed = gzip(text);
  LineReader lines = LineReader::over(std::string_view(packed).substr(0, packed.size() / 2), "run.gz");
  std::size_t count = 0;
  while (true) {
    const auto line = lines.next();
    if (line.ok()) {
      ASSERT_TRUE(line.value().has_value());
      EXPECT_EQ(line.value()->number, ++count);
      continue;
    }
    EXPECT_EQ(line.error().code, Error::Code::kCorrupt);
    EXPECT_EQ(line.error().where, "run.gz line " + std::to_string(count + 1));
    break;
  }
  EXPECT_GT(count, 1000U);
  const auto behind = lines.next();
  ASSERT_TRUE(behind.ok());
  EXPECT_FALSE(behind.value().has_value());
}

}  // namespace
}  // namespace rerank::io
