#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "scoring/encode_text.h"
#include "scoring/lengths.h"
#include "scoring/pair_encoder.h"
#include "scoring/truncation.h"

namespace rerank::scoring {
namespace {

constexpr int kDefaultMaxLength = 512;  // FlagEmbedding's

class CrossEncoderPairs : public PairEncoder {
 public:
  CrossEncoderPairs(const tokenizer::Tokenizer& tokenizer, PairLimits limits, const ScoreOptions& options,
                    InstructionFormats formats)
      : tokenizer_(tokenizer), limits_(limits), truncation_(options.truncation), formats_(std::move(formats)) {
    encode_options_.special_tokens_in_text = options.special_tokens_in_text;
  }

  Result<EncodedQuery> encode_query(std::string_view query) const override {
    EncodedQuery encoded;
    RERANK_ASSIGN(encoded.ids, encode_text(tokenizer_, formats_.query, query, encode_options_, "query"));
    return encoded;
  }

  Result<EncodedPair> encode(const EncodedQuery& query, std::string_view passage) const override {
    RERANK_ASSIGN(const auto passage_ids,
                  encode_text(tokenizer_, formats_.passage, passage, encode_options_, "passage"));
    const std::size_t query_size = query.ids.size(), passage_size = passage_ids.size();
    const Kept kept = truncation_ == Truncation::kFlagEmbedding
                          ? truncate_flagembedding(query_size, passage_size, limits_)
                          : truncate_longest_first(query_size, passage_size, limits_);
    auto joined = tokenizer_.join(std::span(query.ids).first(kept.query), std::span(passage_ids).first(kept.passage));
    EncodedPair pair;
    pair.ids = std::move(joined.ids);
    pair.type_ids = std::move(joined.type_ids);
    pair.cut_tokens = static_cast<std::uint32_t>(query_size + passage_size - kept.query - kept.passage);
    return pair;
  }

 private:
  const tokenizer::Tokenizer& tokenizer_;
  PairLimits limits_;
  Truncation truncation_;
  InstructionFormats formats_;
  tokenizer::EncodeOptions encode_options_;
};

}  // namespace

Result<PairEncoderPtr> make_cross_encoder_pairs(const tokenizer::Tokenizer& tokenizer, const ScoreOptions& options,
                                                int max_positions) {
  RERANK_TRY(check_lengths(options));
  const auto special = static_cast<int>(tokenizer.special_tokens_of_pair());
  const int max_length = options.max_length == 0 ? std::min(kDefaultMaxLength, max_positions) : options.max_length;
  if (max_length <= special)
    return Error{Error::Code::kBadInput,
                 fmt::format("{} tokens leave no room beside the {} special tokens of a pair", max_length, special),
                 "--max-length", "the default is 512"};
  RERANK_TRY(check_positions(max_length, max_length, max_positions));
  RERANK_ASSIGN(auto formats, InstructionFormats::make(options));
  const PairLimits limits{static_cast<std::size_t>(max_length),
                          static_cast<std::size_t>(query_length(options, max_length)),
                          static_cast<std::size_t>(special)};
  return PairEncoderPtr(new CrossEncoderPairs(tokenizer, limits, options, std::move(formats)));
}

}  // namespace rerank::scoring
