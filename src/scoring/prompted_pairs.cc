#include "scoring/prompted_pairs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "scoring/encode_text.h"
#include "scoring/lengths.h"
#include "scoring/tokenizer_config.h"
#include "scoring/truncation.h"

namespace rerank::scoring {
namespace {

constexpr std::string_view kYesOrNoPrompt =
    "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a "
    "prediction of either 'Yes' or 'No'.";
constexpr std::string_view kLightweightPrompt = "Predict whether passage B contains an answer to query A.";
constexpr std::string_view kSeparator = "\n";
constexpr int kDefaultMaxLength = 512, kDefaultCardMaxLength = 1024;

// The id of the token that tokenizer_config.json calls `name`_token and config.json `name`_token_id.
Result<std::optional<std::int32_t>> special_id(const io::Checkpoint& checkpoint, const std::optional<io::Json>& config,
                                               const tokenizer::Tokenizer& tokenizer, const std::string& name) {
  if (config) {
    RERANK_ASSIGN(const StatedToken token, stated_token(*config, name + "_token"));
    if (token.text) {
      const auto id = tokenizer.token_to_id(*token.text);
      if (!id)
        return config->error(Error::Code::kCorrupt,
                             fmt::format("{}_token is \"{}\", which tokenizer.json does not have", name, *token.text));
      return id;
    }
    if (token.stated) return std::optional<std::int32_t>();
  }
  const auto id = checkpoint.config().find(name + "_token_id");
  if (!id) return std::optional<std::int32_t>();
  RERANK_ASSIGN(const std::int64_t value, id->integer());
  if (value < 0 || value >= static_cast<std::int64_t>(tokenizer.vocab_size()))
    return id->error(Error::Code::kCorrupt, fmt::format("is {}, which is no token of tokenizer.json", value));
  return std::optional(static_cast<std::int32_t>(value));
}

class PromptedEncoder : public PairEncoder {
 public:
  struct Limits {
    std::size_t query, passage;  // tokens of each text
    std::size_t pair;            // of BOS, query, separator and passage
    std::size_t positions;
  };
  PromptedEncoder(const tokenizer::Tokenizer& tokenizer, const PromptedPairs& format, Limits limits,
                  InstructionFormats formats, std::vector<std::int32_t> separator, std::vector<std::int32_t> prompt,
                  const tokenizer::EncodeOptions& encode_options)
      : tokenizer_(tokenizer),
        bos_(format.bos),
        limits_(limits),
        formats_(std::move(formats)),
        separator_(std::move(separator)),
        prompt_(std::move(prompt)),
        encode_options_(encode_options) {}

  Result<EncodedQuery> encode_query(std::string_view query) const override {
    EncodedQuery encoded;
    RERANK_ASSIGN(encoded.ids, encode_text(tokenizer_, formats_.query, query, encode_options_, "query"));
    const std::size_t kept = std::min(encoded.ids.size(), limits_.query);
    encoded.cut_tokens = static_cast<std::uint32_t>(encoded.ids.size() - kept);
    encoded.ids.resize(kept);
    if (bos_) encoded.ids.insert(encoded.ids.begin(), *bos_);
    return encoded;
  }

  Result<EncodedPair> encode(const EncodedQuery& query, std::string_view passage) const override {
    RERANK_ASSIGN(const auto ids, encode_text(tokenizer_, formats_.passage, passage, encode_options_, "passage"));
    // Separator and passage are one part to the reference: what is cut may reach into the separator.
    std::vector<std::int32_t> second = separator_;
    second.insert(second.end(), ids.begin(),
                  ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), limits_.passage)));
    const std::size_t kept = truncate_only_second(query.ids.size(), second.size(), limits_.pair);
    const std::size_t kept_of_passage = kept - std::min(kept, separator_.size());

