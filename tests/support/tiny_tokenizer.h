// tokenizer.json files made in code, in the layout of the LLM rerankers' own: letters, digits, punctuation, space and
// newline are one token each, and a few words that scores are read from are one token too.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"

namespace rerank::testing {

class TinyTokenizer {
 public:
  // Gemma's: "<bos>" first, "▁" for a space, a token for the newline; "Yes" is one token.
  static TinyTokenizer gemma() {
    TinyTokenizer t;
    t.add_control({"<pad>", "<eos>", "<bos>", "<unk>"});
    t.add("\n");
    t.add_letters();
    t.normalizer_ = kSpaceToBar;
    t.pre_tokenizer_ =
        R"({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false})";
    t.post_processor_ = t.first("<bos>");
    t.decoder_ = fmt::format(R"({{"type": "Sequence", "decoders": [{}]}})", kBarToSpace);
    t.model_ = kLetters;
    return t;
  }

  // MiniCPM's, which is Llama 2's: each text gets a "▁" of its own, and the newline is the byte "<0x0A>".
  static TinyTokenizer minicpm() {
    TinyTokenizer t;
    t.add_control({"<unk>", "<s>", "</s>"});
    t.add("<0x0A>");
    t.add_letters();
    t.normalizer_ = fmt::format(R"({{"type": "Sequence", "normalizers": [{{"type": "Prepend", "prepend": "▁"}}, {}]}})",
                                kSpaceToBar);
    t.post_processor_ = t.first("<s>");
    t.decoder_ = fmt::format(
        R"({{"type": "Sequence", "decoders": [{}, {{"type": "Strip", "content": " ", "start": 1, "stop": 0}}]}})",
        kBarToSpace);
    t.model_ = kLetters;
    return t;
  }

  // Qwen 2's: bytes; nothing before a text; the control tokens of its chat template come last.
  static TinyTokenizer qwen2() {
    TinyTokenizer t;
    t.add_bytes();
    t.add_control({"<|endoftext|>", "<|im_start|>", "<|im_end|>"});
    t.normalizer_ = R"({"type": "NFC"})";
    t.pre_tokenizer_ = byte_level_split(
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");
    t.post_processor_ = kBytePostProcessor;
    t.decoder_ = kByteDecoder;
    t.model_ = kBytes;
    return t;
  }

  // Llama 3's: "<|begin_of_text|>" before a text, up to three digits in a piece.
  static TinyTokenizer llama3() {
    TinyTokenizer t;
    t.add_bytes();
    t.add_control({"<|begin_of_text|>", "<|end_of_text|>"});
    t.pre_tokenizer_ = byte_level_split(
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");
    t.post_processor_ = fmt::format(R"({{"type": "Sequence", "processors": [{}, {}]}})", kBytePostProcessor,
                                    t.first("<|begin_of_text|>"));
    t.decoder_ = kByteDecoder;
    t.model_ = kBytesIgnoreMerges;
    return t;
  }

  // Mistral's since Tekken: "<s>" before a text, control tokens come first in the vocabulary.
  static TinyTokenizer mistral() {
    TinyTokenizer t;
    t.add_control({"<unk>", "<s>", "</s>"});
    t.add_bytes();
    t.pre_tokenizer_ = byte_level_split(
        R"([^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");
    t.post_processor_ = t.first("<s>");
    t.decoder_ = kByteDecoder;
    t.model_ = kBytesIgnoreMerges;
    return t;
  }

  std::size_t size() const { return ids_.size(); }
  // The id of a token as the vocabulary spells it ("Ġtrue"), written as JSON; fails loudly where there is none.
  std::string id(const std::string& token) const { return std::to_string(ids_.at(token)); }

  std::string json() const {
    std::vector<std::string> vocabulary(ids_.size());
    for (const auto& [token, id] : ids_) vocabulary[id] = fmt::format("{}: {}", quoted(token), id);
    return fmt::format(
        R"({{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [{}],
  "normalizer": {}, "pre_tokenizer": {}, "post_processor": {}, "decoder": {},
  "model": {{"type": "BPE", "dropout": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, {},
            "vocab": {{{}}}, "merges": [{}]}}}})",
        fmt::join(controls_, ", "), normalizer_, pre_tokenizer_, post_processor_, decoder_, model_,
        fmt::join(vocabulary, ", "), fmt::join(merges_, ", "));
  }

