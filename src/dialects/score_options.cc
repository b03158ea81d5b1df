#include "dialects/score_options.h"

#include <fmt/format.h>

#include <cmath>

#include "base/try.h"

namespace rerank::dialects {
namespace {

constexpr std::int64_t kMostTokens = 1 << 24;

Error expected(const Body& body, const char* key, const char* what) {
  return body.find(key)->expected(what);
}

Result<std::int64_t> count_of(const Body& body, const char* key) {
  RERANK_ASSIGN(const auto number, body.integer(key, 0, kMostTokens));
  return number.value_or(0);
}

// The first of the keys that is there.
Result<std::int64_t> count_of(const Body& body, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (body.find(key)) return count_of(body, key);
  return 0;
}

// Whether texts may be cut, and which end goes.
Status read_cutting(const Body& body, ScoreSettings& settings) {
  for (const char* key : {"truncate", "truncation"}) {
    const auto value = body.find(key);
    if (!value) continue;
    if (value->is_string()) {
      const std::string_view word = value->string().value();
      if (word == "NONE" || word == "END" || word == "START") {
        settings.fitting.refuse_cut = word == "NONE";
        settings.fitting.keep_end = word == "START";
        continue;
      }
      if (word == "flagembedding" || word == "card") {
        settings.options.truncation = word == "card" ? Truncation::kCard : Truncation::kFlagEmbedding;
        continue;
      }
    }
    RERANK_ASSIGN(const auto allowed, body.flag(key));
    settings.fitting.refuse_cut = !*allowed;
  }
  for (const char* key : {"truncation_direction", "truncation_side"}) {
    RERANK_ASSIGN(const auto side, body.text(key));
    if (!side) continue;
    const bool left = *side == "left" || *side == "Left";
    if (!left && *side != "right" && *side != "Right") return expected(body, key, "left or right");
    settings.fitting.keep_end = left;
  }
  return {};
}

Status read_lengths(const Body& body, ScoreSettings& settings) {
  for (const auto& [key, length] : {std::pair{"max_length", &settings.options.max_length},
                                    std::pair{"query_max_length", &settings.options.query_max_length}}) {
    RERANK_ASSIGN(const auto tokens, body.integer(key, 1, kMostTokens));
    if (tokens) *length = static_cast<int>(*tokens);
  }
  RERANK_ASSIGN(const auto prompt_tokens, body.integer("truncate_prompt_tokens", -1, kMostTokens));
  if (prompt_tokens && *prompt_tokens > 0) settings.options.max_length = static_cast<int>(*prompt_tokens);
  RERANK_ASSIGN(const auto query_tokens, count_of(body, "max_tokens_per_query"));
  RERANK_ASSIGN(const auto passage_tokens, count_of(body, {"max_tokens_per_doc", "max_doc_length"}));
  settings.fitting.max_query_tokens = static_cast<std::size_t>(query_tokens);
  settings.fitting.max_passage_tokens = static_cast<std::size_t>(passage_tokens);
  return {};
}

Status read_chunks(const Body& body, ScoreSettings& settings) {
  ScoreJob::Fitting& fitting = settings.fitting;
  RERANK_ASSIGN(const auto strategy, body.text("long_document_strategy"));
  if (strategy && *strategy != "chunk" && *strategy != "truncate")
    return expected(body, "long_document_strategy", "chunk or truncate");
  RERANK_ASSIGN(const auto chunks, count_of(body, {"max_chunks_per_doc"}));
  RERANK_ASSIGN(const auto tokens, count_of(body, {"chunk_tokens"}));
  RERANK_ASSIGN(const auto overlap, count_of(body, {"chunk_overlap"}));
  fitting.chunk = strategy ? *strategy == "chunk" : chunks > 0 || tokens > 0;
  if (!fitting.chunk) return {};
  fitting.max_chunks = static_cast<std::size_t>(chunks);
  fitting.chunk_tokens = static_cast<std::size_t>(tokens);
  fitting.chunk_overlap = static_cast<std::size_t>(overlap);
  if (tokens > 0 && overlap >= tokens) return expected(body, "chunk_overlap", "fewer than chunk_tokens");
  return {};
}

// What is said before, around and behind the texts.
Status read_wording(const Body& body, ScoreOptions& options) {
  for (const auto& [key, text] :
       {std::pair{"instruction", &options.query_instruction},
        std::pair{"query_instruction", &options.query_instruction},
        std::pair{"passage_instruction", &options.passage_instruction}, std::pair{"prompt", &options.prompt}}) {
    RERANK_ASSIGN(auto given, body.text(key));
    if (given) *text = std::move(given);
  }
  for (const auto& [key, format] : {std::pair{"query_instruction_format", &options.query_instruction_format},
                                    std::pair{"passage_instruction_format", &options.passage_instruction_format}}) {
    RERANK_ASSIGN(auto given, body.text(key));
    if (given) *format = std::move(*given);
  }
  return {};
}

Status read_layers(const Body& body, ScoreOptions& options) {
  RERANK_ASSIGN(auto cutoff, body.integers("cutoff_layers"));
  if (cutoff) options.cutoff_layers = std::move(*cutoff);
  RERANK_ASSIGN(const auto ratio, body.integer("compress_ratio", 1, 8));
  if (ratio) options.compress_ratio = static_cast<int>(*ratio);
  for (const char* key : {"compress_layer", "compress_layers"}) {
    RERANK_ASSIGN(auto layers, body.integers(key));
    if (layers) options.compress_layers = std::move(*layers);
  }
  for (const auto& [key, number] :
       {std::pair{"think_budget", &options.think_budget}, std::pair{"top_logprobs", &options.top_logprobs}}) {
    RERANK_ASSIGN(const auto given, body.integer(key, 0, kMostTokens));
    if (given) *number = static_cast<int>(*given);
  }
  RERANK_ASSIGN(const auto new_tokens, body.integer("max_new_tokens", 0, kMostTokens));
  if (new_tokens) options.max_new_tokens = static_cast<int>(*new_tokens);
  return {};
}

// The switch of each dialect.
Status read_scale(const Body& body, ScoreSettings& settings) {
  RERANK_ASSIGN(const auto raw, body.flag("raw_scores"));
  RERANK_ASSIGN(const auto activation, body.flag("use_activation"));
  RERANK_ASSIGN(const auto normalize, body.flag("normalize"));
  if (raw) settings.is_raw = *raw;
  if (activation) settings.is_raw = !*activation;
  if (normalize) settings.is_raw = !*normalize;
  return {};
}

}  // namespace

Result<std::optional<std::chrono::milliseconds>> read_timeout(const Body& body) {
  constexpr double kMostSeconds = 86400;
  RERANK_ASSIGN(const auto seconds, body.number("timeout"));
  if (!seconds) return std::optional<std::chrono::milliseconds>();
  if (!(*seconds > 0 && *seconds <= kMostSeconds))
    return expected(body, "timeout", "seconds, more than 0 and at most a day");
  return std::optional(std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(*seconds * 1000))));
}

Result<ScoreSettings> read_score_settings(const Body& body, const ScoreOptions& defaults) {
  ScoreSettings settings;
  settings.options = defaults;
  settings.options.normalize = false;
  RERANK_TRY(read_cutting(body, settings));
  RERANK_TRY(read_lengths(body, settings));
  RERANK_TRY(read_chunks(body, settings));
  RERANK_TRY(read_wording(body, settings.options));
  RERANK_TRY(read_layers(body, settings.options));
  RERANK_TRY(read_scale(body, settings));
  RERANK_ASSIGN(const auto reasoning, body.flag("return_reasoning"));
  settings.return_reasoning = reasoning.value_or(false);
  RERANK_ASSIGN(const auto tokens, body.flag("return_tokens"));
  settings.return_tokens = tokens.value_or(false);
  RERANK_ASSIGN(const auto stream, body.flag("stream"));
  settings.stream = stream.value_or(false);
  RERANK_ASSIGN(const auto partial, body.flag("allow_partial"));
  settings.allow_partial = partial.value_or(false);
  RERANK_ASSIGN(settings.timeout, read_timeout(body));
  return settings;
}

}  // namespace rerank::dialects
