#include "tokenizer/added_tokens.h"

#include <fmt/format.h>

#include "tokenizer/unicode.h"

namespace rerank::tokenizer {
namespace {

// Published files have up to a few thousand.
constexpr std::size_t kMaxAddedTokens = 1 << 20;

CodePoint last_code_point(std::string_view text) {
  std::size_t at = text.size() - 1;
  while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return decode_utf8(text, at);
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && UnicodeTable::get().has(last_code_point(text).value, kWord);
}
bool starts_with_word(std::string_view text) {
  return !text.empty() && UnicodeTable::get().has(decode_utf8(text, 0).value, kWord);
}

// Bytes of white space at the end and at the start of a text.
std::size_t spaces_at_end(std::string_view text) {
  std::size_t left = text.size();
  while (left > 0) {
    const CodePoint c = last_code_point(text.substr(0, left));
    if (!UnicodeTable::get().has(c.value, kSpace)) break;
    left -= c.length;
  }
  return text.size() - left;
}
std::size_t spaces_at_start(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const CodePoint c = decode_utf8(text, at);
    if (!UnicodeTable::get().has(c.value, kSpace)) break;
    at += c.length;
  }
  return at;
}

}  // namespace

Status AddedTokens::read_list(const io::Json& json) {
  if (json.is_null()) return {};
  RERANK_ASSIGN(const simdjson::dom::array list, json.array());
  std::size_t index = 0;
  for (const simdjson::dom::element element : list) {
    const io::Json item = json.item(element, index++);
    if (index > kMaxAddedTokens)
      return json.error(Error::Code::kUnsupported, fmt::format("has more than {} tokens", kMaxAddedTokens));
    AddedToken token;
    RERANK_ASSIGN(const io::Json id, item.get("id"));
    RERANK_ASSIGN(const std::int64_t id_value, id.integer());
    RERANK_ASSIGN(const io::Json content, item.get("content"));
    RERANK_ASSIGN(const std::string_view content_value, content.string());
    if (content_value.empty()) return content.error(Error::Code::kCorrupt, "is empty");
    token.content = content_value;
    if (id_value < 0 || id_value > 0x7FFFFFFF)
      return id.error(Error::Code::kCorrupt, fmt::format("the id {} is out of range", id_value));
    token.id = static_cast<std::int32_t>(id_value);
    RERANK_ASSIGN(token.special, item.boolean_or("special", false));
    RERANK_ASSIGN(token.single_word, item.boolean_or("single_word", false));
    RERANK_ASSIGN(token.lstrip, item.boolean_or("lstrip", false));
    RERANK_ASSIGN(token.rstrip, item.boolean_or("rstrip", false));
    RERANK_ASSIGN(token.normalized, item.boolean_or("normalized", !token.special));
    tokens_.push_back(std::move(token));
  }
  tokens_.shrink_to_fit();
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (!by_id_.emplace(tokens_[i].id, i).second)
      return json.error(Error::Code::kCorrupt,
                        fmt::format("two tokens have the id {}: \"{}\" and \"{}\"", tokens_[i].id,
                                    by_id(tokens_[i].id)->content, tokens_[i].content));
    if (!by_content_.emplace(tokens_[i].content, i).second)
      return json.error(Error::Code::kCorrupt, fmt::format("\"{}\" occurs twice", tokens_[i].content));
  }
  return {};
}

Status AddedTokens::check_id(const io::Json& json, const AddedToken& token, std::int32_t expected) const {
  if (token.id == expected) return {};
  return json.error(
      Error::Code::kCorrupt,
      fmt::format("\"{}\" has the id {}, but by the vocabulary it is {}", token.content, token.id, expected),
      "the tokenizers library would use the latter; save the tokenizer again so that the two agree");
}

Status AddedTokens::build(const std::vector<Normalizer>& normalizers) {
  std::vector<Trie::Entry> original, normalized;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const auto value = static_cast<std::int32_t>(i);
    if (!tokens_[i].normalized) {
      tokens_[i].decoded = tokens_[i].content;
      original.push_back({tokens_[i].content, value});
      original_.starts[static_cast<unsigned char>(tokens_[i].content[0])] = original_.any = true;
      continue;
    }
    Text text, scratch;
    text.bytes = tokens_[i].content;
    RERANK_TRY(normalize(normalizers, 0, text, scratch));
    tokens_[i].decoded = std::move(text.bytes);
    const std::string& form = tokens_[i].decoded;
    if (form.empty()) continue;
    normalized.push_back({form, value});
    normalized_.starts[static_cast<unsigned char>(form[0])] = normalized_.any = true;
  }
  // Where two tokens normalize to the same text the library finds the first, and control tokens come before others.
  const auto build_trie = [&](std::vector<Trie::Entry> entries) {
    std::vector<Trie::Entry> ordered;
    for (const bool special : {false, true})
      for (std::size_t i = entries.size(); i-- > 0;)
        if (tokens_[static_cast<std::size_t>(entries[i].value)].special == special) ordered.push_back(entries[i]);
    return Trie::build(std::move(ordered));  // the last of equal keys wins
  };
  original_.trie = build_trie(std::move(original));
  normalized_.trie = build_trie(std::move(normalized));
  return {};
}

const AddedToken* AddedTokens::by_id(std::int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

const AddedToken* AddedTokens::by_content(std::string_view content) const {
  const auto found = by_content_.find(content);
  return found == by_content_.end() ? nullptr : &tokens_[found->second];
}

void AddedTokens::cut_original(std::string_view text, bool skip_special, std::vector<Piece>& out) const {
  cut(original_, text, skip_special, out);
}
void AddedTokens::cut_normalized(std::string_view text, bool skip_special, std::vector<Piece>& out) const {
  cut(normalized_, text, skip_special, out);
}

// At each place the longest token counts. One that is passed over (not a single word) still uses up its bytes.
void AddedTokens::cut(const Finder& finder, std::string_view text, bool skip_special, std::vector<Piece>& out) const {
  std::size_t done = 0, at = 0;
  const auto push = [&](std::size_t begin, std::size_t end, std::int32_t id) {
    out.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end), id});
  };
  while (finder.any) {
    while (at < text.size() && !finder.starts[static_cast<unsigned char>(text[at])]) ++at;
    if (at >= text.size()) break;
    const Trie::Match match = finder.trie.longest_prefix(text.substr(at));
    if (match.length == 0) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + match.length;
    at = end;
    const AddedToken& token = tokens_[static_cast<std::size_t>(match.value)];
    if (skip_special && token.special) continue;
    if (token.single_word && (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) continue;
    if (token.lstrip) begin = std::max(begin - spaces_at_end(text.substr(0, begin)), done);
    if (token.rstrip) end += spaces_at_start(text.substr(end));
    if (done < begin) push(done, begin, -1);
    push(begin, end, token.id);
    done = end;
  }
  if (done < text.size()) push(done, text.size(), -1);
}

}  // namespace rerank::tokenizer
