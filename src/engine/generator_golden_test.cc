// Greedy generation of every rank1 checkpoint against the reference: token ids, text and log-probabilities of all
// steps, all prompts at once.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "engine/generator_test_support.h"
#include "support/golden_json.h"

namespace rerank {
namespace {

using rerank::testing::GeneratingModel;
using rerank::testing::golden_integers;
using rerank::testing::golden_numbers;
using rerank::testing::golden_text;

using Json = simdjson::dom::element;

std::string finish_of(const Generation& generation) {
  switch (generation.finish) {
    case Generation::Finish::kStop:
      return "stop:" + generation.stop;
    case Generation::Finish::kEndOfText:
      return "eos";
    case Generation::Finish::kLength:
      break;
  }
  return "length";
}

// The reference's top 20 and the two watched tokens of one step.
void compare_step(const GenerationStep& actual, const Json& expected, double tolerance) {
  const auto ids = golden_integers<std::int32_t>(expected["top"]);
  const auto logprobs = golden_numbers(expected["logprobs"]);
  ASSERT_EQ(actual.top.size(), ids.size());
  for (std::size_t k = 0; k < ids.size(); ++k) {
    EXPECT_NEAR(actual.top[k].second, logprobs[k], tolerance) << "rank " << k;
    // Neighbours closer than the tolerance may change places.
    const bool clear = (k == 0 || logprobs[k - 1] - logprobs[k] > 2 * tolerance) &&
                       (k + 1 < ids.size() ? logprobs[k] - logprobs[k + 1] : double(expected["gap20"])) > 2 * tolerance;
    if (clear) {
      EXPECT_EQ(actual.top[k].first, ids[k]) << "rank " << k;
    }
  }
  EXPECT_NEAR(actual.watched[0], double(expected["true_logprob"]), tolerance);
  EXPECT_NEAR(actual.watched[1], double(expected["false_logprob"]), tolerance);
}

class GoldenGenerator : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenGenerator,
                         ::testing::Values("rank1-0.5b", "rank1-7b", "rank1-7b-awq", "rank1-llama3-8b",
                                           "rank1-mistral-2501-24b", "rank1-toy"));

TEST_P(GoldenGenerator, WritesWhatTheReferenceWrites) {
  RERANK_NEED_SHARED("golden");
  const io::JsonDocument document = rerank::testing::golden_document(GetParam());
  const Json golden = document.root().element();
  const GeneratingModel loaded = GeneratingModel::load(rerank::testing::shared_dir() / "golden" / GetParam());
  WorkerPool workers(2);
  Generator generator(
      loaded.model, loaded.tokenizer, workers,
      {.kv_bytes = std::size_t{64} << 20, .end_of_text = golden_integers<std::int32_t>(golden["eos_token_ids"])});
  const double tolerance = std::max(double(golden["tolerance"]["float32_abs"]), 5e-4);
  const auto id_of = [&](const char* key) { return static_cast<std::int32_t>(std::int64_t(golden[key])); };

  std::map<std::string, std::vector<std::int32_t>> prompts;
  for (const Json setting : simdjson::dom::array(golden["settings"]))
    if (golden_text(setting["id"]) == "rank1-forced")
      for (const Json result : simdjson::dom::array(setting["results"]))
        prompts[golden_text(result["pair"])] = golden_integers<std::int32_t>(result["prompt_ids"]);

  std::size_t compared = 0;
  for (const Json setting : simdjson::dom::array(golden["settings"])) {
    if (golden_text(setting["id"]) == "rank1-forced") continue;
    GenerationRequest common;
    common.max_new_tokens = static_cast<std::size_t>(std::int64_t(setting["call"]["max_tokens"]));
    for (const Json stop : simdjson::dom::array(setting["call"]["stop"]))
      common.stop_strings.push_back(golden_text(stop));
    common.watched = {id_of("true_token_id"), id_of("false_token_id")};
    common.top_logprobs = 20;
    std::vector<GenerationRequest> requests;
    for (const Json result : simdjson::dom::array(setting["results"])) {
      requests.push_back(common);
      requests.back().prompt = prompts.at(golden_text(result["pair"]));
    }
    const auto generations = generator.generate(requests);
    std::size_t i = 0;
    for (const Json expected : simdjson::dom::array(setting["results"])) {
      SCOPED_TRACE(golden_text(setting["id"]) + ", " + golden_text(expected["pair"]));
      ASSERT_TRUE(generations[i].ok()) << generations[i].error().message();
      const Generation& actual = generations[i++].value();
      std::vector<std::int32_t> ids;
      for (const GenerationStep& step : actual.steps) ids.push_back(step.token);
      ASSERT_EQ(ids, golden_integers<std::int32_t>(expected["token_ids"]));
      EXPECT_EQ(actual.text, golden_text(expected["text"]));
      EXPECT_EQ(finish_of(actual), golden_text(expected["finish"]));
      std::size_t s = 0;
      for (const Json step : simdjson::dom::array(expected["steps"])) {
        SCOPED_TRACE(s);
        compare_step(actual.steps[s++], step, tolerance);
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 200u);
}

}  // namespace
}  // namespace rerank
