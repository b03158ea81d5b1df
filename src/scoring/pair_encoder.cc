#include "scoring/pair_encoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace rerank::scoring {
namespace {

constexpr int kDefaultMaxLength = 512;  // FlagEmbedding's

std::string with_newlines(std::string_view format) {
  std::string text;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const bool newline = format.substr(i, 2) == "\\n";
    text += newline ? '\n' : format[i];
    i += newline ? 1 : 0;
  }
  return text;
}

}  // namespace

Result<InstructionFormat> InstructionFormat::make(std::string_view instruction, std::string_view format,
                                                  std::string_view option) {
  const std::string text = with_newlines(format);
  const std::size_t first = text.find("{}");
  const std::size_t second = first == std::string::npos ? first : text.find("{}", first + 2);
  std::size_t braces = 0;
  for (const char c : text) braces += c == '{' || c == '}';
  if (second == std::string::npos || braces != 4)
    return Error{Error::Code::kBadInput, fmt::format("\"{}\" is no instruction format", format), std::string(option),
                 "it needs {} twice, for the instruction and for the text, and no other braces"};
  InstructionFormat made;
  made.active_ = !instruction.empty();
  made.before_ = text.substr(0, first) + std::string(instruction) + text.substr(first + 2, second - first - 2);
  made.after_ = text.substr(second + 2);
  return made;
}

std::string InstructionFormat::apply(std::string_view text) const {
  if (!active_) return std::string(text);
  return before_ + std::string(text) + after_;
}

Result<PairEncoder> PairEncoder::make(const tokenizer::Tokenizer& tokenizer, const ScoreOptions& options,
                                      int max_positions) {
  const auto special = static_cast<int>(tokenizer.special_tokens_of_pair());
  const int max_length = options.max_length == 0 ? std::min(kDefaultMaxLength, max_positions) : options.max_length;
  if (max_length <= special)
    return Error{Error::Code::kBadInput,
                 fmt::format("{} tokens leave no room beside the {} special tokens of a pair", max_length, special),
                 "--max-length", "the default is 512"};
  if (max_length > max_positions)
    return Error{Error::Code::kBadInput,
                 fmt::format("{} tokens are more than the model's {} positions", max_length, max_positions),
                 "--max-length", fmt::format("use {} or less", max_positions)};
  if (options.query_max_length < 0)
    return Error{Error::Code::kBadInput, fmt::format("{} is no number of tokens", options.query_max_length),
                 "--query-max-length", "leave it out for three quarters of the maximum length"};
  RERANK_ASSIGN(auto query, InstructionFormat::make(options.query_instruction, options.query_instruction_format,
                                                    "--query-instruction-format"));
  RERANK_ASSIGN(auto passage, InstructionFormat::make(options.passage_instruction, options.passage_instruction_format,
                                                      "--passage-instruction-format"));
  const int query_max_length = options.query_max_length > 0 ? options.query_max_length : max_length * 3 / 4;
  const PairLimits limits{static_cast<std::size_t>(max_length), static_cast<std::size_t>(query_max_length),
                          static_cast<std::size_t>(special)};
  return PairEncoder(tokenizer, limits, options, std::move(query), std::move(passage));
}

Result<std::vector<std::int32_t>> PairEncoder::encode_query(std::string_view query) const {
  auto ids = tokenizer_->encode_ids(query_format_.apply(query), encode_options_);
  if (!ids.ok()) ids.error().where = "query";
  return ids;
}

Result<EncodedPair> PairEncoder::encode(const std::vector<std::int32_t>& query_ids, std::string_view passage) const {
  auto passage_ids = tokenizer_->encode_ids(passage_format_.apply(passage), encode_options_);
  if (!passage_ids.ok()) {
    passage_ids.error().where = "passage";
    return std::move(passage_ids.error());
  }
  const std::size_t query_size = query_ids.size(), passage_size = passage_ids.value().size();
  const Kept kept = truncation_ == Truncation::kFlagEmbedding
                        ? truncate_flagembedding(query_size, passage_size, limits_)
                        : truncate_longest_first(query_size, passage_size, limits_);
  auto joined =
      tokenizer_->join(std::span(query_ids).first(kept.query), std::span(passage_ids.value()).first(kept.passage));
  EncodedPair pair;
  pair.ids = std::move(joined.ids);
  pair.type_ids = std::move(joined.type_ids);
  pair.cut_tokens = static_cast<std::uint32_t>(query_size + passage_size - kept.query - kept.passage);
  return pair;
}

}  // namespace rerank::scoring
