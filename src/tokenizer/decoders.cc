#include "tokenizer/decoders.h"

#include <optional>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/component.h"
#include "tokenizer/pre_tokenizers.h"

namespace rerank::tokenizer {
namespace {

constexpr std::string_view kKnown = "ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece";
constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

Status read_one(const io::Json& json, std::vector<Decoder>& out) {
  RERANK_ASSIGN(const std::string_view type, component_type(json));
  if (type == "Sequence") return read_sequence(json, "decoders", out, read_one);
  if (type == "ByteFallback") {
    out.push_back(ByteFallbackDecoder{});
  } else if (type == "ByteLevel") {
    out.push_back(ByteLevelDecoder{});
  } else if (type == "Fuse") {
    out.push_back(FuseDecoder{});
  } else if (type == "Metaspace") {
    RERANK_ASSIGN(MetaspacePreTokenizer metaspace, read_metaspace(json));
    out.push_back(MetaspaceDecoder{std::move(metaspace.replacement),
                                   metaspace.prepend != MetaspacePreTokenizer::Prepend::kNever});
  } else if (type == "Replace") {
    RERANK_ASSIGN(const io::Json pattern_json, json.get("pattern"));
    RERANK_ASSIGN(Pattern pattern, Pattern::read(pattern_json));
    RERANK_ASSIGN(const io::Json content, json.get("content"));
    RERANK_ASSIGN(const std::string_view value, content.string());
    out.push_back(ReplaceDecoder{std::move(pattern), std::string(value)});
  } else if (type == "Strip") {
    StripDecoder strip;
    RERANK_ASSIGN(strip.content, json.string_or("content", " "));
    RERANK_ASSIGN(const std::int64_t start, json.integer_or("start", 0));
    RERANK_ASSIGN(const std::int64_t stop, json.integer_or("stop", 0));
    if (count_code_points(strip.content) != 1 || start < 0 || stop < 0)
      return json.error(Error::Code::kCorrupt, "Strip needs one character of content and two counts, start and stop");
    strip.start = static_cast<std::size_t>(start);
    strip.stop = static_cast<std::size_t>(stop);
    out.push_back(std::move(strip));
  } else if (type == "WordPiece") {
    WordPieceDecoder word_piece;
    RERANK_ASSIGN(word_piece.prefix, json.string_or("prefix", "##"));
    RERANK_ASSIGN(word_piece.cleanup, json.boolean_or("cleanup", true));
    out.push_back(std::move(word_piece));
  } else {
    return unknown_type(json, "decoder", type, kKnown);
  }
  return {};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (text.find(from) == std::string::npos) return;
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, done)) {
    out.append(text, done, at - done);
    out += to;
    done = at + from.size();
  }
  text = out.append(text, done);
}

// What BERT's detokenizer undoes. Source: cleanup() in decoders/wordpiece.rs, after Python's clean_up_tokenization.
void clean_up(std::string& text) {
  static constexpr std::string_view kRules[][2] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

// Well-formed UTF-8 of `bytes`; each longest malformed part of a character becomes one U+FFFD (Unicode 15,
// section 3.9).
std::string repair_utf8(std::string_view bytes) {
  if (first_invalid_utf8(bytes) == std::string_view::npos) return std::string(bytes);
  std::string out;
  while (!bytes.empty()) {
    const std::size_t good = std::min(first_invalid_utf8(bytes), bytes.size());
    out += bytes.substr(0, good);
    bytes.remove_prefix(good);
    if (bytes.empty()) break;
    out += kReplacementCharacter;
    // The part is the lead byte and the continuation bytes that a character could still have.
    const auto byte = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u; };
    const unsigned lead = byte(0);
    std::size_t wanted = lead >= 0xC2 && lead < 0xE0   ? 1
                         : lead >= 0xE0 && lead < 0xF0 ? 2
                         : lead >= 0xF0 && lead < 0xF5 ? 3
                                                       : 0;
    unsigned low = 0x80, high = 0xBF;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    std::size_t length = 1;
    for (; wanted > 0 && byte(length) >= low && byte(length) <= high; --wanted, ++length) low = 0x80, high = 0xBF;
    bytes.remove_prefix(length);
  }
  return out;
}

// The byte of a token such as "<0x0A>". The library's number reader also takes a plus sign.
std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return std::nullopt;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  const int high = token[3] == '+' ? 0 : digit(token[3]), low = digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

using Tokens = std::vector<std::string>;

struct Apply {
  Tokens& tokens;

  // Runs of byte tokens become the text that they spell, or one U+FFFD a byte.
  void operator()(const ByteFallbackDecoder&) const {
    Tokens out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (first_invalid_utf8(bytes) == std::string_view::npos)
        out.push_back(bytes);
      else
        out.insert(out.end(), bytes.size(), std::string(kReplacementCharacter));
      bytes.clear();
    };
    for (std::string& token : tokens) {
      if (const auto byte = fallback_byte(token)) {
        bytes += *byte;
        continue;
      }
      flush();
      out.push_back(std::move(token));
    }
    flush();
    tokens = std::move(out);
  }
  void operator()(const ByteLevelDecoder&) const {
    std::string bytes;
    for (const std::string& token : tokens)
      if (!append_bytes_of(token, bytes)) bytes += token;
    tokens = {repair_utf8(bytes)};
  }
  void operator()(const FuseDecoder&) const {
    std::string all;
    for (const std::string& token : tokens) all += token;
    tokens = {std::move(all)};
  }
  void operator()(const MetaspaceDecoder& metaspace) const {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      replace_all(tokens[i], metaspace.replacement, i == 0 && metaspace.drop_first ? "" : " ");
  }
  void operator()(const ReplaceDecoder& replace) const {
    std::vector<ByteRange> matches;
    for (std::string& token : tokens) {
      // Tokens are short: an expression that gives up on one leaves it as it is.
      if (!replace.pattern.find(token, matches).ok() || matches.empty()) continue;
      std::string out;
      std::size_t done = 0;
      for (const ByteRange match : matches) {
        out.append(token, done, match.begin - done);
        out += replace.content;
        done = match.end;
      }
      token = out.append(token, done);
    }
  }
  void operator()(const StripDecoder& strip) const {
    const std::size_t length = strip.content.size();
    for (std::string& token : tokens) {
      std::size_t begin = 0, end = token.size();
      for (std::size_t i = 0; i < strip.start && token.compare(begin, length, strip.content) == 0; ++i) begin += length;
      for (std::size_t i = 0;
           i < strip.stop && end - begin >= length && token.compare(end - length, length, strip.content) == 0; ++i)
        end -= length;
      token = token.substr(begin, end - begin);
    }
  }
  void operator()(const WordPieceDecoder& word_piece) const {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0) {
        if (tokens[i].compare(0, word_piece.prefix.size(), word_piece.prefix) == 0)
          tokens[i].erase(0, word_piece.prefix.size());
        else
          tokens[i].insert(tokens[i].begin(), ' ');
      }
      if (word_piece.cleanup) clean_up(tokens[i]);
    }
  }
};

}  // namespace

Result<std::vector<Decoder>> read_decoders(const io::Json& json) {
  std::vector<Decoder> decoders;
  if (!json.is_null()) RERANK_TRY(read_one(json, decoders));
  return decoders;
}

std::string decode_tokens(const std::vector<Decoder>& decoders, std::vector<std::string> tokens) {
  for (const Decoder& decoder : decoders) std::visit(Apply{tokens}, decoder);
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && decoders.empty()) text += ' ';
    text += tokens[i];
  }
  return text;
}

}  // namespace rerank::tokenizer
