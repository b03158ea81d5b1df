// The golden data of one causal checkpoint (families flag_llm, flag_layerwise, flag_lightweight and lb_reranker), as
// its README describes golden.json.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/golden_json.h"

namespace rerank::testing {

class GoldenDecoder {
 public:
  struct Pair {
    std::string query, passage;
  };

  // Arguments of the constructor and of the call together, by type: no name is in both with different values.
  struct Arguments {
    std::map<std::string, std::string> texts;
    std::map<std::string, std::int64_t> numbers;  // booleans as 0 and 1
    std::map<std::string, std::vector<int>> lists;

    int number(const std::string& key, int fallback) const {
      const auto found = numbers.find(key);
      return found == numbers.end() ? fallback : static_cast<int>(found->second);
    }
    std::optional<std::string> text(const std::string& key) const {
      const auto found = texts.find(key);
      return found == texts.end() ? std::nullopt : std::optional(found->second);
    }
    std::vector<int> cutoff_layers() const { return list("cutoff_layers").value_or(std::vector<int>{}); }
    // Absent: the reference's default, [8]. FlagEmbedding and the model card spell it differently.
    std::optional<std::vector<int>> compress_layers() const {
      const auto layers = list("compress_layers");
      return layers ? layers : list("compress_layer");
    }
    std::optional<std::vector<int>> list(const std::string& key) const {
      const auto found = lists.find(key);
      return found == lists.end() ? std::nullopt : std::optional(found->second);
    }
  };

  struct Setting {
    std::string id;
    Arguments arguments;
    bool eager = false;                                       // attention softcapping is on (lightweight)
    bool quirk = false;                                       // what the reference gives is not to be copied
    bool is_card() const { return id.rfind("hf-", 0) == 0; }  // truncation of the model card
    bool normalize() const { return arguments.number("normalize", 0) != 0; }
  };

  // What the reference gave for one pair in one setting.
  struct Scored {
    std::string setting, pair;
    std::vector<std::int32_t> ids;
    std::vector<double> scores;                       // one a kept cutoff layer; one alone otherwise; none for lb
    std::size_t query_length = 0, prompt_length = 0;  // where has_lengths
    bool has_lengths = false;
    std::vector<std::size_t> lengths;  // tokens left at each output, if compressed

    // lb only.
    std::map<std::string, std::optional<double>> named;  // "exact", "top14", "top20", "top5", "openai_top5"
    std::vector<double> digit_logprobs;                  // of "1" .. "7"
    std::vector<int> digit_rank;                         // among all tokens, from 0
    std::map<int, double> kth_gap;                       // log-probability gap between rank k and k+1
    std::string prompt_text;                             // the rendered template; empty where it was not kept
  };

  // One unpadded pass: vectors [hidden] of the last token.
  struct Fingerprint {
    std::string pair, setting;
    Arguments call;  // of this pass; cutoff layers and compression only
    bool eager = false;
    std::vector<std::int32_t> ids;
    std::size_t query_length = 0, prompt_length = 0;
    std::vector<std::vector<double>> stations;            // embeddings, then layers
    std::map<int, std::vector<double>> normed_at_cutoff;  // after the final norm
    std::vector<double> final_norm;                       // the same after all layers; yes-logit and lb
    std::map<int, double> logits;                         // by token id; yes-logit and lb
    std::vector<double> scores;                           // by cutoff layer; layerwise and lightweight
    std::vector<std::size_t> lengths_entering_layers;     // if compression was on or could have been
    // First and last passage slot just after the compression before that layer.
    struct Slots {
      std::vector<double> first, last;
    };
    std::map<int, Slots> entering_layer_at;
  };

