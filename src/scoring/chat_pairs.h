// Pairs of the LB reranker: a chat whose user turn holds query and passage, in the checkpoint's own chat template.
// Source: the model card of lightblue/lb-reranker-0.5B-v1.0.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "io/checkpoint.h"
#include "scoring/pair_encoder.h"
#include "tokenizer/chat_template.h"

namespace rerank::scoring {

// A checkpoint's chat template, and the tokens that it may write.
struct ChatFormat {
  tokenizer::ChatTemplate chat_template;
  tokenizer::ChatOptions options;  // add_generation_prompt is set
};

// "chat_template" of tokenizer_config.json, or `chat_template_jinja`, the file beside it, which counts if both are
// there (as in transformers). kNotFound without either, kUnsupported for a template that cannot run here.
Result<ChatFormat> read_chat_format(const io::Checkpoint& checkpoint,
                                    std::optional<std::string_view> chat_template_jinja = {});

// The system message is options.prompt, by default the card's sentence; the user message is
//   <<<Query>>>\nQUERY\n\n<<<Context>>>\nPASSAGE
// The text that the template makes of them is tokenized as a whole, and nothing is added. Without
// special_tokens_in_text the control tokens of the template stay what they are, and the user message is plain text.
//
// A pair that is longer than max_length (0: max_positions) loses the last tokens of its passage. The query is cut only
// where query_max_length says so.
// kBadInput for lengths out of range and messages that leave no room; kUnsupported for a template that does not give
// the user message once, or a tokenizer whose control tokens take neighbouring text in.
Result<PairEncoderPtr> make_chat_pairs(const tokenizer::Tokenizer& tokenizer, const ChatFormat& format,
                                       const ScoreOptions& options, int max_positions);

}  // namespace rerank::scoring
