// Generation depends on the request alone: not on company, memory, threads or pieces; and what cannot run says why.
#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <utility>

#include "engine/decode_text.h"
#include "engine/generator_test_support.h"
#include "kernels/kernel_table.h"
#include "rerank/quantize.h"
#include "support/shared_data.h"
#include "support/tiny_causal.h"

namespace rerank {
namespace {

using rerank::testing::expect_equal_results;
using rerank::testing::expect_equal_steps;
using rerank::testing::GeneratingModel;
using rerank::testing::TinyCausal;

using Finish = Generation::Finish;
using Requests = std::vector<GenerationRequest>;
using Results = std::vector<Result<Generation>>;

struct TinyGenerating {
  TinyCausal::Folder folder, quantized;
  std::unique_ptr<GeneratingModel> model;

  // `int4`: with layers of 4 bits and a vocabulary of 8.
  explicit TinyGenerating(const TinyCausal& tiny, kernels::Element element = kernels::Element::kF32,
                          bool int4 = false) {
    tiny.write(folder);
    if (int4) {
      quantized.path = folder.path.native() + "-int4";
      EXPECT_TRUE(GeneratingModel::value_of(quantize(folder.path, quantized.path)).vocabulary);
    }
    model = std::make_unique<GeneratingModel>(GeneratingModel::load(
        int4 ? quantized.path : folder.path, *kernels::levels_on_this_cpu().front()->table, element));
  }
};

struct Outcome {
  Results results;
  GeneratorCounts counts;
};

Outcome run(const GeneratingModel& model, const Requests& requests, GeneratorOptions options = {}, int threads = 1) {
  WorkerPool workers(threads);
  Generator generator(model.model, model.tokenizer, workers, std::move(options));
  Results results = generator.generate(requests);
  return {std::move(results), generator.counts()};
}

Results one_at_a_time(const GeneratingModel& model, const Requests& requests, const GeneratorOptions& options = {}) {
  Results results;
  for (const GenerationRequest& request : requests)
    results.push_back(std::move(run(model, {request}, options).results.front()));
  return results;
}

GenerationRequest request_of(const GeneratingModel& model, const std::string& prompt, std::size_t max_new_tokens) {
  GenerationRequest request;
  request.prompt = model.encode(prompt);
  request.max_new_tokens = max_new_tokens;
  request.watched = {5, 70};
  request.top_logprobs = 3;
  return request;
}

// Passages of several queries, of all lengths: blocks that are shared, copied in part, and nobody else's.
Requests many_requests(const GeneratingModel& model, std::size_t count, std::size_t max_new_tokens) {
  Requests requests;
  for (std::size_t i = 0; i < count; ++i) {
    std::string prompt = fmt::format("Is the passage relevant to the query? Query number {}: ", i / 8);
    for (std::size_t word = 0; word < i * 7 % 23; ++word) prompt += fmt::format("word{} ", word * (i % 3 + 1));
    requests.push_back(request_of(model, prompt + "Passage.", max_new_tokens + i % 5));
  }
  return requests;
}

const Generation& good(const Result<Generation>& result) {
  EXPECT_TRUE(result.ok()) << result.error().message();
  return result.value();
}

std::vector<std::int32_t> ids_of(const Generation& generation) {
  std::vector<std::int32_t> ids;
  for (const GenerationStep& step : generation.steps) ids.push_back(step.token);
  return ids;
}

void expect_independence(const GeneratingModel& model, const Requests& requests, const GeneratorOptions& options) {
  const Results alone = one_at_a_time(model, requests, options);
  const Outcome together = run(model, requests, options);
  expect_equal_results(alone, together.results);
  EXPECT_GT(together.counts.shared_tokens, 0u);
  expect_equal_results(alone, run(model, requests, options, 2).results);
  expect_equal_results(alone, run(model, requests, options, 3).results);

  std::size_t longest = 0;
  for (const GenerationRequest& request : requests)
    longest = std::max(longest, request.prompt.size() + request.max_new_tokens);
  GeneratorOptions little = options;
  little.kv_bytes = (longest / kernels::kPageTokens + 3) * model.block_bytes();
  const Outcome crowded = run(model, requests, little, 2);
  EXPECT_GT(crowded.counts.preemptions, 0u);
  expect_equal_results(alone, crowded.results);
}

TEST(Generator, GivesEachRequestTheSameInAnyCompany) {
  const std::pair<const char*, TinyCausal> checkpoints[] = {{"qwen2, tied", TinyCausal::qwen2(true)},
                                                            {"qwen2", TinyCausal::qwen2(false)},
                                                            {"llama", TinyCausal::llama()},
                                                            {"mistral", TinyCausal::mistral()}};
  for (const auto& [name, checkpoint] : checkpoints) {
    SCOPED_TRACE(name);
    const TinyGenerating tiny(checkpoint);
    expect_independence(*tiny.model, many_requests(*tiny.model, 24, 40), {});
  }
}

TEST(Generator, GivesEachRequestTheSameInAnyCompanyInBf16) {
  const TinyGenerating tiny(TinyCausal::qwen2(true), kernels::Element::kBf16);
  expect_independence(*tiny.model, many_requests(*tiny.model, 24, 40), {});
}

TEST(Generator, GivesEachRequestTheSameInAnyCompanyWithAVocabularyOfIntegers) {
  for (const auto& [tied, element] :
       {std::pair(true, kernels::Element::kF32), {true, kernels::Element::kBf16}, {false, kernels::Element::kBf16}}) {
    SCOPED_TRACE(tied);
    const TinyGenerating tiny(TinyCausal::wide_qwen2(tied), element, true);
    EXPECT_EQ(tiny.model->model.vocabulary->weight()->format(), kernels::WeightFormat::kInt8);
    expect_independence(*tiny.model, many_requests(*tiny.model, 24, 40), {});
  }
}

TEST(Generator, GivesTheTrainedToyTheSameInAnyCompany) {
  RERANK_NEED_SHARED("golden/rank1-toy");
  const GeneratingModel toy = GeneratingModel::load(rerank::testing::shared_dir() / "golden/rank1-toy");
  Requests requests = many_requests(toy, 64, 40);
  for (GenerationRequest& request : requests) request.stop_strings = {"</think> true", "</think> false"};
  expect_independence(toy, requests, {.end_of_text = {1000}});
}

TEST(Generator, GivesCallsFromSeveralThreadsTheSame) {
  const TinyGenerating tiny(TinyCausal::llama());
  const Requests requests = many_requests(*tiny.model, 24, 20);
  const Results alone = one_at_a_time(*tiny.model, requests);
  WorkerPool workers(2);
  Generator generator(tiny.model->model, tiny.model->tokenizer, workers, {.kv_bytes = 24 * tiny.model->block_bytes()});
  std::vector<Results> results(3);
  std::vector<std::thread> threads;
  for (Results& of_thread : results) threads.emplace_back([&] { of_thread = generator.generate(requests); });
  for (std::thread& thread : threads) thread.join();
  for (const Results& of_thread : results) expect_equal_results(alone, of_thread);
}

TEST(Generator, TakesLongPromptsInPieces) {
  const TinyGenerating tiny(TinyCausal::qwen2(true));
  std::string text;
  while (text.size() < 1500) text += "a long passage ";
  const Requests requests = {request_of(*tiny.model, "short", 30), request_of(*tiny.model, text, 10),
                             request_of(*tiny.model, "another", 30)};
  const Outcome together = run(*tiny.model, requests);
  expect_equal_results(one_at_a_time(*tiny.model, requests), together.results);
  EXPECT_LE(together.counts.passes, 33u);  // nobody waits for the long one
}

TEST(Generator, ComputesWhatPromptsHaveInCommonOnce) {
  const TinyGenerating tiny(TinyCausal::qwen2(true));
  const std::string query(200, 'q');
  Requests requests;
  std::size_t given = 0;
  for (char passage = 'a'; passage <= 'p'; ++passage) {
    requests.push_back(request_of(*tiny.model, query + passage + "xyz", 1));
    given += requests.back().prompt.size();
  }
  const Outcome together = run(*tiny.model, requests);
  EXPECT_EQ(together.counts.shared_tokens, 15u * 200u);
  EXPECT_EQ(together.counts.work.tokens, given - 15u * 200u);
}

TEST(Generator, StopsAtTheFirstTokenThatCompletesAStopString) {
  const TinyGenerating tiny(TinyCausal::mistral());
  const tokenizer::Tokenizer& tokenizer = tiny.model->tokenizer;
  const GenerationRequest free = request_of(*tiny.model, "Anything at all", 60);
  const std::vector<std::int32_t> ids = ids_of(good(run(*tiny.model, {free}).results.front()));
  ASSERT_EQ(ids.size(), 60u);
  const std::string text = tokenizer.decode(ids, false);
  Requests requests;
  for (std::size_t begin = 0; begin + 7 < text.size(); begin += 3)
    for (const std::size_t length : {1u, 4u, 7u}) {
      requests.push_back(free);
      requests.back().stop_strings = {"never written", text.substr(begin, length)};
    }
  const Results results = run(*tiny.model, requests).results;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const std::string& stop = requests[i].stop_strings[1];
    std::size_t steps = 1;
    while (tokenizer.decode(std::span(ids).first(steps), false).find(stop) == std::string::npos) ++steps;
    const Generation& generation = good(results[i]);
    EXPECT_EQ(generation.finish, Finish::kStop);
    EXPECT_EQ(generation.stop, stop);
    ASSERT_EQ(generation.steps.size(), steps);
    const std::string until = tokenizer.decode(std::span(ids).first(steps), false);
    EXPECT_EQ(generation.text, until.substr(0, until.find(stop)));
  }
}

TEST(StopFinder, FindsStopStringsAnywhereInLongTexts) {
  const TinyGenerating tiny(TinyCausal::qwen2(true));
  std::string text;
  for (int i = 0; i < 300; ++i) text += fmt::format("{} é漢字🙂 ", i);
  const std::vector<std::int32_t> ids = tiny.model->encode(text);  // a token a byte
  for (const std::string stop : {"7 é", "字🙂 123 ", "299", "300"}) {
    const std::vector<std::string> stops = {stop};
    StopFinder finder(tiny.model->tokenizer, stops);
    std::optional<StopFinder::Hit> hit;
    std::size_t tokens = 0;
    while (!hit && tokens < ids.size()) hit = finder.find(std::span(ids).first(++tokens));
    const std::size_t expected = text.find(stop);
    ASSERT_EQ(hit.has_value(), expected != std::string::npos) << stop;
    EXPECT_EQ(hit ? hit->text : "", hit ? text.substr(0, expected) : "");
  }
}

TEST(Generator, WritesNothingOrOneToken) {
  const TinyGenerating tiny(TinyCausal::qwen2(false));
  const Requests requests = {request_of(*tiny.model, "A prompt", 0), request_of(*tiny.model, "A prompt", 1)};
  const Results results = run(*tiny.model, requests).results;
  const Generation &none = good(results[0]), &one = good(results[1]);
  EXPECT_TRUE(none.steps.empty());
  EXPECT_EQ(none.text, "");
  EXPECT_EQ(none.finish, Finish::kLength);
  ASSERT_EQ(one.steps.size(), 1u);
  EXPECT_EQ(one.finish, Finish::kLength);
  EXPECT_EQ(one.text, tiny.model->tokenizer.decode(ids_of(one), false));
  expect_equal_steps(none.next, one.steps[0]);
  ASSERT_EQ(one.steps[0].top.size(), 3u);
  EXPECT_EQ(one.steps[0].top[0].first, one.steps[0].token);
}

TEST(Generator, EndsAtAnEndOfText) {
  const TinyGenerating tiny(TinyCausal::llama());
  const Requests requests = {request_of(*tiny.model, "A prompt", 20)};
  const std::vector<std::int32_t> ids = ids_of(good(run(*tiny.model, requests).results[0]));
  const std::int32_t end = ids[7];
  const Results results = run(*tiny.model, requests, {.end_of_text = {end}}).results;
  const Generation& ended = good(results[0]);
  EXPECT_EQ(ended.finish, Finish::kEndOfText);
  const auto expected = std::find(ids.begin(), ids.end(), end) - ids.begin() + 1;
  EXPECT_EQ(ids_of(ended), std::vector<std::int32_t>(ids.begin(), ids.begin() + expected));
}

TEST(Generator, EndsWhereTheModelsPositionsEnd) {
  TinyCausal causal = TinyCausal::mistral();
  causal.config["max_position_embeddings"] = "48";
  const TinyGenerating tiny(causal);
  Requests requests;
  for (const std::size_t tokens : {40u, 48u, 49u}) {
    requests.push_back(request_of(*tiny.model, "", 100));
    requests.back().prompt.assign(tokens, 40);
  }
  const Results results = run(*tiny.model, requests).results;
  EXPECT_EQ(good(results[0]).steps.size(), 8u);
  EXPECT_EQ(good(results[0]).finish, Finish::kLength);
  EXPECT_TRUE(good(results[1]).steps.empty());
  EXPECT_EQ(good(results[1]).next.top.size(), 3u);
  ASSERT_FALSE(results[2].ok());
  EXPECT_EQ(results[2].error().code, Error::Code::kBadInput);
  EXPECT_NE(results[2].error().what.find("positions for 48"), std::string::npos);
}

TEST(Generator, RefusesWhatCannotRunAndRunsTheRest) {
  const TinyGenerating tiny(TinyCausal::qwen2(true));
  const GenerationRequest fine = request_of(*tiny.model, "A prompt", 5);
  Requests requests(6, fine);
  requests[1].prompt.clear();
  requests[2].prompt.push_back(100000);
  requests[3].watched.push_back(-1);
  requests[4].stop_strings = {"x", ""};
  const Results results = run(*tiny.model, requests).results;
  for (const std::size_t i : {1u, 2u, 3u, 4u}) {
    ASSERT_FALSE(results[i].ok()) << i;
    EXPECT_EQ(results[i].error().code, Error::Code::kBadInput) << i;
  }
  expect_equal_results({results[0], results[5]}, one_at_a_time(*tiny.model, {fine, fine}));
}

TEST(Generator, SaysHowMuchMemoryARequestNeeds) {
  const TinyGenerating tiny(TinyCausal::qwen2(true));
  GenerationRequest request = request_of(*tiny.model, "", 33);
  request.prompt.assign(64, 40);  // 96 tokens are stored, the last new one is not
  const std::size_t needed = 3 * tiny.model->block_bytes();
  const Requests requests = {request};
  const Results refused = run(*tiny.model, requests, {.kv_bytes = needed - 1}).results;
  ASSERT_FALSE(refused[0].ok());
  EXPECT_EQ(refused[0].error().code, Error::Code::kOutOfMemory);
  EXPECT_NE(refused[0].error().fix.find(fmt::format("at least {} bytes", needed)), std::string::npos)
      << refused[0].error().message();
  expect_equal_results(run(*tiny.model, requests, {.kv_bytes = needed}).results, one_at_a_time(*tiny.model, requests));
}

TEST(Generator, LosesOnlyTheRequestWhoseNumbersAreNotFinite) {
  TinyCausal causal = TinyCausal::qwen2(false);
  constexpr std::int32_t kBroken = 3;
  auto& table = causal.tensors["model.embed_tokens.weight"];
  for (std::size_t i = 0; i < table.shape[1]; ++i)
    table.values[kBroken * table.shape[1] + i] = std::numeric_limits<float>::quiet_NaN();
  const TinyGenerating tiny(causal);
  Requests requests;
  for (std::int32_t last = 40; last < 44; ++last) {
    requests.push_back(request_of(*tiny.model, std::string(50, 'q'), 6));
    requests.back().prompt.push_back(last);
    requests.back().prompt.resize(54, last);
  }
  const Results alone = one_at_a_time(*tiny.model, requests);
  // The first one to come is broken, behind what the others take over from it.
  requests.insert(requests.begin(), requests.front());
  requests.front().prompt.push_back(kBroken);
  for (const std::size_t budget : {100u, 6u}) {
    Results results = run(*tiny.model, requests, {.kv_bytes = budget * tiny.model->block_bytes()}).results;
    ASSERT_FALSE(results.front().ok());
    EXPECT_NE(results.front().error().what.find("not finite"), std::string::npos);
    results.erase(results.begin());
    expect_equal_results(alone, results);
  }
}

TEST(Generator, StopsWhenToldTo) {
  const TinyGenerating tiny(TinyCausal::llama());
  Requests requests = many_requests(*tiny.model, 8, 30);
  requests[3].max_new_tokens = 2;
  WorkerPool workers(1);
  Generator generator(tiny.model->model, tiny.model->tokenizer, workers, {});
  std::vector<std::size_t> told;
  const auto stop = [&](std::size_t i, const Result<Generation>& result) {
    EXPECT_TRUE(result.ok());
    told.push_back(i);
    return false;
  };
  const Results results = generator.generate(requests, {.on_done = stop});
  EXPECT_EQ(told, std::vector<std::size_t>{3});
  for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].ok(), i == 3);
  EXPECT_NE(results[0].error().what.find("stopped"), std::string::npos);
  expect_equal_results(generator.generate(requests), one_at_a_time(*tiny.model, requests));
}

