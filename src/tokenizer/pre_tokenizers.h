// Stage 2: pre-tokenizers, by their type in tokenizer.json. They cut text into the pieces that the model sees.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "io/json.h"
#include "tokenizer/known_patterns.h"
#include "tokenizer/pattern.h"
#include "tokenizer/text.h"

namespace rerank::tokenizer {

// What becomes of the matches that a text is cut at.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct BertPreTokenizer {};
// The three things that the file's ByteLevel may do: a space in front, GPT-2's expression (a Split), the byte alphabet.
struct PrefixSpace {};
struct ByteAlphabet {};
struct Digits {
  bool individual = false;
};
struct MetaspacePreTokenizer {
  enum class Prepend { kAlways, kFirst, kNever };
  std::string replacement;  // one character
  Prepend prepend = Prepend::kAlways;
  bool split = true;
};
struct Punctuation {
  SplitBehavior behavior = SplitBehavior::kIsolated;
};
struct Split {
  Pattern pattern;                    // unused where `known` does its work
  std::optional<KnownPattern> known;  // only with kIsolated and without invert
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;
};
struct Whitespace {};
struct WhitespaceSplit {};

using PreTokenizer = std::variant<BertPreTokenizer, ByteAlphabet, Digits, MetaspacePreTokenizer, PrefixSpace,
                                  Punctuation, Split, Whitespace, WhitespaceSplit>;

// Reads "pre_tokenizer"; Sequences are flattened.
Result<std::vector<PreTokenizer>> read_pre_tokenizers(const io::Json& json);

// Metaspace's "first" asks whether a piece begins the caller's text: such a pipeline needs a tracked text.
bool need_sources(const std::vector<PreTokenizer>& pre_tokenizers);

// Cuts every piece that is not an added token. With `raw_bytes` a ByteAlphabet at the end of the list leaves the bytes
// as they are instead of spelling them: the model then has its vocabulary in bytes.
Status pre_tokenize(const std::vector<PreTokenizer>& pre_tokenizers, bool raw_bytes, PreTokenized& text);

// How Metaspace is written in a file, for pre-tokenizer and decoder alike; old files have only add_prefix_space.
Result<MetaspacePreTokenizer> read_metaspace(const io::Json& json);

}  // namespace rerank::tokenizer