  // `name` is a folder below golden/; the reference data must be there.
  explicit GoldenDecoder(const std::string& name) {
    const io::JsonDocument document = golden_document(name);
    const Element root = document.root().element();
    float32_tolerance_ = double(root["tolerance"]["float32_abs"]);
    fingerprint_tolerance_ = double(root["tolerance"]["fingerprint_rel"]);
    bf16_noise_max_ = double(root["half_precision_noise"]["bfloat16"]["max"]);
    bf16_noise_mean_ = double(root["half_precision_noise"]["bfloat16"]["mean"]);
    Element found;
    if (root["assembly"].get(found) == simdjson::SUCCESS)
      bos_ = static_cast<std::int32_t>(std::int64_t(found["bos_token_id"]));
    if (root["yes_token_id"].get(found) == simdjson::SUCCESS)
      answer_tokens_ = {static_cast<std::int32_t>(std::int64_t(found))};
    if (root["digit_token_ids"].get(found) == simdjson::SUCCESS) answer_tokens_ = golden_integers<std::int32_t>(found);
    if (root["own_head_mid"].get(found) == simdjson::SUCCESS) {
      own_head_layer_ = static_cast<int>(std::int64_t(found["cutoff_layer"]));
      for (const auto score : simdjson::dom::object(found["scores"]))
        own_head_scores_[std::string(score.key)] = double(score.value);
    }
    for (const auto pair : simdjson::dom::array(root["pairs"]))
      pairs_[golden_text(pair["id"])] = {golden_text(pair["query"]), golden_text(pair["passage"])};
    for (const auto setting : simdjson::dom::array(root["settings"])) read_setting(setting);
    for (const auto fingerprint : simdjson::dom::array(root["fingerprints"])) read_fingerprint(fingerprint);
  }

  double float32_tolerance() const { return float32_tolerance_; }
  double fingerprint_tolerance() const { return fingerprint_tolerance_; }
  double bf16_noise_max() const { return bf16_noise_max_; }
  double bf16_noise_mean() const { return bf16_noise_mean_; }
  const Pair& pair(const std::string& id) const { return pairs_.at(id); }
  const std::vector<Setting>& settings() const { return settings_; }
  const Setting& setting(const std::string& id) const {
    for (const Setting& setting : settings_)
      if (setting.id == id) return setting;
    throw std::out_of_range(id);
  }
  const std::vector<Scored>& scored() const { return scored_; }  // setting by setting
  const std::vector<Fingerprint>& fingerprints() const { return fingerprints_; }

  std::optional<std::int32_t> bos() const { return bos_; }
  const std::vector<std::int32_t>& answer_tokens() const { return answer_tokens_; }  // "Yes", or "1" .. "7"
  // Lightweight: scores by pair of that one cutoff layer with the head that was trained on it (Heads::kByLayer);
  // max_length 512, no compression, no softcapping. 0 and empty elsewhere.
  int own_head_layer() const { return own_head_layer_; }
  const std::map<std::string, double>& own_head_scores() const { return own_head_scores_; }

 private:
  using Element = simdjson::dom::element;

  static void read_arguments(Element object, Arguments& arguments) {
    for (const auto argument : simdjson::dom::object(object)) {
      const std::string key(argument.key);
      if (argument.value.is_string()) arguments.texts[key] = golden_text(argument.value);
      if (argument.value.is_bool()) arguments.numbers[key] = bool(argument.value) ? 1 : 0;
      if (argument.value.is_int64()) arguments.numbers[key] = std::int64_t(argument.value);
      if (argument.value.is_array()) arguments.lists[key] = golden_integers<int>(argument.value);
    }
  }

  static bool is_eager(Element element) {
    std::string_view attention;
    return element["attn_implementation"].get(attention) == simdjson::SUCCESS && attention == "eager";
  }

  void read_setting(Element element) {
    Setting setting;
    setting.id = golden_text(element["id"]);
    Element found;
    if (element["init"].get(found) == simdjson::SUCCESS) read_arguments(found, setting.arguments);
    read_arguments(element["call"], setting.arguments);
    setting.eager = is_eager(element);
    setting.quirk = element["quirk"].get(found) == simdjson::SUCCESS;
    const bool borrows = element["ids_from"].get(found) == simdjson::SUCCESS;
    const std::string ids_from = borrows ? golden_text(found) : setting.id;
    for (const auto result : simdjson::dom::array(element["results"])) {
      Scored scored;
      scored.pair = golden_text(result["pair"]);
      if (borrows) {
        scored = scored_[scored_at_.at({ids_from, scored.pair})];
        scored.scores.clear();
      }
      scored.setting = setting.id;
      read_scored(result, scored);
      scored_at_[{setting.id, scored.pair}] = scored_.size();
      scored_.push_back(std::move(scored));
    }
    settings_.push_back(std::move(setting));
  }