TEST(Generator, TellsOfEveryPass) {
  const TinyGenerating tiny(TinyCausal::llama());
  const Requests requests = many_requests(*tiny.model, 8, 30);
  WorkerPool workers(1);
  Generator generator(tiny.model->model, tiny.model->tokenizer, workers, {});
  std::size_t heard = 0;
  const auto listen = [&](std::size_t new_tokens) {
    EXPECT_GT(new_tokens, heard);
    EXPECT_LE(new_tokens, heard + requests.size());
    heard = new_tokens;
    return true;
  };
  const Results results = generator.generate(requests, {.on_tokens = listen});
  std::size_t written = 0;
  for (const Result<Generation>& result : results) written += good(result).steps.size();
  EXPECT_GT(heard, written - requests.size()) << "only of the last pass nobody needs to hear";

  const Results stopped = generator.generate(requests, {.on_tokens = [](std::size_t n) { return n < 20; }});
  for (const Result<Generation>& result : stopped) {
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().what.find("stopped"), std::string::npos);
  }
}

// What follows a request gives what it gives alone, and takes its beginning over.
TEST(Generator, GoesOnWithWhatFollows) {
  const TinyGenerating tiny(TinyCausal::qwen2(false));
  Requests requests = many_requests(*tiny.model, 12, 10), followers;
  for (GenerationRequest& request : requests) {
    request.may_be_followed = true;
    request.prompt.insert(request.prompt.begin(), 40, static_cast<std::int32_t>(40 + followers.size()));
    followers.push_back(request);
    followers.back().prompt.push_back(41);
    followers.back().max_new_tokens = followers.size() % 3;
  }
  followers[5].prompt.clear();
  for (const std::size_t budget : {1000u, 9u}) {
    std::vector<int> asked(requests.size(), 0);
    WorkerPool workers(2);
    Generator generator(tiny.model->model, tiny.model->tokenizer, workers,
                        {.kv_bytes = budget * tiny.model->block_bytes()});
    const auto follow = [&](std::size_t i, const Generation&) -> std::optional<GenerationRequest> {
      if (i == 7 || ++asked[i] > 1) return std::nullopt;
      return followers[i];
    };
    const Results results = generator.generate(requests, {.follow = follow});
    for (std::size_t i = 0; i < requests.size(); ++i) {
      SCOPED_TRACE(i);
      if (i == 5) {
        EXPECT_EQ(results[i].error().what, "a prompt without a token");
      } else {
        expect_equal_results({results[i]}, one_at_a_time(*tiny.model, {i == 7 ? requests[i] : followers[i]}));
      }
    }
    if (budget == 1000u) {
      EXPECT_GE(generator.counts().shared_tokens, 10 * 32u);
    }
  }

  // With nobody else there to hold the memory.
  WorkerPool workers(1);
  Generator generator(tiny.model->model, tiny.model->tokenizer, workers, {});
  generator.generate(std::span(requests).first(1),
                     {.follow = [&, asked = false](std::size_t, const Generation&) mutable {
                       return std::exchange(asked, true) ? std::nullopt : std::optional(followers[0]);
                     }});
  EXPECT_GE(generator.counts().shared_tokens, 32u);
}

}  // namespace
}  // namespace rerank
