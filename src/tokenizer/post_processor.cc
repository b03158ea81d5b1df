#include "tokenizer/post_processor.h"

#include <algorithm>

#include "tokenizer/component.h"

namespace rerank::tokenizer {
namespace {

using Kind = TemplatePart::Kind;

constexpr std::string_view kKnown = "BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing";

Result<std::int32_t> read_id(const io::Json& json) {
  RERANK_ASSIGN(const std::int64_t id, json.integer());
  if (id < 0 || id > 0x7FFFFFFF) return json.error(Error::Code::kCorrupt, fmt::format("the id {} is out of range", id));
  return static_cast<std::int32_t>(id);
}

// ["[SEP]", 102]
Result<std::int32_t> read_named_id(const io::Json& json, std::string_view key) {
  RERANK_ASSIGN(const io::Json pair, json.get(key));
  RERANK_ASSIGN(const simdjson::dom::array elements, pair.array());
  if (elements.size() != 2) return pair.expected("a pair [token, id]");
  return read_id(pair.item(elements.at(1).value_unsafe(), 1));
}

Result<std::vector<TemplatePart>> read_template(const io::Json& json, std::string_view key) {
  RERANK_ASSIGN(const io::Json list, json.get(key));
  RERANK_ASSIGN(const simdjson::dom::array elements, list.array());
  const auto special_tokens = json.find("special_tokens");
  std::vector<TemplatePart> parts;
  std::size_t index = 0;
  for (const simdjson::dom::element element : elements) {
    const io::Json item = list.item(element, index++);
    if (index > kMaxComponents)
      return list.error(Error::Code::kUnsupported, fmt::format("has more than {} parts", kMaxComponents));
    TemplatePart part;
    const auto sequence = item.find("Sequence"), special = item.find("SpecialToken");
    if (!sequence && !special) return item.expected("an object with \"Sequence\" or \"SpecialToken\"");
    const io::Json& inner = sequence ? *sequence : *special;
    RERANK_ASSIGN(const io::Json name_json, inner.get("id"));
    RERANK_ASSIGN(const std::string_view name, name_json.string());
    RERANK_ASSIGN(const std::int64_t type_id, inner.integer_or("type_id", 0));
    part.type_id = static_cast<std::int32_t>(type_id);
    if (sequence) {
      if (name != "A" && name != "B")
        return name_json.error(Error::Code::kCorrupt, fmt::format("the sequence \"{}\" is neither A nor B", name));
      if (name == "B" && key == "single")
        return name_json.error(Error::Code::kCorrupt, "the template of a single text uses the second one, B");
      part.kind = name == "A" ? Kind::kFirst : Kind::kSecond;
    } else {
      part.kind = Kind::kSpecial;
      const auto entry = special_tokens ? special_tokens->find(name) : std::nullopt;
      if (!entry)
        return name_json.error(
            Error::Code::kCorrupt,
            fmt::format("the special token \"{}\" is not among the template's special_tokens", name));
      RERANK_ASSIGN(const io::Json ids, entry->get("ids"));
      RERANK_ASSIGN(const simdjson::dom::array id_list, ids.array());
      std::size_t id_index = 0;
      for (const simdjson::dom::element id : id_list) {
        RERANK_ASSIGN(const std::int32_t value, read_id(ids.item(id, id_index++)));
        part.ids.push_back(value);
      }
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace

Result<PostProcessor> PostProcessor::read(const io::Json& json) {
  PostProcessor processor;
  std::size_t components = 0;
  if (!json.is_null()) RERANK_TRY(processor.read_one(json, components));
  return processor;
}

Status PostProcessor::read_one(const io::Json& json, std::size_t& components) {
  if (++components > kMaxComponents)
    return json.error(Error::Code::kUnsupported, fmt::format("is one of more than {} components", kMaxComponents));
  RERANK_ASSIGN(const std::string_view type, component_type(json));
  if (type == "Sequence") {
    RERANK_ASSIGN(const io::Json list, json.get("processors"));
    RERANK_ASSIGN(const simdjson::dom::array elements, list.array());
    std::size_t index = 0;
    for (const simdjson::dom::element element : elements) RERANK_TRY(read_one(list.item(element, index++), components));
    return {};
  }
  if (type == "ByteLevel") {
    RERANK_ASSIGN(const bool add_prefix_space, json.boolean_or("add_prefix_space", true));
    RERANK_ASSIGN(const bool trim_offsets, json.boolean_or("trim_offsets", true));
    if (trim_offsets) trims_.push_back({add_prefix_space});
    return {};
  }
  if (type == "TemplateProcessing") {
    RERANK_ASSIGN(std::vector<TemplatePart> single, read_template(json, "single"));
    RERANK_ASSIGN(std::vector<TemplatePart> pair, read_template(json, "pair"));
    return set_templates(json, std::move(single), std::move(pair));
  }
  if (type != "BertProcessing" && type != "RobertaProcessing")
    return unknown_type(json, "post-processor", type, kKnown);

  RERANK_ASSIGN(const std::int32_t cls, read_named_id(json, "cls"));
  RERANK_ASSIGN(const std::int32_t sep, read_named_id(json, "sep"));
  const bool roberta = type == "RobertaProcessing";
  const std::int32_t second_type = roberta ? 0 : 1;
  const TemplatePart begin{Kind::kSpecial, 0, {cls}}, end{Kind::kSpecial, 0, {sep}};
  const TemplatePart first{Kind::kFirst, 0, {}}, second{Kind::kSecond, second_type, {}};
  std::vector<TemplatePart> pair = {begin, first, end};
  if (roberta) pair.push_back(end);
  pair.push_back(second);
  pair.push_back({Kind::kSpecial, second_type, {sep}});
  if (roberta) {
    RERANK_ASSIGN(const bool add_prefix_space, json.boolean_or("add_prefix_space", true));
    RERANK_ASSIGN(const bool trim_offsets, json.boolean_or("trim_offsets", true));
    if (trim_offsets) trims_.push_back({add_prefix_space});
  }
  return set_templates(json, {begin, first, end}, std::move(pair));
}

Status PostProcessor::set_templates(const io::Json& json, std::vector<TemplatePart> single,
                                    std::vector<TemplatePart> pair) {
  if (has_templates_)
    return json.error(Error::Code::kUnsupported, "is the second post-processor of a Sequence that adds tokens",
                      "the tokenizers library itself can run only one");
  const auto has_second = [](const TemplatePart& part) { return part.kind == Kind::kSecond; };
  if (std::none_of(pair.begin(), pair.end(), has_second))
    return json.error(Error::Code::kCorrupt, "the template of a pair does not use the second text, B");
  has_templates_ = true;
  single_ = std::move(single);
  pair_ = std::move(pair);
  return {};
}

std::size_t PostProcessor::count_special(const std::vector<TemplatePart>& parts) {
  std::size_t count = 0;
  for (const TemplatePart& part : parts) count += part.ids.size();
  return count;
}

std::int32_t PostProcessor::highest_id() const {
  std::int32_t highest = -1;
  for (const auto* parts : {&single_, &pair_})
    for (const TemplatePart& part : *parts)
      for (const std::int32_t id : part.ids) highest = std::max(highest, id);
  return highest;
}

ByteRange PostProcessor::trim(std::string_view text, ByteRange offset, std::size_t index, std::size_t leading,
                              std::size_t trailing) const {
  const auto continues = [&](std::uint32_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; };
  for (const OffsetTrim& rule : trims_) {
    // One space in front of the first token may be the one that was put there.
    const bool is_first = index == 0 || offset.begin == 0;
    std::size_t skip = is_first && rule.add_prefix_space && leading == 1 ? 0 : leading;
    for (; skip > 0 && offset.begin < offset.end; --skip) {
      ++offset.begin;
      while (offset.begin < offset.end && continues(offset.begin)) ++offset.begin;
    }
    for (std::size_t drop = trailing; drop > 0 && offset.end > offset.begin; --drop) {
      --offset.end;
      while (offset.end > offset.begin && continues(offset.end)) --offset.end;
    }
  }
  return offset;
}

}  // namespace rerank::tokenizer
