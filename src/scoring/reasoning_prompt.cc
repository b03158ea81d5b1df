#include "scoring/reasoning_prompt.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "base/utf8.h"
#include "scoring/lengths.h"

namespace rerank::scoring {
namespace {

constexpr std::string_view kBeforeQuery =
    "Determine if the following passage is relevant to the query. Answer only with 'true' or 'false'.\nQuery: ";
constexpr std::string_view kBeforePassage = "\nPassage: ";
constexpr std::string_view kAfterPassage = "\n<think>";
constexpr std::string_view kEndOfThinking = "\n</think>";
constexpr std::string_view kQueryPlace = "FILL_QUERY_HERE";
// max_model_len and max_tokens of the card.
constexpr int kContext = 16000, kNewTokens = 8192;

Status check_utf8(std::string_view text, const char* where) {
  const std::size_t bad = first_invalid_utf8(text);
  if (bad == std::string_view::npos) return {};
  return Error{Error::Code::kBadInput, fmt::format("is not valid UTF-8 at byte {}", bad), where, ""};
}

// What Python's str.strip() takes away.
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// The largest offset up to `offset` that does not split a character.
std::size_t character_border(std::string_view text, std::size_t offset) {
  while (offset > 0 && offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80) --offset;
  return offset;
}

}  // namespace

std::string with_second_thoughts(std::string_view reasoning) {
  return std::string(reasoning.substr(0, reasoning.find("</think>"))) + "\nWait";
}

std::string_view whole_sentences(std::string_view reasoning) {
  if (const std::size_t last = reasoning.find_last_of(".!?"); last != std::string_view::npos)
    reasoning = reasoning.substr(0, last + 1);
  std::size_t begin = reasoning.size(), end = 0;
  for (std::size_t at = 0; at < reasoning.size();) {
    const CodePoint character = decode_utf8(reasoning, at);
    if (!is_python_space(character.value)) {
      begin = std::min(begin, at);
      end = at + character.length;
    }
    at += character.length;
  }
  return begin < end ? reasoning.substr(begin, end - begin) : std::string_view();
}

Result<ReasoningPrompts> ReasoningPrompts::make(const tokenizer::Tokenizer& tokenizer, const ScoreOptions& options,
                                                int max_positions) {
  RERANK_TRY(check_lengths(options));
  const int context = options.max_length == 0 ? std::min(kContext, max_positions) : options.max_length;
  RERANK_TRY(check_positions(context, context, max_positions));
  for (const auto& [name, value] :
       {std::pair("--max-new-tokens", options.max_new_tokens.value_or(0)),
        std::pair("--think-budget", options.think_budget), std::pair("--rethink", options.rethink)})
    if (value < 0) return Error{Error::Code::kBadInput, "is negative", name, "give a number from 0"};
  const int share = static_cast<int>(static_cast<long long>(context) * kNewTokens / kContext);
  int new_tokens = options.max_new_tokens.value_or(std::min(kNewTokens, share));

  RERANK_ASSIGN(auto instructions, InstructionFormats::make(options));
  ReasoningPrompts prompts(tokenizer, std::move(instructions));
  if (options.think_budget > 0 && options.think_budget <= new_tokens) {
    new_tokens = options.think_budget;
    prompts.budget_ends_it_ = true;
  }
  if (new_tokens >= context)
    return Error{Error::Code::kBadInput,
                 fmt::format("{} new tokens leave no room for a prompt in a context of {}", new_tokens, context),
                 "--max-new-tokens",
                 fmt::format("use a smaller one, or a larger --max-length; the model has {} positions", max_positions)};
  prompts.around_query_ = options.prompt.value_or(std::string(kQueryPlace));
  RERANK_TRY(check_utf8(prompts.around_query_, "--prompt"));
  if (prompts.around_query_.find(kQueryPlace) == std::string::npos)
    return Error{Error::Code::kBadInput, fmt::format("has no place for the query: {}", kQueryPlace), "--prompt",
                 fmt::format("write {} where the query belongs", kQueryPlace)};
  prompts.max_new_tokens_ = static_cast<std::size_t>(new_tokens);
  prompts.query_max_length_ = static_cast<std::size_t>(options.query_max_length);
  prompts.max_positions_ = static_cast<std::size_t>(max_positions);
  prompts.encode_options_.add_special_tokens = false;
  prompts.encode_options_.special_tokens_in_text = options.special_tokens_in_text;
  RERANK_ASSIGN(const std::size_t forced, prompts.count_forced());
  prompts.max_prompt_ = std::min(static_cast<std::size_t>(context - new_tokens),
                                 prompts.max_positions_ - std::min(forced, prompts.max_positions_));
  return prompts;
}

// The query in its instruction, then in the prompt of its data set.
Result<std::string> ReasoningPrompts::write_query(std::string_view query, std::uint32_t& cut_tokens) const {
  std::string text = instructions_.query.apply(query);
  if (query_max_length_ > 0) {
    RERANK_ASSIGN(const auto tokens, tokenizer_->encode(text, encode_options_));
    if (tokens.ids.size() > query_max_length_) {
      cut_tokens = static_cast<std::uint32_t>(tokens.ids.size() - query_max_length_);
      text.resize(character_border(text, tokens.offsets[query_max_length_ - 1].end));
    }
  }
  std::string written;
  std::size_t at = 0;
  for (std::size_t place; (place = around_query_.find(kQueryPlace, at)) != std::string::npos;
       at = place + kQueryPlace.size()) {
    written.append(around_query_, at, place - at);
    written += text;
  }
  written.append(around_query_, at);
  return written;
}

Result<std::vector<std::int32_t>> ReasoningPrompts::tokenize(std::string_view text) const {
  RERANK_ASSIGN(const auto ids, tokenizer_->encode_ids(text, encode_options_));
  return tokenizer_->join(ids, std::nullopt).ids;
}

// What a forced verdict without any reasoning has beyond its prompt.
Result<std::size_t> ReasoningPrompts::count_forced() const {
  RERANK_ASSIGN(const auto before, tokenize(kAfterPassage));
  RERANK_ASSIGN(const auto ids, tokenize(fmt::format("{}\n{}", kAfterPassage, kEndOfThinking)));
  return ids.size() - std::min(ids.size(), before.size());
}

Result<ReasoningPrompt> ReasoningPrompts::encode(std::string_view query, std::string_view passage) const {
  RERANK_TRY(check_utf8(query, "query"));
  RERANK_TRY(check_utf8(passage, "passage"));
  ReasoningPrompt prompt;
  RERANK_ASSIGN(const std::string written_query, write_query(query, prompt.cut_tokens));
  const std::string written_passage = instructions_.passage.apply(passage);
  prompt.text = fmt::format("{}{}{}", kBeforeQuery, written_query, kBeforePassage);
  const std::size_t begin = prompt.text.size();
  prompt.text += written_passage;
  prompt.text += kAfterPassage;
  RERANK_ASSIGN(prompt.ids, tokenize(prompt.text));
  if (prompt.ids.size() > max_prompt_) RERANK_TRY(cut_passage(begin, begin + written_passage.size(), prompt));
  return prompt;
}

// The text is cut and tokenized anew until it fits: what stays may have other tokens at its new end.
Status ReasoningPrompts::cut_passage(std::size_t begin, std::size_t end, ReasoningPrompt& prompt) const {
  const std::size_t whole = prompt.ids.size();
  while (prompt.ids.size() > max_prompt_) {
    if (begin == end)
      return Error{
          Error::Code::kBadInput,
          fmt::format("the query leaves no room for the passage: without any passage the prompt has {} tokens, "
                      "{} are allowed",
                      prompt.ids.size(), max_prompt_),
          "query", "use fewer --max-new-tokens or a larger --max-length, or cut the query with --query-max-length"};
    RERANK_ASSIGN(const auto tokens, tokenizer_->encode(prompt.text, encode_options_));
    std::size_t last = tokens.ids.size();
    while (last > 0 && tokens.offsets[last - 1].end > end) --last;
    const std::size_t excess = prompt.ids.size() - max_prompt_;
    std::size_t kept = last > excess ? last - excess : 0;
    // Several tokens may end with the same character.
    while (kept > 0 && tokens.offsets[kept - 1].end >= end) --kept;
    const std::size_t new_end =
        kept > 0 ? std::max(begin, character_border(prompt.text, tokens.offsets[kept - 1].end)) : begin;
    prompt.text.erase(new_end, end - new_end);
    end = new_end;
    RERANK_ASSIGN(prompt.ids, tokenize(prompt.text));
  }
  prompt.cut_tokens += static_cast<std::uint32_t>(whole - prompt.ids.size());
  return {};
}

Result<std::vector<std::int32_t>> ReasoningPrompts::encode_forced(const ReasoningPrompt& prompt,
                                                                  std::string_view reasoning) const {
  std::string_view kept = whole_sentences(reasoning);
  while (true) {
    RERANK_ASSIGN(auto ids, tokenize(fmt::format("{}\n{}{}", prompt.text, kept, kEndOfThinking)));
    if (ids.size() <= max_positions_) return ids;
    if (kept.empty())
      return Error{Error::Code::kBadInput,
                   fmt::format("the prompt leaves no room for a verdict in the model's {} positions", max_positions_),
                   "query", "use more --max-new-tokens, or a smaller --max-length"};
    // A token has one byte at least, so this never takes away more than needed but for the rest of the sentence.
    const std::size_t excess = std::min(ids.size() - max_positions_, kept.size());
    kept = whole_sentences(kept.substr(0, character_border(kept, kept.size() - excess)));
  }
}

Result<std::optional<std::vector<std::int32_t>>> ReasoningPrompts::encode_rethink(const ReasoningPrompt& prompt,
                                                                                  std::string_view reasoning) const {
  RERANK_ASSIGN(auto ids, tokenize(prompt.text + std::string(reasoning)));
  if (room_behind(prompt, ids) == 0) return std::optional<std::vector<std::int32_t>>();
  return std::optional(std::move(ids));
}

}  // namespace rerank::scoring
