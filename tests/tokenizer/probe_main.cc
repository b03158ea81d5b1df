// Answers requests of differential.py about one tokenizer.json, through pipes.
//
//   tokenizer_probe TOKENIZER_JSON
//
// Integers are 32-bit, little-endian. Requests: 'E', bytes, text: ids without special tokens, once by encode_ids() and
// once by encode(), and the offsets of the latter. 'P': the same without control tokens found in the text. 'D',
// skip_special, count, ids: the decoded text. 'T', passes, count, texts: the nanoseconds of the
// fastest pass of encode_ids() over all texts, and the ids it made. Answers begin with a status, 0, or with 1 and a
// message.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace {

using rerank::tokenizer::EncodeOptions;
using rerank::tokenizer::Tokenizer;

bool read_bytes(void* to, std::size_t size) {
  return std::fread(to, 1, size, stdin) == size;
}

void write_number(std::uint32_t value) {
  std::fwrite(&value, sizeof value, 1, stdout);
}
void write_text(const std::string& text) {
  write_number(static_cast<std::uint32_t>(text.size()));
  std::fwrite(text.data(), 1, text.size(), stdout);
}
void write_ids(const std::vector<std::int32_t>& ids) {
  write_number(static_cast<std::uint32_t>(ids.size()));
  std::fwrite(ids.data(), sizeof ids[0], ids.size(), stdout);
}
void write_error(const std::string& message) {
  write_number(1);
  write_text(message);
}

bool answer_encode(const Tokenizer& tokenizer, bool special_tokens_in_text) {
  std::uint32_t size = 0;
  if (!read_bytes(&size, sizeof size)) return false;
  std::string text(size, '\0');
  if (!read_bytes(text.data(), size)) return false;
  const EncodeOptions options{.add_special_tokens = false, .special_tokens_in_text = special_tokens_in_text};
  const auto ids = tokenizer.encode_ids(text, options);
  const auto encoding = tokenizer.encode(text, options);
  if (!ids.ok() || !encoding.ok()) {
    write_error((ids.ok() ? encoding.error() : ids.error()).message());
    return true;
  }
  write_number(0);
  write_ids(ids.value());
  write_ids(encoding.value().ids);
  const auto& offsets = encoding.value().offsets;
  std::fwrite(offsets.data(), sizeof offsets[0], offsets.size(), stdout);
  return true;
}

bool answer_time(const Tokenizer& tokenizer) {
  std::uint32_t header[2];
  if (!read_bytes(header, sizeof header)) return false;
  std::vector<std::string> texts(header[1]);
  for (std::string& text : texts) {
    std::uint32_t size = 0;
    if (!read_bytes(&size, sizeof size)) return false;
    text.resize(size);
    if (!read_bytes(text.data(), size)) return false;
  }
  std::uint32_t best = 0xFFFFFFFF, made = 0;
  for (std::uint32_t pass = 0; pass < header[0]; ++pass) {
    made = 0;
    const auto start = std::chrono::steady_clock::now();
    for (const std::string& text : texts) {
      const auto ids = tokenizer.encode_ids(text);
      if (ids.ok()) made += static_cast<std::uint32_t>(ids.value().size());
    }
    const auto spent = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, static_cast<std::uint32_t>(std::min<std::int64_t>(spent, 0xFFFFFFFF)));
  }
  write_number(0);
  write_number(best);
  write_number(made);
  return true;
}

bool answer_decode(const Tokenizer& tokenizer) {
  std::uint32_t header[2];
  if (!read_bytes(header, sizeof header)) return false;
  std::vector<std::int32_t> ids(header[1]);
  if (!read_bytes(ids.data(), ids.size() * sizeof(std::int32_t))) return false;
  write_number(0);
  write_text(tokenizer.decode(ids, header[0] != 0));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: tokenizer_probe TOKENIZER_JSON\n");
    return 1;
  }
  const auto tokenizer = Tokenizer::load(argv[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message().c_str());
    return 2;
  }
  for (char kind = 0; read_bytes(&kind, 1);) {
    const bool answered = kind == 'D'   ? answer_decode(tokenizer.value())
                          : kind == 'T' ? answer_time(tokenizer.value())
                                        : answer_encode(tokenizer.value(), kind == 'E');
    if (!answered) return 1;
    std::fflush(stdout);
  }
  return 0;
}
