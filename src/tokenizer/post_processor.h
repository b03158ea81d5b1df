// Stage 4: the post-processor, which joins one text or a pair with its special tokens.
//
// TemplateProcessing, BertProcessing and RobertaProcessing are all templates; ByteLevel and RobertaProcessing also trim
// offsets. So a post-processor, and any Sequence of them, is two templates and a list of trims.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "tokenizer/text.h"

namespace rerank::tokenizer {

struct TemplatePart {
  enum class Kind { kFirst, kSecond, kSpecial };
  Kind kind = Kind::kFirst;
  std::int32_t type_id = 0;
  std::vector<std::int32_t> ids;  // of a special part
};

struct OffsetTrim {
  bool add_prefix_space = true;
};

class PostProcessor {
 public:
  // Reads "post_processor"; null gives the templates "A" and "A B".
  static Result<PostProcessor> read(const io::Json& json);

  const std::vector<TemplatePart>& for_single() const { return single_; }
  const std::vector<TemplatePart>& for_pair() const { return pair_; }
  std::size_t special_tokens_of_single() const { return count_special(single_); }
  std::size_t special_tokens_of_pair() const { return count_special(pair_); }
  // The highest id that a template inserts, or -1.
  std::int32_t highest_id() const;

  // Leaves white space at both ends of a token out of its offset in `text`. `index` counts the tokens of the text, and
  // the token begins and ends with `leading` and `trailing` space characters. Counts characters, as the Python package
  // does. Source: process_offsets() in pre_tokenizers/byte_level.rs.
  ByteRange trim(std::string_view text, ByteRange offset, std::size_t index, std::size_t leading,
                 std::size_t trailing) const;
  bool trims() const { return !trims_.empty(); }

 private:
  static std::size_t count_special(const std::vector<TemplatePart>& parts);
  Status read_one(const io::Json& json, std::size_t& components);
  Status set_templates(const io::Json& json, std::vector<TemplatePart> single, std::vector<TemplatePart> pair);

  std::vector<TemplatePart> single_ = {{TemplatePart::Kind::kFirst, 0, {}}};
  std::vector<TemplatePart> pair_ = {{TemplatePart::Kind::kFirst, 0, {}}, {TemplatePart::Kind::kSecond, 1, {}}};
  bool has_templates_ = false;
  std::vector<OffsetTrim> trims_;
};

}  // namespace rerank::tokenizer
