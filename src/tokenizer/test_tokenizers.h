// Tiny tokenizer.json texts for tests and fuzz targets: each a whole file, written down piece by piece.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/byte_alphabet.h"

namespace rerank::tokenizer::testing {

// The stages as JSON; "null" leaves one out.
struct TokenizerJson {
  std::string added_tokens = "[]";
  std::string normalizer = "null";
  std::string pre_tokenizer = "null";
  std::string model = R"({"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##",)"
                      R"("max_input_chars_per_word":100,"vocab":{"u":0,"a":1,"##a":2,"b":3,"ab":4}})";
  std::string post_processor = "null";
  std::string decoder = "null";
  std::string truncation = "null";
  std::string padding = "null";

  std::string text() const {
    return R"({"version":"1.0","truncation":)" + truncation + R"(,"padding":)" + padding + R"(,"added_tokens":)" +
           added_tokens + R"(,"normalizer":)" + normalizer + R"(,"pre_tokenizer":)" + pre_tokenizer +
           R"(,"post_processor":)" + post_processor + R"(,"decoder":)" + decoder + R"(,"model":)" + model + "}";
  }
};

// GPT-2's bytes and a few merges, with control tokens: decoding gives back any text.
inline TokenizerJson byte_level_json() {
  TokenizerJson json;
  std::string vocab;
  int id = 0;
  const auto add = [&](std::string_view token) {
    vocab += vocab.empty() ? "\"" : ",\"";
    for (const char c : token) {
      if (c == '"' || c == '\\') vocab += '\\';
      vocab += c;
    }
    vocab += "\":" + std::to_string(id++);
  };
  for (const char32_t c : kByteCharacters) {
    std::string token;
    append_utf8(c, token);
    add(token);
  }
  for (const char* token : {"ab", "abc", "\u0120a", "\u0120ab", "aa", "aaaa", "\u0120\u0120"}) add(token);
  json.model = R"({"type":"BPE","dropout":null,"unk_token":null,"vocab":{)" + vocab +
               R"(},"merges":["a b","ab c","Ġ a",["Ġ","ab"],["a","a"],"aa aa","Ġ Ġ"]})";
  json.pre_tokenizer =
      R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";
  json.decoder = R"({"type":"ByteLevel"})";
  json.added_tokens = R"([{"id":263,"content":"<s>","special":true,"normalized":false},)"
                      R"({"id":264,"content":"</s>","special":true,"normalized":false,"lstrip":true}])";
  json.post_processor =
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],)"
      R"("pair":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":1}},{"Sequence":{"id":"B","type_id":1}}],)"
      R"("special_tokens":{"<s>":{"id":"<s>","ids":[263],"tokens":["<s>"]},"</s>":{"id":"</s>","ids":[264],"tokens":["</s>"]}}})";
  return json;
}

// XLM-R's kind: pieces with scores, a control token that is also a piece.
inline TokenizerJson unigram_json() {
  TokenizerJson json;
  json.model =
      R"({"type":"Unigram","unk_id":1,"byte_fallback":false,"vocab":[["<s>",0.0],["<unk>",0.0],["▁",-3.0],["a",-4.5],)"
      R"(["b",-4.5],["ab",-5.0],["▁a",-4.0],["▁ab",-6.25],["é",-7.0],["中",-7.5],["aa",-9.0],["▁▁",-8.0]]})";
  json.normalizer =
      R"({"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]})";
  json.pre_tokenizer = R"({"type":"Metaspace","replacement":"▁","add_prefix_space":true,"prepend_scheme":"always"})";
  json.decoder = R"({"type":"Metaspace","replacement":"▁","add_prefix_space":true,"prepend_scheme":"always"})";
  json.added_tokens = R"([{"id":0,"content":"<s>","special":true,"normalized":false}])";
  return json;
}

// BERT's kind.
inline TokenizerJson word_piece_json() {
  TokenizerJson json;
  json.normalizer =
      R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true})";
  json.pre_tokenizer = R"({"type":"BertPreTokenizer"})";
  json.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  return json;
}

// Gemma's kind: characters, and bytes for those that are missing.
inline TokenizerJson byte_fallback_json() {
  TokenizerJson json;
  std::string vocab = R"("<unk>":0)";
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (int byte = 0; byte < 256; ++byte)
    vocab += std::string(",\"<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">\":" + std::to_string(byte + 1);
  vocab += R"(,"▁":257,"a":258,"b":259,"ab":260,"▁a":261,"中":262,"a中":263)";
  json.model = R"({"type":"BPE","dropout":null,"unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{)" +
               vocab + R"(},"merges":["a b","▁ a","a 中"]})";
  json.normalizer =
      R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]})";
  json.decoder =
      R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})";
  return json;
}

}  // namespace rerank::tokenizer::testing
