// How a (query, passage) pair becomes the token ids that the model sees. Each method has an encoder of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"
#include "rerank/options.h"
#include "tokenizer/tokenizer.h"

namespace rerank::scoring {

struct EncodedPair {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;  // empty for causal models
  std::uint32_t cut_tokens = 0;        // of query and passage, by truncation
  // Prompted pairs only, for compression: the tokens before the passage (BOS, query, separator) and those after it
  // (separator, prompt). Together they are never more than there are ids.
  std::uint32_t query_tokens = 0, prompt_tokens = 0;
};

// What is done once for all passages of a query. Only the encoder that made it can read it.
struct EncodedQuery {
  std::string text;
  std::vector<std::int32_t> ids;
  std::uint32_t cut_tokens = 0;  // that were cut already
};

// Immutable and shared between threads; borrows the tokenizer.
class PairEncoder {
 public:
  virtual ~PairEncoder() = default;

  // kBadInput when the query is not UTF-8.
  virtual Result<EncodedQuery> encode_query(std::string_view query) const = 0;
  // kBadInput when the passage is not UTF-8, or when the pair has more tokens than the model has positions although it
  // was cut by the rules of its method.
  virtual Result<EncodedPair> encode(const EncodedQuery& query, std::string_view passage) const = 0;
};

using PairEncoderPtr = std::unique_ptr<const PairEncoder>;

// Cross-encoders: query and passage in the tokenizer's pair template. kBadInput when no pair can fit the options or the
// model's `max_positions`.
Result<PairEncoderPtr> make_cross_encoder_pairs(const tokenizer::Tokenizer& tokenizer, const ScoreOptions& options,
                                                int max_positions);

}  // namespace rerank::scoring