 private:
  static constexpr const char* kSpaceToBar = R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})";
  static constexpr const char* kBarToSpace =
      R"({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"})";
  static constexpr const char* kBytePostProcessor =
      R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true})";
  static constexpr const char* kByteDecoder =
      R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})";
  static constexpr const char* kLetters =
      R"("unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "ignore_merges": false)";
  static constexpr const char* kBytes =
      R"("unk_token": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false)";
  static constexpr const char* kBytesIgnoreMerges =
      R"("unk_token": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true)";

  static std::string byte_level_split(std::string_view escaped_pattern) {
    return fmt::format(
        R"({{"type": "Sequence", "pretokenizers": [{{"type": "Split", "pattern": {{"Regex": "{}"}}, "behavior": "Isolated", "invert": false}}, {{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}}]}})",
        escaped_pattern);
  }

  // The post-processor that puts a control token before each text.
  std::string first(const std::string& token) const {
    return fmt::format(
        R"({{"type": "TemplateProcessing",
    "single": [{{"SpecialToken": {{"id": "{0}", "type_id": 0}}}}, {{"Sequence": {{"id": "A", "type_id": 0}}}}],
    "pair": [{{"SpecialToken": {{"id": "{0}", "type_id": 0}}}}, {{"Sequence": {{"id": "A", "type_id": 0}}}},
             {{"SpecialToken": {{"id": "{0}", "type_id": 1}}}}, {{"Sequence": {{"id": "B", "type_id": 1}}}}],
    "special_tokens": {{"{0}": {{"id": "{0}", "ids": [{1}], "tokens": ["{0}"]}}}}}})",
        token, id(token));
  }

  static std::string quoted(std::string_view token) {
    std::string text = "\"";
    for (const char c : token) {
      if (c == '"' || c == '\\') text += '\\';
      text += c == '\n' ? "\\n" : std::string(1, c);
    }
    return text + '"';
  }

  void add(const std::string& token) { ids_.emplace(token, ids_.size()); }
  void add_control(std::initializer_list<const char*> tokens) {
    for (const std::string token : tokens) {
      add(token);
      controls_.push_back(fmt::format(
          R"({{"id": {}, "content": "{}", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}})",
          id(token), token));
    }
  }
  // Tokens for every beginning of a word, and the merges that lead to it.
  void add_word(std::initializer_list<const char*> letters) {
    std::string word;
    for (const std::string letter : letters) {
      if (!word.empty()) merges_.push_back(quoted(word + " " + letter));
      word += letter;
      add(word);
    }
  }
  void add_letters() {
    add("▁");
    for (char letter = '!'; letter <= '~'; ++letter) add(std::string(1, letter));
    add_word({"Y", "e", "s"});
  }
  // ">" followed by a newline is one token, as in the real ones: a prompt's end may merge with what follows.
  void add_bytes() {
    for (const char32_t character : tokenizer::kByteCharacters) {
      std::string token;
      append_utf8(character, token);
      add(token);
    }
    add_word({"Y", "e", "s"});
    add_word({"Ġ", "t", "r", "u", "e"});
    add_word({"Ġ", "f", "a", "l", "s", "e"});
    add_word({">", "Ċ"});
  }

  std::map<std::string, std::size_t> ids_;
  std::vector<std::string> controls_, merges_;  // JSON values
  std::string normalizer_ = "null", pre_tokenizer_ = "null", post_processor_ = "null", decoder_ = "null", model_;
};

}  // namespace rerank::testing
