#include "scoring/end_of_text.h"

#include <fmt/format.h>

#include "base/try.h"

namespace rerank::scoring {
namespace {

constexpr const char* kKey = "eos_token_id";

Status add_id(const io::Json& value, std::size_t vocabulary, std::vector<std::int32_t>& ids) {
  RERANK_ASSIGN(const std::int64_t id, value.integer());
  if (id < 0 || static_cast<std::uint64_t>(id) >= vocabulary)
    return value.error(Error::Code::kCorrupt, fmt::format("is {}, which is no token of this model", id));
  ids.push_back(static_cast<std::int32_t>(id));
  return {};
}

Result<std::vector<std::int32_t>> read_ids(const io::Json& config, std::size_t vocabulary) {
  std::vector<std::int32_t> ids;
  const auto value = config.find(kKey);
  if (!value) return ids;
  if (!value->is_array()) {
    RERANK_TRY(add_id(*value, vocabulary, ids));
    return ids;
  }
  std::size_t index = 0;
  RERANK_ASSIGN(const auto list, value->array());
  for (const auto element : list) RERANK_TRY(add_id(value->item(element, index++), vocabulary, ids));
  return ids;
}

}  // namespace

Result<std::vector<std::int32_t>> read_end_of_text(const io::Checkpoint& checkpoint, std::size_t vocabulary) {
  if (const auto text = checkpoint.generation_config_json()) {
    RERANK_ASSIGN(const auto document, io::JsonDocument::parse(*text, checkpoint.name() + "/generation_config.json"));
    if (document.root().get(kKey).ok()) return read_ids(document.root(), vocabulary);
  }
  return read_ids(checkpoint.config(), vocabulary);
}

}  // namespace rerank::scoring
