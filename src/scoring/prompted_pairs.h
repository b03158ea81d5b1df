// Pairs of the LLM rerankers by BAAI: [BOS] query, separator, passage, separator, prompt. One separator is a newline,
// and each piece is tokenized on its own.
// Source: FlagEmbedding's inference/reranker/decoder_only/{base,layerwise,lightweight}.py; get_inputs in the model
// cards.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "io/checkpoint.h"
#include "scoring/method.h"
#include "scoring/pair_encoder.h"

namespace rerank::scoring {

// What a checkpoint and its method fix.
struct PromptedPairs {
  std::optional<std::int32_t> bos;  // the token before the query, if there is one
  std::string_view default_prompt;  // static
};

// For kYesLogit, kLayerwise and kLightweight. BOS and padding token are those of tokenizer_config.json; where it does
// not speak of them (or is not there), config.json's ids. kYesLogit leaves out a BOS that is the padding token too; the
// others need one: kNotFound.
Result<PromptedPairs> read_prompted_pairs(const io::Checkpoint& checkpoint, const tokenizer::Tokenizer& tokenizer,
                                          Method method);

// Truncation::kFlagEmbedding: the query is cut to query_max_length and the passage to max_length, then separator and
// passage until the pair fits max_length + separator + prompt; separator and prompt are added after that.
// Truncation::kCard: the same, but it is cut to max_length, and that is 1024 by default.
// Where that would leave nothing of separator and passage, nothing more is cut, and the pair is longer.
//
// kBadInput for negative lengths, and when a pair could be longer than `max_positions`.
Result<PairEncoderPtr> make_prompted_pairs(const tokenizer::Tokenizer& tokenizer, const PromptedPairs& format,
                                           const ScoreOptions& options, int max_positions);

}  // namespace rerank::scoring