  // What `result` says; ids and lengths that it does not give stay.
  static void read_scored(Element result, Scored& scored) {
    Element found;
    if (result["input_ids"].get(found) == simdjson::SUCCESS) scored.ids = golden_integers<std::int32_t>(found);
    if (result["query_length"].get(found) == simdjson::SUCCESS) {
      scored.has_lengths = true;
      scored.query_length = static_cast<std::size_t>(std::int64_t(found));
      scored.prompt_length = static_cast<std::size_t>(std::int64_t(result["prompt_length"]));
    }
    if (result["lengths"].get(found) == simdjson::SUCCESS) scored.lengths = golden_integers<std::size_t>(found);
    if (result["score"].get(found) == simdjson::SUCCESS) scored.scores = {double(found)};
    if (result["scores"].get(found) == simdjson::SUCCESS && found.is_array()) scored.scores = golden_numbers(found);
    if (result["scores"].get(found) == simdjson::SUCCESS && found.is_object()) {
      for (const auto score : simdjson::dom::object(found))
        scored.named[std::string(score.key)] =
            score.value.is_null() ? std::nullopt : std::optional(double(score.value));
      scored.digit_logprobs = golden_numbers(result["digit_logprobs"]);
      scored.digit_rank = golden_integers<int>(result["digit_rank"]);
      for (const auto gap : simdjson::dom::object(result["kth_gap"]))
        scored.kth_gap[std::stoi(std::string(gap.key))] = double(gap.value);
      if (Element(result["prompt_text"]).is_string()) scored.prompt_text = golden_text(result["prompt_text"]);
    }
  }

  void read_fingerprint(Element element) {
    Fingerprint f;
    f.pair = golden_text(element["pair"]);
    f.setting = golden_text(element["setting"]);
    const Scored& scored = scored_[scored_at_.at({f.setting, f.pair})];
    f.ids = scored.ids;
    f.query_length = scored.query_length;
    f.prompt_length = scored.prompt_length;
    f.eager = is_eager(element);
    Element found;
    if (element["call"].get(found) == simdjson::SUCCESS) read_arguments(found, f.call);
    f.stations = golden_rows(element["embeddings"]);
    for (const auto layer : simdjson::dom::array(element["layers"])) f.stations.push_back(golden_rows(layer).front());
    if (element["final_norm"].get(found) == simdjson::SUCCESS) f.final_norm = golden_numbers(found);
    if (element["normed_at_cutoff"].get(found) == simdjson::SUCCESS)
      for (const auto vector : simdjson::dom::object(found))
        f.normed_at_cutoff[std::stoi(std::string(vector.key))] = golden_numbers(vector.value);
    if (element["logits"].get(found) == simdjson::SUCCESS)
      for (const auto logit : simdjson::dom::object(found))
        f.logits[std::stoi(std::string(logit.key))] = double(logit.value);
    if (element["scores"].get(found) == simdjson::SUCCESS) f.scores = golden_numbers(found);
    if (element["lengths_entering_layers"].get(found) == simdjson::SUCCESS)
      f.lengths_entering_layers = golden_integers<std::size_t>(found);
    if (element["entering_layer_at"].get(found) == simdjson::SUCCESS)
      for (const auto slots : simdjson::dom::object(found))
        f.entering_layer_at[std::stoi(std::string(slots.key))] = {golden_numbers(slots.value["first_passage_slot"]),
                                                                  golden_numbers(slots.value["last_passage_slot"])};
    fingerprints_.push_back(std::move(f));
  }

  double float32_tolerance_ = 0, fingerprint_tolerance_ = 0, bf16_noise_max_ = 0, bf16_noise_mean_ = 0;
  std::optional<std::int32_t> bos_;
  std::vector<std::int32_t> answer_tokens_;
  int own_head_layer_ = 0;
  std::map<std::string, double> own_head_scores_;
  std::map<std::string, Pair> pairs_;
  std::vector<Setting> settings_;
  std::vector<Scored> scored_;
  std::map<std::pair<std::string, std::string>, std::size_t> scored_at_;  // (setting, pair)
  std::vector<Fingerprint> fingerprints_;
};

}  // namespace rerank::testing
