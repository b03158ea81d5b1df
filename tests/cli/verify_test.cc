// rerank verify: examples files that agree, that do not, and that are none.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <set>

#include "cli/card_examples.h"
#include "cli/examples.h"
#include "cli/program.h"
#include "rerank/engine.h"
#include "support/tiny_causal.h"
#include "support/tiny_checkpoint.h"

namespace rerank::testing {
namespace {

const std::vector<Pair> kPairs = {{"a b", "c d e"}, {"f", "g h i j k"}};

// What `options` of an examples file is for the engine.
struct Case {
  const char* method;
  std::function<TinyModel()> model;
  std::string options;
  ScoreOptions same;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {"cross-encoder", TinyCheckpoint::bert, "{}", {}},
      {"cross-encoder", TinyCheckpoint::xlm_roberta, R"({"normalize": true})", {.normalize = true}},
      {"yes-logit", TinyCausal::gemma, R"({"max_length": 40})", {.max_length = 40}},
      {"layerwise", TinyCausal::minicpm, R"({"cutoff_layers": [3]})", {.cutoff_layers = {3}}},
      {"layerwise", TinyCausal::minicpm, R"({"cutoff_layers": [4, 2]})", {.cutoff_layers = {4, 2}}},
      {"lightweight",
       TinyCausal::gemma2,
       R"({"cutoff_layers": [4], "compress_ratio": 2, "compress_layers": [2]})",
       {.cutoff_layers = {4}, .compress_ratio = 2, .compress_layers = {2}}},
      {"expectation", [] { return TinyCausal::qwen2(true); }, R"({"top_logprobs": 5})", {.top_logprobs = 5}},
  };
  return list;
}

// An examples file with one run over kPairs; `printed` is a JSON list, or empty.
std::string examples_file(const std::string& method, const std::string& options, const std::string& printed) {
  std::string pairs;
  for (const Pair& pair : kPairs)
    pairs += fmt::format(R"({}["{}", "{}"])", pairs.empty() ? "" : ", ", pair.query, pair.passage);
  const std::string expected =
      printed.empty() ? ""
                      : fmt::format(R"(, "printed": {}, "tolerance": {{"f32": 1e-6, "bf16": 0.1}}, "why": "{}")",
                                    printed, "the engine's own");
  return fmt::format(
      R"({{"schema": 1, "names": ["own/tiny"], "method": "{}", "runs": [{{"title": "own scores", "options": {}, "pairs": [{}]{}}}]}})",
      method, options, pairs, expected);
}

// The engine's scores of kPairs as a "printed" list, plus `error` on the last number.
std::string own_scores(const std::filesystem::path& folder, const ScoreOptions& options, double error = 0) {
  const auto engine = Engine::load(folder, {.dtype = Dtype::kF32, .threads = 1});
  if (!engine.ok()) return engine.error().message();
  const auto scores = engine.value().score(kPairs, options);
  if (!scores.ok()) return scores.error().message();
  std::vector<std::string> list;
  for (std::size_t pair = 0; pair < kPairs.size(); ++pair) {
    const Score& score = scores.value()[pair];
    const double add = pair + 1 == kPairs.size() ? error : 0;
    std::vector<double> layers = score.layer_values;
    if (!layers.empty()) layers.back() += add;
    list.push_back(layers.empty() ? fmt::format("{}", score.value + add)
                                  : fmt::format("[{}]", fmt::join(layers, ", ")));
  }
  return fmt::format("[{}]", fmt::join(list, ", "));
}

class Verify : public ProgramTest {
 protected:
  Outcome verify(const std::filesystem::path& model, const std::string& examples,
                 std::vector<std::string> more = {}) const {
    write("examples.json", examples);
    std::vector<std::string> arguments = {"verify",    "--model", model,        "--dtype",      "f32",
                                          "--threads", "1",       "--examples", "examples.json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
};

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no \"" << part << "\" in:\n" << text;
}

TEST_F(Verify, TheEnginesOwnScoresAgree) {
  for (const Case& one : cases()) {
    TinyModel::Folder folder;
    one.model().write(folder);
    const std::string file = examples_file(one.method, one.options, own_scores(folder.path, one.same));
    const Outcome outcome = verify(folder.path, file);
    ASSERT_EQ(outcome.exit, 0) << one.method << one.options << '\n' << outcome.err << outcome.out << file;
    expect_contains(outcome.out, "own scores");
    expect_contains(outcome.out, "ok");
    expect_contains(outcome.out, "a b | c d e");
    expect_contains(outcome.out,
                    fmt::format("{0} of {0} printed scores agree", one.same.cutoff_layers.size() > 1 ? 4 : 2));
  }
}

TEST_F(Verify, AWrongScoreFailsAndIsNamed) {
  for (const Case& one : cases()) {
    TinyModel::Folder folder;
    one.model().write(folder);
    const Outcome outcome =
        verify(folder.path, examples_file(one.method, one.options, own_scores(folder.path, one.same, 0.01)));
    EXPECT_EQ(outcome.exit, 1) << one.method << '\n' << outcome.err;
    expect_contains(outcome.out, "FAIL");
    expect_contains(outcome.out, one.same.cutoff_layers.size() > 1 ? "1 of 4 scores FAIL" : "1 of 2 scores FAIL");
    expect_contains(outcome.err, "\"own scores\", pair 2");
    expect_contains(outcome.err, "the engine's own");
    expect_contains(outcome.err, "look at");
  }
}

TEST_F(Verify, OneNumberIsTheHighestOfSeveralLayers) {
  TinyModel::Folder folder;
  TinyCausal::minicpm().write(folder);
  const std::string file =
      examples_file("layerwise", R"({"cutoff_layers": [2, 3]})", own_scores(folder.path, {.cutoff_layers = {3}}));
  const Outcome outcome = verify(folder.path, file);
  EXPECT_EQ(outcome.exit, 0) << outcome.err << outcome.out;
}

TEST_F(Verify, LayersWithoutAHeadAreAnError) {
  TinyModel::Folder folder;
  TinyCausal::minicpm().write(folder);
  const std::string printed = own_scores(folder.path, {.cutoff_layers = {2, 3, 4}});
  const Outcome outcome = verify(folder.path, examples_file("layerwise", R"({"cutoff_layers": [1, 2, 3]})", printed));
  EXPECT_EQ(outcome.exit, 1) << outcome.out;
  expect_contains(outcome.err, "examples.json: runs[0].printed[0]");
}

TEST_F(Verify, WithoutPrintedScoresTheyAreOnlyShown) {
  TinyModel::Folder folder;
  TinyCheckpoint::bert().write(folder);
  const Outcome outcome = verify(folder.path, examples_file("cross-encoder", "{}", ""));
  EXPECT_EQ(outcome.exit, 0) << outcome.err;
  expect_contains(outcome.out, "no printed score");
  expect_contains(outcome.out, "nothing to compare");
}

TEST_F(Verify, TheFilesOptionsGoBeforeTheCommandLines) {
  TinyModel::Folder folder;
  TinyCheckpoint::bert().write(folder);
  const std::string normalized = own_scores(folder.path, {.normalize = true});
  EXPECT_EQ(verify(folder.path, examples_file("cross-encoder", "{}", normalized), {"--normalize"}).exit, 0);
  const std::string raw = examples_file("cross-encoder", R"({"normalize": false})", own_scores(folder.path, {}));
  EXPECT_EQ(verify(folder.path, raw, {"--normalize"}).exit, 0);
}

TEST_F(Verify, JsonHoldsEveryScore) {
  TinyModel::Folder folder;
  TinyCausal::minicpm().write(folder);
  const Case& one = cases()[4];
  const Outcome outcome =
      verify(folder.path, examples_file(one.method, one.options, own_scores(folder.path, one.same, 0.01)), {"--json"});
  EXPECT_EQ(outcome.exit, 1);
  for (const char* part : {R"("method":"layerwise")", R"("dtype":"f32")", R"("compared":4)", R"("failed":1)",
                           R"("query":"f")", R"("layer":2)", R"("difference":)", R"("ok":false)"})
    expect_contains(outcome.out, part);
}

// What int8 may differ by, a file need not say: then its scores are shown, and judged by nobody.
TEST_F(Verify, Int8IsComparedWhereTheFileSaysHow) {
  TinyModel::Folder folder;
  TinyCheckpoint::bert().write(folder);
  const std::string file = examples_file("cross-encoder", "{}", own_scores(folder.path, {}));
  write("silent.json", file);
  const std::vector<std::string> int8 = {"verify", "--model", folder.path, "--dtype", "int8", "--examples"};
  const auto with = [&](const char* name) {
    std::vector<std::string> arguments = int8;
    arguments.emplace_back(name);
    return run(arguments);
  };
  const Outcome silent = with("silent.json");
  EXPECT_EQ(silent.exit, 0) << silent.err;
  expect_contains(silent.out, "no bound for this dtype");
  expect_contains(silent.out, "nothing to compare: 2 scores shown");
  for (const auto& [bound, exit] : {std::pair("1", 0), {"0", 1}}) {
    std::string told = file;
    const std::string bf16 = R"("bf16": 0.1)";
    told.replace(told.find(bf16), bf16.size(), bf16 + R"(, "int8": )" + bound);
    write("told.json", told);
    const Outcome outcome = with("told.json");
    EXPECT_EQ(outcome.exit, exit) << outcome.err << outcome.out;
  }
}

TEST_F(Verify, ACardIsFoundByTheFoldersNameOrTheConfigurations) {
  TinyModel::Folder folder;
  TinyCausal::qwen2(true).write(folder);  // its _name_or_path is lightblue/lb-reranker-0.5B-v1.0
  const Outcome by_config = run({"verify", "--model", folder.path, "--threads", "1", "--dtype", "f32"});
  EXPECT_EQ(by_config.exit, 1) << "random weights cannot agree";
  expect_contains(by_config.out, "models/verify/lb-reranker.json");
  TinyModel::Folder other;
  TinyCheckpoint::xlm_roberta().write(other);
  std::filesystem::copy(other.path, path("BGE-Reranker-Large"));
  const Outcome by_folder = run({"verify", "--model", "BGE-Reranker-Large", "--threads", "1"});
  EXPECT_EQ(by_folder.exit, 0) << by_folder.err;  // a card without printed scores
  expect_contains(by_folder.out, "models/verify/bge-reranker-base.json");
}

TEST_F(Verify, WhatHasNoCardIsAnErrorThatNamesTheCards) {
  TinyModel::Folder folder;
  TinyCheckpoint::bert().write(folder);
  const Outcome unknown = run({"verify", "--model", folder.path});
  EXPECT_EQ(unknown.exit, 1);
  expect_contains(unknown.err, "BAAI/bge-reranker-v2-m3");
  expect_contains(unknown.err, "--examples");
  const Outcome embedded = run({"verify"});
  EXPECT_EQ(embedded.exit, 1);
  expect_contains(embedded.err, "embedded");
  expect_contains(embedded.err, "--examples");
  EXPECT_EQ(run({"verify", "--model", "/no/such/folder"}).exit, 2);
  write("empty/readme.txt", "nothing of a model in here");
  EXPECT_EQ(run({"verify", "--model", "empty"}).exit, 2);
}

TEST_F(Verify, TheEmbeddedModelTakesExamples) {
  write("examples.json", examples_file("cross-encoder", "{}", ""));
  EXPECT_EQ(run({"verify", "--examples", "examples.json"}).exit, 0);
}

TEST_F(Verify, AnotherMethodIsAnError) {
  TinyModel::Folder folder;
  TinyCheckpoint::bert().write(folder);
  const Outcome outcome = verify(folder.path, examples_file("layerwise", "{}", ""));
  EXPECT_EQ(outcome.exit, 1);
  expect_contains(outcome.err, "layerwise");
  expect_contains(outcome.err, "cross-encoder");
}

TEST_F(Verify, OptionsThatTheModelCannotTakeAreNamedInTheFile) {
  TinyModel::Folder folder;
  TinyCheckpoint::bert().write(folder);
  const Outcome outcome = verify(folder.path, examples_file("cross-encoder", R"({"max_length": 2})", ""));
  EXPECT_EQ(outcome.exit, 1);
  expect_contains(outcome.err, "examples.json: runs[0].options");
}

TEST_F(Verify, ABrokenFileIsAnErrorWithItsPlace) {
  struct Broken {
    const char* why;
    std::string from, to, expected;
  };
  const std::string good = examples_file("cross-encoder", "{}", "[1, 2]");
  const Broken broken[] = {
      {"no JSON", good, "{", "examples.json"},
      {"a list", good, "[]", "examples.json"},
      {"an empty file", good, "", "examples.json"},
      {"no schema", R"("schema": 1, )", "", "schema"},
      {"another schema", R"("schema": 1)", R"("schema": 2)", "schema: is 2"},
      {"no names", R"(["own/tiny"])", "[]", "names: is empty"},
      {"a name that is a number", R"(["own/tiny"])", "[1]", "names[0]"},
      {"no method", R"("method": "cross-encoder", )", "", "method"},
      {"an unknown key", R"("method")", R"("dtype": "f32", "method")", "dtype: is no key"},
      {"a key twice", R"("method")", R"("schema": 1, "method")", "schema: the key stands twice"},
      {"no title", R"("title": "own scores", )", "", "runs[0]: \"title\" is missing"},
      {"a title that is null", R"("own scores")", "null", "runs[0].title"},
      {"no options", R"("options": {}, )", "", "runs[0]: \"options\" is missing"},
      {"an unknown option", R"("options": {})", R"("options": {"max_len": 5})", "runs[0].options.max_len"},
      {"an option twice", R"("options": {})", R"("options": {"normalize": true, "normalize": false})",
       "runs[0].options.normalize"},
      {"a flag that is a number", R"("options": {})", R"("options": {"normalize": 1})", "runs[0].options.normalize"},
      {"a length that is text", R"("options": {})", R"("options": {"max_length": "9"})", "runs[0].options.max_length"},
      {"a length that is negative", R"("options": {})", R"("options": {"max_length": -1})", "is -1"},
      {"a length beyond all", R"("options": {})", R"("options": {"max_length": 1e99})", "runs[0].options.max_length"},
      {"layers that are a number", R"("options": {})", R"("options": {"cutoff_layers": 8})",
       "runs[0].options.cutoff_layers"},
      {"a layer that is text", R"("options": {})", R"("options": {"cutoff_layers": [1, "8"]})",
       "runs[0].options.cutoff_layers[1]"},
      {"three texts", R"("c d e"])", R"("c d e", "x"])", "runs[0].pairs[0]: has 3 items"},
      {"a passage that is null", R"("c d e"])", "null]", "runs[0].pairs[0][1]"},
      {"fewer scores than pairs", "[1, 2]", "[1]", "runs[0].printed: has 1 scores for 2 pairs"},
      {"a score that is text", "[1, 2]", R"([1, "2"])", "runs[0].printed[1]"},
      {"a score in a list that is text", "[1, 2]", R"([1, [2, "x"]])", "runs[0].printed[1][1]"},
      {"a list with no score", "[1, 2]", "[1, []]", "runs[0].printed[1]"},
      {"no tolerance", R"(, "tolerance": {"f32": 1e-6, "bf16": 0.1})", "", "runs[0]: \"tolerance\" is missing"},
      {"no tolerance for a dtype", R"(, "bf16": 0.1)", "", "runs[0].tolerance: \"bf16\" is missing"},
      {"an unknown dtype", R"("bf16": 0.1)", R"("bf16": 0.1, "f16": 0.1)", "runs[0].tolerance.f16"},
      {"a negative tolerance", R"("bf16": 0.1)", R"("bf16": -0.1)", "runs[0].tolerance.bf16: is -0.1"},
      {"no reason", R"(, "why": "the engine's own")", "", "runs[0]: \"why\" is missing"},
      {"a reason for nothing", R"("printed": [1, 2], "tolerance": {"f32": 1e-6, "bf16": 0.1}, )", "", "runs[0].why"},
      {"invalid UTF-8", "own scores", "\xff", "UTF-8"},
  };
  for (const auto& [why, from, to, expected] : broken) {
    std::string file = good;
    const std::size_t at = file.find(from);
    ASSERT_NE(at, std::string::npos) << why;
    write("examples.json", file.replace(at, from.size(), to));
    const Outcome outcome = run({"verify", "--examples", "examples.json"});
    EXPECT_EQ(outcome.exit, 1) << why;
    EXPECT_EQ(outcome.out, "") << why;
    EXPECT_EQ(outcome.err.rfind("rerank: examples.json", 0), 0u) << why << '\n' << outcome.err;
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << why << '\n' << outcome.err;
  }
  EXPECT_EQ(run({"verify", "--examples", "no-such.json"}).exit, 1);
  EXPECT_EQ(run({"verify", "--examples", "."}).exit, 1);
}

TEST_F(Verify, HelpsWithExamples) {
  const Outcome outcome = run({"verify", "--help"});
  EXPECT_EQ(outcome.exit, 0);
  expect_contains(outcome.out, "rerank verify --model");
  EXPECT_EQ(outcome.err, "");
}

// The program holds every file of models/verify/, each keeps to the format, and no model belongs to two of them.
TEST(CardExamples, AreAllInTheProgramAndWellFormed) {
  std::set<std::string> on_disk, in_program, names;
  const std::filesystem::path folder = std::filesystem::path(RERANK_SOURCE_DIR) / "models" / "verify";
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json") on_disk.insert("models/verify/" + entry.path().filename().string());
  for (const cli::CardFile& card : cli::card_files()) {
    in_program.insert(std::string(card.name));
    const auto examples = cli::parse_examples(card.text, std::string(card.name), {});
    ASSERT_TRUE(examples.ok()) << examples.error().message();
    for (const std::string& name : examples.value().names) {
      EXPECT_TRUE(names.insert(name).second) << name;
      const auto found = cli::find_card_examples({"", name}, {});
      ASSERT_TRUE(found.ok()) << found.error().message();
      EXPECT_EQ(found.value().file, card.name);
    }
  }
  EXPECT_EQ(in_program, on_disk);
}

}  // namespace
}  // namespace rerank::testing
