// The golden data of one encoder checkpoint, as its README describes golden.json.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/golden_json.h"

namespace rerank::testing {

class Golden {
 public:
  struct Ids {
    std::vector<std::int32_t> ids, types;
  };
  struct Score {
    std::string setting, pair;
    Ids ids;
    double value = 0;
    bool sigmoid = false;
  };
  struct Fingerprint {
    std::string pair;
    Ids ids;
    std::vector<std::size_t> positions;
    std::vector<std::vector<std::vector<double>>> stations;  // embeddings, then layers: [station][position][hidden]
  };
  struct Pair {
    std::string query, passage;
  };
  struct Setting {
    std::string id;
    std::map<std::string, std::string> init;   // constructor arguments that are texts
    std::map<std::string, std::int64_t> call;  // numbers among the call's arguments; booleans as 0 and 1
  };

  // `name` is a folder below golden/; the reference data must be there.
  explicit Golden(const std::string& name) : document_(golden_document(name)) {
    const io::Json root = document_.root();
    const auto tolerance = root.get("tolerance").value();
    float32_tolerance_ = number(tolerance, "float32_abs");
    fingerprint_tolerance_ = number(tolerance, "fingerprint_rel");
    const auto noise = root.get("half_precision_noise").value().get("bfloat16").value();
    bf16_noise_max_ = number(noise, "max");
    bf16_noise_mean_ = number(noise, "mean");
    for (const auto pair : elements(root, "pairs"))
      pairs_[text(pair, "id")] = {text(pair, "query"), text(pair, "passage")};
    for (const auto setting : elements(root, "settings")) read_setting(setting);
    for (const auto fingerprint : elements(root, "fingerprints")) read_fingerprint(fingerprint);
  }

  double float32_tolerance() const { return float32_tolerance_; }
  double fingerprint_tolerance() const { return fingerprint_tolerance_; }
  double bf16_noise_max() const { return bf16_noise_max_; }
  double bf16_noise_mean() const { return bf16_noise_mean_; }
  const std::vector<Score>& scores() const { return scores_; }
  const std::vector<Fingerprint>& fingerprints() const { return fingerprints_; }
  const std::vector<Setting>& settings() const { return settings_; }
  const Pair& pair(const std::string& id) const { return pairs_.at(id); }

 private:
  using Element = simdjson::dom::element;

  static std::string text(Element element, const char* key) { return golden_text(element[key]); }
  static double number(const io::Json& json, const char* key) { return json.get(key).value().number().value(); }
  static simdjson::dom::array elements(const io::Json& json, const char* key) {
    return json.get(key).value().array().value();
  }

  void read_setting(Element setting) {
    Setting s{text(setting, "id"), {}, {}};
    for (const auto argument : simdjson::dom::object(setting["init"]))
      if (argument.value.is_string()) s.init[std::string(argument.key)] = std::string(std::string_view(argument.value));
    for (const auto argument : simdjson::dom::object(setting["init"]))
      if (argument.value.is_int64()) s.call[std::string(argument.key)] = std::int64_t(argument.value);
    for (const auto argument : simdjson::dom::object(setting["call"])) {
      if (argument.value.is_bool()) s.call[std::string(argument.key)] = bool(argument.value) ? 1 : 0;
      if (argument.value.is_int64()) s.call[std::string(argument.key)] = std::int64_t(argument.value);
    }
    Element borrowed;
    const bool has_borrowed_ids = setting["ids_from"].get(borrowed) == simdjson::SUCCESS;
    const bool sigmoid = s.call.count("normalize") != 0 || s.id.find("sigmoid") != std::string::npos;
    for (const auto result : simdjson::dom::array(setting["results"])) {
      Score score{s.id, text(result, "pair"), {}, double(result["score"]), sigmoid};
      if (has_borrowed_ids) {
        score.ids = ids_of_.at(std::string(std::string_view(borrowed)) + '\n' + score.pair);
      } else {
        score.ids = read_ids(result);
      }
      ids_of_[s.id + '\n' + score.pair] = score.ids;
      scores_.push_back(std::move(score));
    }
    settings_.push_back(std::move(s));
  }

  static Ids read_ids(Element result) {
    Ids ids;
    ids.ids = golden_integers<std::int32_t>(result["input_ids"]);
    ids.types.assign(ids.ids.size(), 0);
    std::int64_t type0;
    if (result["n_type0"].get(type0) == simdjson::SUCCESS)
      for (std::size_t i = static_cast<std::size_t>(type0); i < ids.types.size(); ++i) ids.types[i] = 1;
    return ids;
  }

  void read_fingerprint(Element element) {
    Fingerprint f;
    f.pair = text(element, "pair");
    f.ids = ids_of_.at(text(element, "setting") + '\n' + f.pair);
    f.positions = golden_integers<std::size_t>(element["positions"]);
    f.stations.push_back(golden_rows(element["embeddings"]));
    for (const auto layer : simdjson::dom::array(element["layers"])) f.stations.push_back(golden_rows(layer));
    fingerprints_.push_back(std::move(f));
  }

  io::JsonDocument document_;
  double float32_tolerance_ = 0, fingerprint_tolerance_ = 0, bf16_noise_max_ = 0, bf16_noise_mean_ = 0;
  std::map<std::string, Pair> pairs_;
  std::map<std::string, Ids> ids_of_;
  std::vector<Score> scores_;
  std::vector<Setting> settings_;
  std::vector<Fingerprint> fingerprints_;
};

}  // namespace rerank::testing
