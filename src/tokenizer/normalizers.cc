#include "tokenizer/normalizers.h"

#include "tokenizer/component.h"
#include "tokenizer/unicode.h"
#include "tokenizer/unicode_forms.h"

namespace rerank::tokenizer {
namespace {

constexpr std::string_view kKnown =
    "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Precompiled, Prepend, Replace, Sequence, Strip, StripAccents";

Status read_one(const io::Json& json, std::vector<Normalizer>& out) {
  RERANK_ASSIGN(const std::string_view type, component_type(json));
  if (type == "Sequence") return read_sequence(json, "normalizers", out, read_one);
  if (type == "NFC") {
    out.push_back(UnicodeForm::kNfc);
  } else if (type == "NFD") {
    out.push_back(UnicodeForm::kNfd);
  } else if (type == "NFKC") {
    out.push_back(UnicodeForm::kNfkc);
  } else if (type == "NFKD") {
    out.push_back(UnicodeForm::kNfkd);
  } else if (type == "Lowercase") {
    out.push_back(Lowercase{});
  } else if (type == "StripAccents") {
    out.push_back(StripAccents{});
  } else if (type == "Strip") {
    Strip strip;
    RERANK_ASSIGN(strip.left, json.boolean_or("strip_left", true));
    RERANK_ASSIGN(strip.right, json.boolean_or("strip_right", true));
    out.push_back(strip);
  } else if (type == "Prepend") {
    RERANK_ASSIGN(const io::Json text, json.get("prepend"));
    RERANK_ASSIGN(const std::string_view value, text.string());
    out.push_back(Prepend{std::string(value)});
  } else if (type == "Replace") {
    RERANK_ASSIGN(const io::Json pattern_json, json.get("pattern"));
    RERANK_ASSIGN(Pattern pattern, Pattern::read(pattern_json));
    RERANK_ASSIGN(const io::Json content, json.get("content"));
    RERANK_ASSIGN(const std::string_view value, content.string());
    out.push_back(Replace{std::move(pattern), std::string(value)});
  } else if (type == "BertNormalizer") {
    BertNormalizer bert;
    RERANK_ASSIGN(bert.clean_text, json.boolean_or("clean_text", true));
    RERANK_ASSIGN(bert.handle_chinese_chars, json.boolean_or("handle_chinese_chars", true));
    RERANK_ASSIGN(bert.lowercase, json.boolean_or("lowercase", true));
    RERANK_ASSIGN(bert.strip_accents, json.boolean_or("strip_accents", bert.lowercase));
    out.push_back(bert);
  } else if (type == "Precompiled") {
    RERANK_ASSIGN(Precompiled precompiled, Precompiled::read(json));
    out.push_back(std::move(precompiled));
  } else {
    return unknown_type(json, "normalizer", type, kKnown);
  }
  return {};
}

// Keeps the characters that `keep` accepts, each as `map` gives it.
template <class Keep, class Map>
void filter(const Text& in, std::uint32_t origin, Text& out, Keep&& keep, Map&& map) {
  Rewriter rewriter(in, origin, out);
  const std::string_view text = in.bytes;
  char32_t pending = 0;
  bool has_pending = false;
  std::ptrdiff_t dropped = 0;
  const auto flush = [&] {
    if (has_pending)
      rewriter.put(map(pending), -dropped);
    else
      rewriter.drop(static_cast<std::size_t>(dropped));
    dropped = 0;
  };
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    at += c.length;
    if (!keep(c.value)) {
      ++dropped;
      continue;
    }
    flush();
    pending = c.value;
    has_pending = true;
  }
  if (has_pending) flush();
}

const auto kSame = [](char32_t c) { return c; };

void lowercase(const Text& in, std::uint32_t origin, Text& out) {
  const UnicodeTable& unicode = UnicodeTable::get();
  Rewriter rewriter(in, origin, out);
  for (std::size_t at = 0; at < in.bytes.size();) {
    const CodePoint c = decode_utf8(in.bytes, at);
    at += c.length;
    if (c.value == 0x130) {  // the only letter whose small form is two characters
      rewriter.put('i', 0);
      rewriter.put(0x307, 1);
    } else {
      rewriter.put(unicode.lower(c.value), 0);
    }
  }
}

// The blocks that BERT calls Chinese. The gap before U+2B920 is BERT's own.
bool is_bert_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

void bert_in_stages(const BertNormalizer& bert, std::uint32_t origin, Text& text, Text& scratch) {
  const UnicodeTable& unicode = UnicodeTable::get();
  const auto stage = [&](auto&& step) {
    scratch.clear();
    scratch.tracked = text.tracked;
    step(text, scratch);
    std::swap(text, scratch);
  };
  if (bert.clean_text) {
    stage([&](const Text& in, Text& out) {
      filter(
          in, origin, out, [&](char32_t c) { return !unicode.has(c, kBertControl); },
          [&](char32_t c) { return unicode.has(c, kSpace) ? U' ' : c; });
    });
  }
  if (bert.handle_chinese_chars) {
    stage([&](const Text& in, Text& out) {
      Rewriter rewriter(in, origin, out);
      for (std::size_t at = 0; at < in.bytes.size();) {
        const CodePoint c = decode_utf8(in.bytes, at);
        at += c.length;
        if (!is_bert_chinese(c.value)) {
          rewriter.put(c.value, 0);
          continue;
        }
        rewriter.put(' ', 0);
        rewriter.put(c.value, 1);
        rewriter.put(' ', 1);
      }
    });
  }
  if (bert.strip_accents) {
    stage([&](const Text& in, Text& out) { to_normal_form(Decomposition::kCanonical, false, in, origin, out); });
    stage([&](const Text& in, Text& out) {
      filter(
          in, origin, out, [&](char32_t c) { return !unicode.has(c, kBertAccent); }, kSame);
    });
  }
  if (bert.lowercase) stage([&](const Text& in, Text& out) { lowercase(in, origin, out); });
}

// Without offsets the stretches of ASCII need one pass, and only the others the stages: no stage looks across the
// border.
void bert_untracked(const BertNormalizer& bert, Text& text, Text& scratch) {
  std::string out;
  out.reserve(text.bytes.size() + text.bytes.size() / 4);
  const std::string_view in = text.bytes;
  Text part;
  for (std::size_t at = 0; at < in.size();) {
    const auto byte = static_cast<unsigned char>(in[at]);
    if (byte < 0x80) {
      ++at;
      if (bert.clean_text && (byte < 0x20 || byte == 0x7F)) {
        if (byte != '\t' && byte != '\n' && byte != '\r') continue;
        out += ' ';
      } else {
        out += static_cast<char>(bert.lowercase && byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
      }
      continue;
    }
    const std::size_t begin = at;
    while (at < in.size() && static_cast<unsigned char>(in[at]) >= 0x80) ++at;
    part.clear();
    part.bytes = in.substr(begin, at - begin);
    bert_in_stages(bert, 0, part, scratch);
    out += part.bytes;
  }
  text.bytes = std::move(out);
}

void strip(const Strip& options, const Text& in, std::uint32_t origin, Text& out) {
  const UnicodeTable& unicode = UnicodeTable::get();
  std::size_t first = 0, last = 0;  // the kept characters begin and end here
  bool found = false;
  for (std::size_t at = 0; at < in.bytes.size();) {
    const CodePoint c = decode_utf8(in.bytes, at);
    if (!unicode.has(c.value, kSpace)) {
      if (!found) first = at;
      found = true;
      last = at + c.length;
    }
    at += c.length;
  }
  if (!found) {  // nothing but spaces
    if (!options.left && !options.right) out.append(in, 0, in.bytes.size());
    return;
  }
  (void)origin;
  out.append(in, options.left ? first : 0, options.right ? last : in.bytes.size());
}

void prepend(const std::string& prefix, const Text& in, Text& out) {
  if (in.bytes.empty()) return;
  out.bytes = prefix;
  if (in.tracked) out.source.assign(prefix.size(), in.source[0]);
  out.append(in, 0, in.bytes.size());
}

Status replace(const Replace& rule, const Text& in, std::uint32_t origin, Text& out) {
  std::vector<ByteRange> matches;
  RERANK_TRY(rule.pattern.find(in.bytes, matches));
  std::size_t done = 0;
  for (const ByteRange match : matches) {
    out.append(in, done, match.begin);
    out.bytes += rule.content;
    if (in.tracked)
      out.source.insert(out.source.end(), rule.content.size(),
                        match.end > 0 ? in.source[match.end - 1] : ByteRange{origin, origin});
    done = match.end;
  }
  out.append(in, done, in.bytes.size());
  return {};
}

struct Apply {
  const Text& in;
  std::uint32_t origin;
  Text& out;

  Status operator()(const Lowercase&) const { return lowercase(in, origin, out), Status(); }
  Status operator()(const StripAccents&) const {
    const UnicodeTable& unicode = UnicodeTable::get();
    filter(
        in, origin, out, [&](char32_t c) { return !unicode.has(c, kAccent); }, kSame);
    return {};
  }
  Status operator()(const Strip& options) const { return strip(options, in, origin, out), Status(); }
  Status operator()(const Prepend& options) const { return prepend(options.text, in, out), Status(); }
  Status operator()(const Replace& options) const { return replace(options, in, origin, out); }
  Status operator()(UnicodeForm form) const {
    const bool compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
    const bool compose = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
    to_normal_form(compatible ? Decomposition::kCompatible : Decomposition::kCanonical, compose, in, origin, out);
    return {};
  }
  Status operator()(const Precompiled& precompiled) const { return precompiled.normalize(in, origin, out), Status(); }
  Status operator()(const BertNormalizer& bert) const {
    Text first, second;
    first.tracked = second.tracked = in.tracked;
    first.append(in, 0, in.bytes.size());
    if (in.tracked)
      bert_in_stages(bert, origin, first, second);
    else
      bert_untracked(bert, first, second);
    std::swap(out, first);
    return {};
  }
};

}  // namespace

Result<std::vector<Normalizer>> read_normalizers(const io::Json& json) {
  std::vector<Normalizer> normalizers;
  if (!json.is_null()) RERANK_TRY(read_one(json, normalizers));
  return normalizers;
}

Status normalize(const std::vector<Normalizer>& normalizers, std::uint32_t origin, Text& text, Text& scratch) {
  for (const Normalizer& normalizer : normalizers) {
    scratch.clear();
    scratch.tracked = text.tracked;
    RERANK_TRY(std::visit(Apply{text, origin, scratch}, normalizer));
    std::swap(text, scratch);
  }
  return {};
}

}  // namespace rerank::tokenizer
