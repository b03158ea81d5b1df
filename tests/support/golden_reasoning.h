// The golden data of one rank1 checkpoint (family rank1), as its README describes golden.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/golden_json.h"

namespace rerank::testing {

class GoldenReasoning {
 public:
  struct Pair {
    std::string query, passage;
  };
  // Log-probabilities after a prompt with reasoning that was given: rank1-forced.
  struct Forced {
    std::string pair;
    std::vector<std::int32_t> prompt_ids, forced_ids;  // the latter of short ones only
    std::vector<std::int32_t> forced_tail_ids;
    std::size_t n_forced_ids = 0;
    double score = 0, true_logprob = 0, false_logprob = 0;
  };
  // A generation: rank1-greedy and rank1-short.
  struct Generated {
    std::string setting, pair, text, finish;
    int max_tokens = 0;
    std::vector<std::int32_t> token_ids;
    std::optional<double> score_card;
    double score_official = 0;
    // Where the official code forces the verdict.
    std::optional<std::vector<std::int32_t>> fallback_ids;
    double fallback_true = 0, fallback_false = 0;
    double last_true = 0, last_false = 0;  // log-probabilities at the last step
    bool ends_with_verdict() const { return finish.rfind("stop:", 0) == 0; }
  };

  // `name` is a folder below golden/; the reference data must be there.
  explicit GoldenReasoning(const std::string& name) {
    const io::JsonDocument document = golden_document(name);
    const Element root = document.root().element();
    tolerance_ = double(root["tolerance"]["float32_abs"]);
    true_token_ = id(root["true_token_id"]);
    false_token_ = id(root["false_token_id"]);
    eos_tokens_ = golden_integers<std::int32_t>(root["eos_token_ids"]);
    for (const auto pair : simdjson::dom::array(root["pairs"]))
      pairs_[golden_text(pair["id"])] = {golden_text(pair["query"]), golden_text(pair["passage"])};
    for (const auto setting : simdjson::dom::array(root["settings"])) {
      const std::string setting_id = golden_text(setting["id"]);
      if (setting_id == "rank1-forced") forced_text_ = golden_text(setting["forced_text"]);
      for (const auto result : simdjson::dom::array(setting["results"])) {
        if (setting_id == "rank1-forced") {
          read_forced(result);
        } else {
          read_generated(setting_id, static_cast<int>(std::int64_t(setting["call"]["max_tokens"])), result);
        }
      }
    }
  }

  double tolerance() const { return tolerance_; }  // of log-probabilities and scores
  std::int32_t true_token() const { return true_token_; }
  std::int32_t false_token() const { return false_token_; }
  const std::vector<std::int32_t>& eos_tokens() const { return eos_tokens_; }
  const std::map<std::string, Pair>& pairs() const { return pairs_; }
  const Pair& pair(const std::string& pair_id) const { return pairs_.at(pair_id); }
  const std::string& forced_text() const { return forced_text_; }  // with the line break before and "</think>"
  const std::vector<Forced>& forced() const { return forced_; }
  const std::vector<Generated>& generated() const { return generated_; }

 private:
  using Element = simdjson::dom::element;

  static std::int32_t id(Element element) { return static_cast<std::int32_t>(std::int64_t(element)); }

  void read_forced(Element result) {
    Forced forced;
    forced.pair = golden_text(result["pair"]);
    forced.prompt_ids = golden_integers<std::int32_t>(result["prompt_ids"]);
    forced.forced_tail_ids = golden_integers<std::int32_t>(result["forced_tail_ids"]);
    forced.n_forced_ids = static_cast<std::size_t>(std::int64_t(result["n_forced_ids"]));
    Element found;
    if (result["forced_ids"].get(found) == simdjson::SUCCESS) forced.forced_ids = golden_integers<std::int32_t>(found);
    forced.score = double(result["score"]);
    forced.true_logprob = double(result["true_logprob"]);
    forced.false_logprob = double(result["false_logprob"]);
    forced_.push_back(std::move(forced));
  }

  void read_generated(const std::string& setting, int max_tokens, Element result) {
    Generated generated;
    generated.setting = setting;
    generated.max_tokens = max_tokens;
    generated.pair = golden_text(result["pair"]);
    generated.text = golden_text(result["text"]);
    generated.finish = golden_text(result["finish"]);
    generated.token_ids = golden_integers<std::int32_t>(result["token_ids"]);
    if (!Element(result["score_card"]).is_null()) generated.score_card = double(result["score_card"]);
    generated.score_official = double(result["score_official"]);
    for (const auto step : simdjson::dom::array(result["steps"])) {
      generated.last_true = double(step["true_logprob"]);
      generated.last_false = double(step["false_logprob"]);
    }
    Element found;
    if (result["fallback"].get(found) == simdjson::SUCCESS) {
      generated.fallback_ids = golden_integers<std::int32_t>(found["forced_ids"]);
      generated.fallback_true = double(found["true_logprob"]);
      generated.fallback_false = double(found["false_logprob"]);
    }
    generated_.push_back(std::move(generated));
  }

  double tolerance_ = 0;
  std::int32_t true_token_ = 0, false_token_ = 0;
  std::vector<std::int32_t> eos_tokens_;
  std::string forced_text_;
  std::map<std::string, Pair> pairs_;
  std::vector<Forced> forced_;
  std::vector<Generated> generated_;
};

// Folders below golden/.
inline constexpr const char* kReasoningCheckpoints[] = {
    "rank1-0.5b", "rank1-7b", "rank1-7b-awq", "rank1-llama3-8b", "rank1-mistral-2501-24b", "rank1-toy"};

}  // namespace rerank::testing
