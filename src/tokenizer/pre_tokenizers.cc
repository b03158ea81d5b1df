#include "tokenizer/pre_tokenizers.h"

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/component.h"
#include "tokenizer/unicode.h"

namespace rerank::tokenizer {
namespace {

constexpr std::string_view kKnown =
    "BertPreTokenizer, ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace, WhitespaceSplit";
// What ByteLevel cuts by itself.
constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Result<SplitBehavior> read_behavior(const io::Json& json, SplitBehavior fallback) {
  const auto behavior = json.find("behavior");
  if (!behavior) return fallback;
  RERANK_ASSIGN(const std::string_view name, behavior->string());
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return behavior->error(Error::Code::kUnsupported, fmt::format("the behavior \"{}\" is not supported", name),
                         "supported: Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

Status read_one(const io::Json& json, std::vector<PreTokenizer>& out) {
  RERANK_ASSIGN(const std::string_view type, component_type(json));
  if (type == "Sequence") return read_sequence(json, "pretokenizers", out, read_one);
  if (type == "BertPreTokenizer") {
    out.push_back(BertPreTokenizer{});
  } else if (type == "Whitespace") {
    out.push_back(Whitespace{});
  } else if (type == "WhitespaceSplit") {
    out.push_back(WhitespaceSplit{});
  } else if (type == "ByteLevel") {
    RERANK_ASSIGN(const bool add_prefix_space, json.boolean_or("add_prefix_space", true));
    RERANK_ASSIGN(const bool use_regex, json.boolean_or("use_regex", true));
    if (add_prefix_space) out.push_back(PrefixSpace{});
    if (use_regex) {
      Split split;
      split.known = KnownPattern::of(kGpt2);
      out.push_back(std::move(split));
    }
    out.push_back(ByteAlphabet{});
  } else if (type == "Digits") {
    Digits digits;
    RERANK_ASSIGN(digits.individual, json.boolean_or("individual_digits", false));
    out.push_back(digits);
  } else if (type == "Metaspace") {
    RERANK_ASSIGN(MetaspacePreTokenizer metaspace, read_metaspace(json));
    out.push_back(std::move(metaspace));
  } else if (type == "Punctuation") {
    Punctuation punctuation;
    RERANK_ASSIGN(punctuation.behavior, read_behavior(json, SplitBehavior::kIsolated));
    out.push_back(punctuation);
  } else if (type == "Split") {
    RERANK_ASSIGN(const io::Json pattern_json, json.get("pattern"));
    Split split;
    RERANK_ASSIGN(split.behavior, read_behavior(json, SplitBehavior::kIsolated));
    RERANK_ASSIGN(split.invert, json.boolean_or("invert", false));
    if (split.behavior == SplitBehavior::kIsolated && !split.invert) {
      RERANK_ASSIGN(const std::string expression, pattern_json.string_or("Regex", ""));
      split.known = KnownPattern::of(expression);
    }
    if (!split.known) {
      RERANK_ASSIGN(split.pattern, Pattern::read(pattern_json));
    }
    out.push_back(std::move(split));
  } else {
    return unknown_type(json, "pre-tokenizer", type, kKnown);
  }
  return {};
}

// Cuts [begin, end) at the matches, which are in order and lie inside. Matches are relative to `begin`.
class Cutter {
 public:
  Cutter(SplitBehavior behavior, bool invert, std::vector<Piece>& out)
      : behavior_(behavior), invert_(invert), out_(out) {}

  void cut(std::uint32_t begin, std::uint32_t end, const std::vector<ByteRange>& matches) {
    segments_.clear();
    std::uint32_t done = begin;
    for (const ByteRange match : matches) {
      if (done < begin + match.begin) segments_.push_back({done, begin + match.begin, invert_});
      segments_.push_back({begin + match.begin, begin + match.end, !invert_});
      done = begin + match.end;
    }
    if (done < end) segments_.push_back({done, end, invert_});
    join();
    for (const Segment& segment : segments_)
      if (segment.begin < segment.end) out_.push_back({segment.begin, segment.end, -1});
  }

 private:
  struct Segment {
    std::uint32_t begin, end;
    bool match;
  };

  void join() {
    std::size_t write = 0;
    bool previous = false;
    switch (behavior_) {
      case SplitBehavior::kIsolated:
        return;
      case SplitBehavior::kRemoved:
        std::erase_if(segments_, [](const Segment& segment) { return segment.match; });
        return;
      case SplitBehavior::kContiguous:
      case SplitBehavior::kMergedWithPrevious:
        for (const Segment segment : segments_) {
          const bool joins =
              behavior_ == SplitBehavior::kContiguous ? segment.match == previous : segment.match && !previous;
          if (joins && write > 0)
            segments_[write - 1].end = segment.end;
          else
            segments_[write++] = segment;
          previous = segment.match;
        }
        segments_.resize(write);
        return;
      case SplitBehavior::kMergedWithNext:
        write = segments_.size();
        for (std::size_t read = segments_.size(); read-- > 0;) {
          const Segment segment = segments_[read];
          if (segment.match && !previous && write < segments_.size())
            segments_[write].begin = segment.begin;
          else
            segments_[--write] = segment;
          previous = segment.match;
        }
        segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(write));
        return;
    }
  }

  SplitBehavior behavior_;
  bool invert_;
  std::vector<Piece>& out_;
  std::vector<Segment> segments_;
};

// Cuts every piece with what `find(view, matches)` finds in it.
template <class Find>
Status cut_pieces(PreTokenized& text, SplitBehavior behavior, bool invert, Find&& find) {
  std::vector<Piece> out;
  out.reserve(text.text.bytes.size() / 4 + text.pieces.size());
  Cutter cutter(behavior, invert, out);
  std::vector<ByteRange> matches;
  for (const Piece& piece : text.pieces) {
    if (piece.token >= 0) {
      out.push_back(piece);
      continue;
    }
    matches.clear();
    RERANK_TRY(find(text.view(piece), matches));
    cutter.cut(piece.begin, piece.end, matches);
  }
  text.pieces = std::move(out);
  return {};
}

// Cuts at each character that has one of `bits`.
Status cut_at(PreTokenized& text, std::uint32_t bits, SplitBehavior behavior) {
  const UnicodeTable& unicode = UnicodeTable::get();
  return cut_pieces(text, behavior, false, [&](std::string_view view, std::vector<ByteRange>& matches) -> Status {
    for (std::uint32_t at = 0; at < view.size();) {
      const CodePoint c = decode_utf8(view, at);
      if (unicode.has(c.value, bits)) matches.push_back({at, at + c.length});
      at += c.length;
    }
    return {};
  });
}

// Rebuilds the text: `rewrite(piece, in, out)` appends the new form of one piece to `out`.
template <class Rewrite>
void rewrite_pieces(PreTokenized& text, Rewrite&& rewrite) {
  Text out;
  out.tracked = text.text.tracked;
  out.bytes.reserve(text.text.bytes.size() + text.text.bytes.size() / 2 + 16);
  for (Piece& piece : text.pieces) {
    const auto begin = static_cast<std::uint32_t>(out.bytes.size());
    if (piece.token >= 0)
      out.append(text.text, piece.begin, piece.end);
    else
      rewrite(piece, text.text, out);
    piece.begin = begin;
    piece.end = static_cast<std::uint32_t>(out.bytes.size());
  }
  text.text = std::move(out);
}

// Puts `prefix` before a piece. It shares the source of the piece's first character.
void append_prefix(const Text& in, const Piece& piece, std::string_view prefix, Text& out) {
  out.bytes += prefix;
  if (in.tracked) out.source.insert(out.source.end(), prefix.size(), in.source[piece.begin]);
}

struct Apply {
  PreTokenized& text;

  // Spaces go, punctuation stands alone.
  Status operator()(const BertPreTokenizer&) const {
    const UnicodeTable& unicode = UnicodeTable::get();
    std::vector<Piece> out;
    out.reserve(text.text.bytes.size() / 4 + text.pieces.size());
    for (const Piece& piece : text.pieces) {
      if (piece.token >= 0) {
        out.push_back(piece);
        continue;
      }
      std::uint32_t word = piece.begin;
      for (std::uint32_t at = piece.begin; at < piece.end;) {
        const CodePoint c = decode_utf8(text.text.bytes, at);
        const std::uint32_t properties = unicode.properties(c.value);
        if ((properties & (kSpace | kPunctuation)) != 0) {
          if (word < at) out.push_back({word, at, -1});
          if ((properties & kSpace) == 0) out.push_back({at, at + c.length, -1});
          word = at + c.length;
        }
        at += c.length;
      }
      if (word < piece.end) out.push_back({word, piece.end, -1});
    }
    text.pieces = std::move(out);
    return {};
  }
  Status operator()(const PrefixSpace&) const {
    rewrite_pieces(text, [](const Piece& piece, const Text& in, Text& out) {
      if (in.bytes[piece.begin] != ' ') append_prefix(in, piece, " ", out);
      out.append(in, piece.begin, piece.end);
    });
    return {};
  }
  Status operator()(const ByteAlphabet&) const {
    rewrite_pieces(text, [](const Piece& piece, const Text& in, Text& out) {
      for (std::uint32_t at = piece.begin; at < piece.end; ++at) {
        const std::size_t before = out.bytes.size();
        append_utf8(kByteCharacters[static_cast<unsigned char>(in.bytes[at])], out.bytes);
        if (in.tracked) out.source.insert(out.source.end(), out.bytes.size() - before, in.source[at]);
      }
    });
    return {};
  }
  Status operator()(const Digits& digits) const {
    return cut_at(text, kNumeric, digits.individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  Status operator()(const MetaspacePreTokenizer& metaspace) const {
    using P = MetaspacePreTokenizer::Prepend;
    rewrite_pieces(text, [&](const Piece& piece, const Text& in, Text& out) {
      const std::string_view view = std::string_view(in.bytes).substr(piece.begin, piece.end - piece.begin);
      const bool begins_with_it =
          view.front() == ' ' || view.substr(0, metaspace.replacement.size()) == metaspace.replacement;
      const bool wanted =
          metaspace.prepend == P::kAlways || (metaspace.prepend == P::kFirst && in.source[piece.begin].begin == 0);
      if (wanted && !begins_with_it) append_prefix(in, piece, metaspace.replacement, out);
      std::uint32_t done = piece.begin;
      for (std::size_t at = view.find(' '); at != std::string_view::npos; at = view.find(' ', at + 1)) {
        const auto space = static_cast<std::uint32_t>(piece.begin + at);
        out.append(in, done, space);
        out.bytes += metaspace.replacement;
        if (in.tracked) out.source.insert(out.source.end(), metaspace.replacement.size(), in.source[space]);
        done = space + 1;
      }
      out.append(in, done, piece.end);
    });
    if (!metaspace.split) return {};
    const Pattern pattern = Pattern::literal(metaspace.replacement);
    return cut_pieces(
        text, SplitBehavior::kMergedWithNext, false,
        [&](std::string_view view, std::vector<ByteRange>& matches) { return pattern.find(view, matches); });
  }
  Status operator()(const Punctuation& punctuation) const { return cut_at(text, kPunctuation, punctuation.behavior); }
  Status operator()(const Split& split) const {
    if (split.known) {
      std::vector<Piece> out;
      out.reserve(text.text.bytes.size() / 4 + text.pieces.size());
      for (const Piece& piece : text.pieces) {
        if (piece.token >= 0)
          out.push_back(piece);
        else
          split.known->cut(text.text.bytes, piece.begin, piece.end, out);
      }
      text.pieces = std::move(out);
      return {};
    }
    return cut_pieces(text, split.behavior, split.invert, [&](std::string_view view, std::vector<ByteRange>& matches) {
      return split.pattern.find(view, matches);
    });
  }
  // Words, and runs of what is neither word nor space.
  Status operator()(const Whitespace&) const {
    const UnicodeTable& unicode = UnicodeTable::get();
    return cut_pieces(text, SplitBehavior::kRemoved, true,
                      [&](std::string_view view, std::vector<ByteRange>& matches) -> Status {
                        std::uint32_t last_kind = kSpace;
                        for (std::uint32_t at = 0; at < view.size();) {
                          const CodePoint c = decode_utf8(view, at);
                          const std::uint32_t properties = unicode.properties(c.value);
                          const std::uint32_t kind = (properties & kWord) != 0 ? kWord : properties & kSpace;
                          if (kind != kSpace) {
                            if (kind == last_kind)
                              matches.back().end = at + c.length;
                            else
                              matches.push_back({at, at + c.length});
                          }
                          last_kind = kind;
                          at += c.length;
                        }
                        return {};
                      });
  }
  Status operator()(const WhitespaceSplit&) const { return cut_at(text, kSpace, SplitBehavior::kRemoved); }
};

}  // namespace

Result<MetaspacePreTokenizer> read_metaspace(const io::Json& json) {
  using P = MetaspacePreTokenizer::Prepend;
  MetaspacePreTokenizer metaspace;
  RERANK_ASSIGN(metaspace.replacement, json.string_or("replacement", "\xE2\x96\x81"));
  if (count_code_points(metaspace.replacement) != 1)
    return json.error(Error::Code::kCorrupt,
                      fmt::format("the replacement \"{}\" is not one character", metaspace.replacement));
  RERANK_ASSIGN(const bool add_prefix_space, json.boolean_or("add_prefix_space", true));
  RERANK_ASSIGN(const std::string scheme, json.string_or("prepend_scheme", add_prefix_space ? "always" : "never"));
  if (scheme != "always" && scheme != "first" && scheme != "never")
    return json.error(Error::Code::kUnsupported, fmt::format("the prepend_scheme \"{}\" is not supported", scheme),
                      "supported: always, first, never");
  if (!add_prefix_space && scheme != "never")
    return json.error(Error::Code::kCorrupt,
                      fmt::format("add_prefix_space is false, but prepend_scheme is \"{}\"", scheme));
  metaspace.prepend = scheme == "always" ? P::kAlways : scheme == "first" ? P::kFirst : P::kNever;
  RERANK_ASSIGN(metaspace.split, json.boolean_or("split", true));
  return metaspace;
}

Result<std::vector<PreTokenizer>> read_pre_tokenizers(const io::Json& json) {
  std::vector<PreTokenizer> pre_tokenizers;
  if (!json.is_null()) RERANK_TRY(read_one(json, pre_tokenizers));
  return pre_tokenizers;
}

bool need_sources(const std::vector<PreTokenizer>& pre_tokenizers) {
  for (const PreTokenizer& pre_tokenizer : pre_tokenizers) {
    const auto* metaspace = std::get_if<MetaspacePreTokenizer>(&pre_tokenizer);
    if (metaspace != nullptr && metaspace->prepend == MetaspacePreTokenizer::Prepend::kFirst) return true;
  }
  return false;
}

Status pre_tokenize(const std::vector<PreTokenizer>& pre_tokenizers, bool raw_bytes, PreTokenized& text) {
  for (std::size_t i = 0; i < pre_tokenizers.size(); ++i) {
    if (raw_bytes && i + 1 == pre_tokenizers.size() && std::holds_alternative<ByteAlphabet>(pre_tokenizers[i])) break;
    RERANK_TRY(std::visit(Apply{text}, pre_tokenizers[i]));
  }
  return {};
}

}  // namespace rerank::tokenizer