    EncodedPair pair;
    pair.ids.reserve(query.ids.size() + kept + separator_.size() + prompt_.size());
    pair.ids = query.ids;
    pair.ids.insert(pair.ids.end(), second.begin(), second.begin() + static_cast<std::ptrdiff_t>(kept));
    // As in the reference, the separator counts in full even where it was cut, but not into the prompt.
    pair.query_tokens = static_cast<std::uint32_t>(std::min(query.ids.size() + separator_.size(), pair.ids.size()));
    pair.prompt_tokens = static_cast<std::uint32_t>(separator_.size() + prompt_.size());
    pair.ids.insert(pair.ids.end(), separator_.begin(), separator_.end());
    pair.ids.insert(pair.ids.end(), prompt_.begin(), prompt_.end());
    pair.cut_tokens = query.cut_tokens + static_cast<std::uint32_t>(ids.size() - kept_of_passage);
    if (pair.ids.empty())
      return Error{Error::Code::kBadInput, "query, passage and prompt have no tokens", "pair", "give a prompt"};
    if (pair.ids.size() > limits_.positions)
      return Error{
          Error::Code::kBadInput,
          fmt::format("the query's {} tokens leave no room for the passage within {} tokens, and with the prompt "
                      "they are more than the model's {} positions",
                      query.ids.size(), limits_.pair, limits_.positions),
          "query", "use a smaller --query-max-length"};
    return pair;
  }

 private:
  const tokenizer::Tokenizer& tokenizer_;
  std::optional<std::int32_t> bos_;
  Limits limits_;
  InstructionFormats formats_;
  std::vector<std::int32_t> separator_, prompt_;
  tokenizer::EncodeOptions encode_options_;
};

}  // namespace

Result<PromptedPairs> read_prompted_pairs(const io::Checkpoint& checkpoint, const tokenizer::Tokenizer& tokenizer,
                                          Method method) {
  RERANK_ASSIGN(const auto document, read_tokenizer_config(checkpoint));
  const std::optional<io::Json> config = document ? std::optional(document->root()) : std::nullopt;
  PromptedPairs pairs;
  pairs.default_prompt = method == Method::kLightweight ? kLightweightPrompt : kYesOrNoPrompt;
  RERANK_ASSIGN(pairs.bos, special_id(checkpoint, config, tokenizer, "bos"));
  if (method == Method::kYesLogit) {
    RERANK_ASSIGN(const auto pad, special_id(checkpoint, config, tokenizer, "pad"));
    if (pairs.bos == pad) pairs.bos.reset();
  } else if (!pairs.bos) {
    return Error{Error::Code::kNotFound, "names no BOS token, which the pairs of this method begin with",
                 checkpoint.name() + "/tokenizer_config.json", "give \"bos_token\" there"};
  }
  return pairs;
}

Result<PairEncoderPtr> make_prompted_pairs(const tokenizer::Tokenizer& tokenizer, const PromptedPairs& format,
                                           const ScoreOptions& options, int max_positions) {
  RERANK_TRY(check_lengths(options));
  RERANK_ASSIGN(auto formats, InstructionFormats::make(options, "A: ", "B: "));
  RERANK_ASSIGN(auto separator, tokenizer.encode_ids(kSeparator));
  auto prompt = tokenizer.encode_ids(options.prompt ? std::string_view(*options.prompt) : format.default_prompt);
  if (!prompt.ok()) {
    prompt.error().where = "--prompt";
    return std::move(prompt.error());
  }
  const bool card = options.truncation == Truncation::kCard;
  const auto after = static_cast<long long>(separator.size() + prompt.value().size());  // cutting
  const long long beside = card ? after : 2 * after;  // what a pair may have beyond max_length
  const long long room = max_positions - beside;
  if (room <= 0)
    return Error{Error::Code::kBadInput,
                 fmt::format("separators and prompt, {} tokens, leave no room within the model's {} positions", beside,
                             max_positions),
                 "--prompt", "use a shorter one"};
  int max_length = options.max_length;
  if (max_length == 0)
    max_length = static_cast<int>(std::min<long long>(room, card ? kDefaultCardMaxLength : kDefaultMaxLength));
  RERANK_TRY(check_positions(max_length, max_length + beside, max_positions));
  const auto length = static_cast<std::size_t>(max_length);
  const PromptedEncoder::Limits limits{static_cast<std::size_t>(query_length(options, max_length)), length,
                                       card ? length : length + static_cast<std::size_t>(after),
                                       static_cast<std::size_t>(max_positions)};
  tokenizer::EncodeOptions encode_options;
  encode_options.special_tokens_in_text = options.special_tokens_in_text;
  return PairEncoderPtr(new PromptedEncoder(tokenizer, format, limits, std::move(formats), std::move(separator),
                                            std::move(prompt).value(), encode_options));
}

}  // namespace rerank::scoring
