#include "cli/model_options.h"

#include <fmt/format.h>

#include <CLI/Validators.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>

#include "base/try.h"
#include "io/json_text.h"

namespace rerank::cli {
namespace {

constexpr const char* kGroup = "Model options";
constexpr int kLongest = 1 << 20;  // tokens; how many a model takes, the engine knows
constexpr int kMostRethinks = 1000;

// An option whose value is one of a few words.
template <class T>
void add_choice(CLI::App& command, const std::string& name, const std::string& words, const std::string& help,
                const std::map<std::string, T>& choices, T& target) {
  command
      .add_option_function<std::string>(
          name, [&target, choices](const std::string& word) { target = choices.at(word); }, help)
      ->check(CLI::IsMember(choices).description(""))
      ->type_name(words)
      ->group(kGroup);
}

std::string read_prompt(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) throw CLI::ValidationError("--prompt-file", fmt::format("{} cannot be read", file));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

Result<EngineOptions> with_located_adapter(const ModelOptions& options) {
  EngineOptions engine = options.engine;
  std::error_code ignored;
  if (!is_hub_name(engine.adapter) || std::filesystem::exists(engine.adapter, ignored)) return engine;
  RERANK_ASSIGN(const std::filesystem::path folder, locate_adapter(options));
  engine.adapter = folder.string();
  return engine;
}

void tell(const std::vector<std::string>& remarks) {
  for (const std::string& remark : remarks) fmt::print(stderr, "rerank: {}\n", remark);
}

}  // namespace

void add_model_options(CLI::App& command, ModelOptions& options) {
  const auto text = [&](const char* name, std::string& target, const char* type, const char* help) {
    return command.add_option(name, target, help)->type_name(type)->group(kGroup);
  };
  const auto number = [&](const char* name, int& target, int lowest, int highest, const char* help) {
    command.add_option(name, target, help)
        ->check(CLI::Range(lowest, highest).description(""))
        ->type_name("N")
        ->group(kGroup);
  };
  const auto layers = [&](const char* name, std::vector<int>& target, const char* help) {
    command.add_option(name, target, help)->delimiter(',')->type_name("N,N,...")->group(kGroup);
  };
  text("-m,--model", options.model, "DIR|HUB_NAME",
       "Folder with config.json, safetensors and tokenizer.json, or the name of a model on the Hugging Face hub, such "
       "as "
       "BAAI/bge-reranker-v2-m3, which is fetched when it is not in the local cache [the embedded English model]");
  add_hub_options(command, options.hub, kGroup);
  text("--method", options.engine.method, "NAME",
       "How the model scores: cross-encoder, yes-logit, layerwise, lightweight, expectation, reasoning [found from "
       "config.json]");
  add_choice<Dtype>(
      command, "--dtype", "auto|f32|bf16|int8",
      "Precision of weights and matrix products; int8 is the fastest and smallest, and the least exact [auto: bf16 "
      "where the CPU has it, else f32]",
      {{"auto", Dtype::kAuto}, {"f32", Dtype::kF32}, {"bf16", Dtype::kBf16}, {"int8", Dtype::kInt8}},
      options.engine.dtype);
  number("--threads", options.engine.threads, 0, 1024, "Worker threads [0: one for each CPU]");
  number("--max-length", options.score.max_length, 1, kLongest,
         "Tokens of a pair, special tokens included [512, with --truncation card 1024 for LLM rerankers; or what the "
         "model has; expectation: all]");
  number("--query-max-length", options.score.query_max_length, 0, kLongest,
         "Tokens of the query [0: 3/4 of --max-length]");
  add_choice<Truncation>(command, "--truncation", "flagembedding|card",
                         "What a pair that is too long loses: the passage's end by FlagEmbedding's rule "
                         "(flagembedding), or what the model card's own code cuts (card) [flagembedding]",
                         {{"flagembedding", Truncation::kFlagEmbedding}, {"card", Truncation::kCard}},
                         options.score.truncation);
  command
      .add_flag_callback(
          "--no-special-in-text", [&options] { options.score.special_tokens_in_text = false; },
          "Keep text that spells a control token, such as </s>, as plain text")
      ->group(kGroup);
  command
      .add_flag("--normalize", options.score.normalize,
                "Scores from 0 to 1: the sigmoid of a logit, (score - 1) / 6 of an expectation")
      ->group(kGroup);
  const auto optional_text = [&](const char* name, std::optional<std::string>& target, const char* help) {
    command
        .add_option_function<std::string>(
            name, [&target](const std::string& value) { target = value; }, help)
        ->type_name("TEXT")
        ->group(kGroup);
  };
  optional_text("--query-instruction", options.score.query_instruction,
                "Goes before every query [\"A: \" for yes-logit, layerwise and lightweight, else none]");
  text("--query-instruction-format", options.score.query_instruction_format, "FORMAT",
       "How it does: the first {} is the instruction, the second the query, \\n a newline [{}{}]");
  optional_text("--passage-instruction", options.score.passage_instruction,
                "Goes before every passage [\"B: \" for the same methods, else none]");
  text("--passage-instruction-format", options.score.passage_instruction_format, "FORMAT",
       "How it does: the first {} is the instruction, the second the passage, \\n a newline [{}{}]");
  optional_text("--prompt", options.score.prompt,
                "LLM rerankers: what follows the passage; expectation: the system message; reasoning: what goes around "
                "the query, which takes the place of FILL_QUERY_HERE [the method's own]");
  command
      .add_option_function<std::string>(
          "--prompt-file", [&options](const std::string& file) { options.score.prompt = read_prompt(file); },
          "The same from a file, without the line end that it ends with")
      ->type_name("FILE")
      ->excludes("--prompt")
      ->group(kGroup);
  text("--answer", options.engine.answer, "TEXT", "yes-logit: the answer whose logit is the score [Yes]");
  text("--adapter", options.engine.adapter, "DIR|HUB_NAME", "A PEFT LoRA adapter to merge into the weights");
  layers("--cutoff-layers", options.score.cutoff_layers,
         "Layers whose scores are read, such as 8,16; those above are not loaded [the last]");
  command.add_option("--compress-ratio", options.score.compress_ratio, "lightweight: passage tokens merged to one [1]")
      ->type_name("1|2|4|8")
      ->group(kGroup);
  layers("--compress-layers", options.score.compress_layers, "lightweight: the layers before which they are [8]");
  add_choice<Heads>(command, "--heads", "by-position|by-layer",
                    "lightweight: the k-th cutoff layer is read by the k-th head, as FlagEmbedding does, or by its own "
                    "[by-position]",
                    {{"by-position", Heads::kByPosition}, {"by-layer", Heads::kByLayer}}, options.score.heads);
  add_choice<bool>(command, "--attention-softcap", "on|off",
                   "lightweight: Gemma 2's cap on attention logits; FlagEmbedding's default leaves it out [off]",
                   {{"on", true}, {"off", false}}, options.score.attention_softcap);
  number("--top-logprobs", options.score.top_logprobs, 0, kLongest,
         "expectation: digits that are not among the K likeliest tokens count 0 [0: all count]");
  add_choice<Readout>(command, "--readout", "expected-value|high-minus-low",
                      "expectation: sum of i p(i), or mean p(4..7) minus mean p(1..4) [expected-value]",
                      {{"expected-value", Readout::kExpectedValue}, {"high-minus-low", Readout::kHighMinusLow}},
                      options.score.readout);
  add_choice<bool>(command, "--share-prefixes", "on|off",
                   "Compute what pairs have in common at their beginning once; changes no score [on]",
                   {{"on", true}, {"off", false}}, options.score.share_prefixes);
  command
      .add_option_function<int>(
          "--max-new-tokens", [&options](const int& tokens) { options.score.max_new_tokens = tokens; },
          "reasoning: tokens that the model may write, 0: none, every verdict is forced [8192, or that share of a "
          "context below 16000]")
      ->check(CLI::Range(0, kLongest).description(""))
      ->type_name("N")
      ->group(kGroup);
  number("--think-budget", options.score.think_budget, 0, kLongest,
         "reasoning: after N new tokens the verdict is forced [0: at --max-new-tokens]");
  add_choice<Verdict>(command, "--verdict", "forced|official|card",
                      "reasoning: read where the model said it, else forced (forced); at the last token, as the "
                      "official code does (official); the same, and an error where there is none (card) [forced]",
                      {{"forced", Verdict::kForced}, {"official", Verdict::kOfficial}, {"card", Verdict::kCard}},
                      options.score.verdict);
  number("--rethink", options.score.rethink, 0, kMostRethinks,
         "reasoning: times a verdict is taken back, so that the model thinks again [0]");
  command
      .add_option("--kv-memory", options.engine.kv_bytes,
                  "reasoning: memory for keys and values, such as 4G or 512M [a quarter of the machine's]")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->type_name("SIZE")
      ->group(kGroup);
  command
      .add_option("--score-cache", options.engine.score_cache_bytes,
                  "Memory for scores, such as 64M: a pair that comes again is not computed again; changes no score [0: "
                  "none]")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->type_name("SIZE")
      ->group(kGroup);
  text("--weight-cache", options.engine.weight_cache, "DIR",
       "Folder for weights as they are held in memory: the next start maps them and is faster, and processes share "
       "them; takes as much disk; may be deleted at any time [RERANK_WEIGHT_CACHE, or else none]");
  text("--cpu-level", options.engine.cpu_level, "LEVEL",
       "Highest CPU level to use: scalar, avx2, avx512, avx512-bf16, amx [RERANK_CPU_LEVEL, or else the best]");
}

Result<std::filesystem::path> locate_model(const ModelOptions& options) {
  return locate_model(options.model, options.hub);
}

Result<std::filesystem::path> locate_adapter(const ModelOptions& options) {
  return locate_model(options.engine.adapter, {.revision = "main", .offline = options.hub.offline});
}

Result<Engine> load_engine(const ModelOptions& options) {
  RERANK_ASSIGN(EngineOptions engine_options, with_located_adapter(options));
  if (!options.score.cutoff_layers.empty())
    engine_options.last_layer =
        std::max(0, *std::max_element(options.score.cutoff_layers.begin(), options.score.cutoff_layers.end()));
  const auto load = [&]() -> Result<Engine> {
    if (options.model.empty()) return Engine::load_embedded(engine_options);
    RERANK_ASSIGN(const std::filesystem::path folder, locate_model(options));
    return Engine::load(folder, engine_options);
  };
  RERANK_ASSIGN(Engine engine, load());
  tell(engine.remarks(options.score));
  return engine;
}

bool writes_reasoning(const ModelInfo& info) {
  return info.method == "reasoning";
}

std::string reasoning_members(const Score& score) {
  const std::string cut = score.cut_tokens > 0 ? fmt::format(R"(,"cut_tokens":{})", score.cut_tokens) : "";
  return fmt::format(R"("reasoning":{},"new_tokens":{},"finished":{}{})", io::json_string(score.reasoning),
                     score.new_tokens, score.finished, cut);
}

bool scores_are_float32(const ModelOptions& options, const ModelInfo& info) {
  return !options.score.normalize && info.method != "expectation" && !writes_reasoning(info);
}

Result<TextGenerator> load_generator(const ModelOptions& options) {
  RERANK_ASSIGN(const std::filesystem::path folder, locate_model(options));
  RERANK_ASSIGN(const EngineOptions engine_options, with_located_adapter(options));
  RERANK_ASSIGN(TextGenerator generator, TextGenerator::load(folder, engine_options));
  tell(generator.remarks());
  return generator;
}

Result<ModelTokenizer> load_tokenizer(const ModelOptions& options) {
  if (options.model.empty()) return ModelTokenizer::load_embedded();
  RERANK_ASSIGN(const std::filesystem::path folder, locate_model(options));
  return ModelTokenizer::load(folder);
}

std::string model_name(const ModelOptions& options, const ModelInfo& info) {
  std::error_code ignored;
  const bool from_hub = is_hub_name(options.model) && !std::filesystem::is_directory(options.model, ignored);
  return from_hub ? options.model : info.name;
}

}  // namespace rerank::cli
