#include "tokenizer/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace rerank::tokenizer {

namespace {
// Ids beyond this are damage: no model has an embedding table of that height.
constexpr std::int64_t kMaxIds = 1 << 24;
}  // namespace

void Vocabulary::push(std::string_view token) {
  text_ += token;
  ends_.push_back(static_cast<std::uint32_t>(text_.size()));
}

Result<Vocabulary> Vocabulary::read_object(const io::Json& json) {
  RERANK_ASSIGN(const simdjson::dom::object object, json.object());
  // Two passes: the ids say how large the table is and where each entry goes.
  std::size_t count = 0, bytes = 0;
  std::int64_t highest = -1;
  for (const simdjson::dom::key_value_pair field : object) {
    std::int64_t id;
    if (field.value.get(id) != simdjson::SUCCESS) return json.member(field.value, field.key).expected("a token id");
    if (id < 0 || id >= kMaxIds)
      return json.member(field.value, field.key)
          .error(Error::Code::kCorrupt, fmt::format("the token id {} is outside 0..{}", id, kMaxIds - 1));
    highest = std::max(highest, id);
    ++count;
    bytes += field.key.size();
  }
  std::vector<std::string_view> by_id(static_cast<std::size_t>(highest + 1));
  std::vector<bool> taken(by_id.size());
  for (const simdjson::dom::key_value_pair field : object) {
    const auto id = static_cast<std::size_t>(field.value.get_int64().value_unsafe());
    if (taken[id])
      return json.error(Error::Code::kCorrupt,
                        fmt::format("\"{}\" and \"{}\" have the same id {}", by_id[id], field.key, id));
    taken[id] = true;
    by_id[id] = field.key;
  }
  Vocabulary vocabulary;
  vocabulary.text_.reserve(bytes);
  vocabulary.ends_.reserve(by_id.size());
  for (std::size_t id = 0; id < by_id.size(); ++id) {
    if (!taken[id])
      return json.error(Error::Code::kCorrupt,
                        fmt::format("has {} entries and ids up to {}, but none has id {}", count, highest, id));
    vocabulary.push(by_id[id]);
  }
  return vocabulary;
}

}  // namespace rerank::tokenizer
