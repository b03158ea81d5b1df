#include "tokenizer/wordpiece.h"

#include <fmt/format.h>

#include "base/try.h"
#include "base/utf8.h"

namespace rerank::tokenizer {

Result<WordPiece> WordPiece::read(const io::Json& json) {
  RERANK_ASSIGN(const io::Json vocab, json.get("vocab"));
  WordPiece model;
  RERANK_ASSIGN(model.vocabulary_, Vocabulary::read_object(vocab));
  RERANK_ASSIGN(const std::string prefix, json.string_or("continuing_subword_prefix", "##"));
  RERANK_ASSIGN(const std::int64_t max_characters, json.integer_or("max_input_chars_per_word", 100));
  if (max_characters < 0)
    return json.error(Error::Code::kCorrupt, fmt::format("max_input_chars_per_word is {}", max_characters));
  model.max_characters_ = static_cast<std::size_t>(max_characters);

  std::vector<Trie::Entry> whole, continuing;
  whole.reserve(model.vocabulary_.size());
  for (std::size_t id = 0; id < model.vocabulary_.size(); ++id) {
    const std::string_view token = model.vocabulary_[id];
    whole.push_back({token, static_cast<std::int32_t>(id)});
    if (token.substr(0, prefix.size()) == prefix)
      continuing.push_back({token.substr(prefix.size()), static_cast<std::int32_t>(id)});
  }
  model.whole_ = Trie::build(std::move(whole));
  model.continuing_ = Trie::build(std::move(continuing));

  RERANK_ASSIGN(const std::string unknown, json.string_or("unk_token", "[UNK]"));
  const auto id = model.find(unknown);
  if (!id) return json.error(Error::Code::kCorrupt, fmt::format("unk_token \"{}\" is not in the vocabulary", unknown));
  model.unknown_ = *id;
  return model;
}

void WordPiece::tokenize(std::string_view word, const BlockedIds& blocked, TokenSink& sink) const {
  const std::size_t before = sink.ids.size();
  bool spelled = word.size() <= max_characters_ || count_code_points(word) <= max_characters_;
  for (std::size_t at = 0; spelled && at < word.size();) {
    Trie::Match match;
    (at == 0 ? whole_ : continuing_).each_prefix(word.substr(at), [&](std::size_t length, std::int32_t id) {
      if (!blocked.contains(id)) match = {length, id};
    });
    spelled = match.length > 0;
    if (spelled) sink.put(match.value, at, at + match.length);
    at += match.length;
  }
  if (spelled) return;
  sink.ids.resize(before);
  if (sink.ranges != nullptr) sink.ranges->resize(before);
  sink.put(unknown_, 0, word.size());
}

}  // namespace rerank::tokenizer
