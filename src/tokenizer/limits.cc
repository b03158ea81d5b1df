#include "tokenizer/limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace rerank::tokenizer {
namespace {

Result<Side> read_side(const io::Json& json) {
  RERANK_ASSIGN(const std::string name, json.string_or("direction", "Right"));
  if (name == "Right") return Side::kRight;
  if (name == "Left") return Side::kLeft;
  return json.error(Error::Code::kUnsupported, fmt::format("the direction \"{}\" is not supported", name),
                    "supported: Left, Right");
}

Result<std::size_t> read_count(const io::Json& json) {
  RERANK_ASSIGN(const std::int64_t value, json.integer());
  if (value < 0 || value > 0x7FFFFFFF)
    return json.error(Error::Code::kCorrupt, fmt::format("is {}, expected 0..2147483647", value));
  return static_cast<std::size_t>(value);
}

}  // namespace

Result<std::optional<Truncation>> Truncation::read(const io::Json& root) {
  const auto json = root.find("truncation");
  if (!json) return std::optional<Truncation>();
  Truncation truncation;
  RERANK_ASSIGN(const io::Json max_length, json->get("max_length"));
  RERANK_ASSIGN(truncation.max_length, read_count(max_length));
  RERANK_ASSIGN(truncation.direction, read_side(*json));
  RERANK_ASSIGN(const std::string name, json->string_or("strategy", "LongestFirst"));
  if (name == "LongestFirst") {
    truncation.strategy = Strategy::kLongestFirst;
  } else if (name == "OnlyFirst") {
    truncation.strategy = Strategy::kOnlyFirst;
  } else if (name == "OnlySecond") {
    truncation.strategy = Strategy::kOnlySecond;
  } else {
    return json->error(Error::Code::kUnsupported, fmt::format("the truncation strategy \"{}\" is not supported", name),
                       "supported: LongestFirst, OnlyFirst, OnlySecond");
  }
  return std::optional<Truncation>(truncation);
}

Result<Kept> plan_truncation(const Truncation& truncation, std::size_t first, std::optional<std::size_t> second,
                             std::size_t special) {
  const auto refuse = [](std::string what) { return Error{Error::Code::kBadInput, std::move(what), "truncation", ""}; };
  if (special > truncation.max_length)
    return refuse(fmt::format("max_length is {}, but the special tokens alone are {}", truncation.max_length, special));
  const std::size_t room = truncation.max_length - special;
  const Kept all{first, second.value_or(0)};
  if (room == 0) return Kept{0, 0};
  if (all.first + all.second <= room) return all;
  const std::size_t excess = all.first + all.second - room;
  if (truncation.strategy == Truncation::Strategy::kLongestFirst) {
    if (!second) return Kept{room, 0};
    std::size_t shorter = std::min(all.first, all.second);
    std::size_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
    if (shorter + longer > room) {
      shorter = room / 2;
      longer = shorter + room % 2;
    }
    return all.first > all.second ? Kept{longer, shorter} : Kept{shorter, longer};
  }
  const bool only_first = truncation.strategy == Truncation::Strategy::kOnlyFirst;
  if (!only_first && !second) return refuse("the strategy OnlySecond needs a second text");
  const std::size_t target = only_first ? all.first : all.second;
  if (target <= excess)
    return refuse(fmt::format("{} tokens must go, but the text to cut has only {}", excess, target));
  return only_first ? Kept{target - excess, all.second} : Kept{all.first, target - excess};
}

Result<std::optional<Padding>> Padding::read(const io::Json& root) {
  const auto json = root.find("padding");
  if (!json) return std::optional<Padding>();
  Padding padding;
  RERANK_ASSIGN(const io::Json strategy, json->get("strategy"));
  if (const auto fixed = strategy.find("Fixed")) {
    RERANK_ASSIGN(padding.fixed, read_count(*fixed));
  } else {
    RERANK_ASSIGN(const std::string_view name, strategy.string());
    if (name != "BatchLongest")
      return strategy.error(Error::Code::kUnsupported,
                            fmt::format("the padding strategy \"{}\" is not supported", name),
                            "supported: BatchLongest, {\"Fixed\": n}");
  }
  if (const auto multiple = json->find("pad_to_multiple_of")) {
    RERANK_ASSIGN(padding.multiple, read_count(*multiple));
  }
  RERANK_ASSIGN(padding.direction, read_side(*json));
  RERANK_ASSIGN(const std::int64_t id, json->integer_or("pad_id", 0));
  RERANK_ASSIGN(const std::int64_t type_id, json->integer_or("pad_type_id", 0));
  padding.id = static_cast<std::int32_t>(id);
  padding.type_id = static_cast<std::int32_t>(type_id);
  return std::optional<Padding>(padding);
}

std::size_t Padding::padded_length(std::size_t length) const {
  std::size_t wanted = fixed.value_or(length);
  if (multiple > 0 && wanted % multiple > 0) wanted += multiple - wanted % multiple;
  return std::max(wanted, length);
}

}  // namespace rerank::tokenizer
