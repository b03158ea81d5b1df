#include "cli/model_options.h"

#include <CLI/Validators.hpp>
#include <map>

#include "base/try.h"
#include "cli/hub_cache.h"

namespace rerank::cli {
namespace {

constexpr const char* kGroup = "Model options";
constexpr int kLongest = 1 << 20;  // tokens; how many a model takes, the engine knows

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
  text("-m,--model", options.model, "DIR|HUB_NAME",
       "Folder with config.json, safetensors and tokenizer.json, or the name of a model in the local Hugging Face "
       "cache, such as BAAI/bge-reranker-v2-m3 [the embedded English model]");
  text("--method", options.engine.method, "NAME", "How the model scores: cross-encoder [found from config.json]");
  add_choice<Dtype>(command, "--dtype", "auto|f32|bf16",
                    "Precision of weights and matrix products [auto: bf16 where the CPU has it, else f32]",
                    {{"auto", Dtype::kAuto}, {"f32", Dtype::kF32}, {"bf16", Dtype::kBf16}}, options.engine.dtype);
  number("--threads", options.engine.threads, 0, 1024, "Worker threads [0: one for each CPU]");
  number("--max-length", options.score.max_length, 1, kLongest,
         "Tokens of a pair, special tokens included [512, or what the model has]");
  number("--query-max-length", options.score.query_max_length, 0, kLongest,
         "Tokens of the query [0: 3/4 of --max-length]");
  add_choice<Truncation>(command, "--truncation", "flagembedding|card",
                         "What a pair that is too long loses: the passage's end (flagembedding), or tokens of the "
                         "longer text first, as in the model card (card) [flagembedding]",
                         {{"flagembedding", Truncation::kFlagEmbedding}, {"card", Truncation::kCard}},
                         options.score.truncation);
  command
      .add_flag_callback(
          "--no-special-in-text", [&options] { options.score.special_tokens_in_text = false; },
          "Keep text that spells a control token, such as </s>, as plain text")
      ->group(kGroup);
  command.add_flag("--normalize", options.score.normalize, "Scores from 0 to 1: the sigmoid of the logit")
      ->group(kGroup);
  text("--query-instruction", options.score.query_instruction, "TEXT", "Goes before every query");
  text("--query-instruction-format", options.score.query_instruction_format, "FORMAT",
       "How it does: the first {} is the instruction, the second the query, \\n a newline [{}{}]");
  text("--passage-instruction", options.score.passage_instruction, "TEXT", "Goes before every passage");
  text("--passage-instruction-format", options.score.passage_instruction_format, "FORMAT",
       "How it does: the first {} is the instruction, the second the passage, \\n a newline [{}{}]");
  text("--cpu-level", options.engine.cpu_level, "LEVEL",
       "Highest CPU level to use: scalar, avx2, avx512, avx512-bf16, amx [RERANK_CPU_LEVEL, or else the best]");
}

Result<Engine> load_engine(const ModelOptions& options) {
  if (options.model.empty()) return Engine::load_embedded(options.engine);
  RERANK_ASSIGN(const std::filesystem::path folder, locate_model(options.model));
  return Engine::load(folder, options.engine);
}

Result<ModelTokenizer> load_tokenizer(const ModelOptions& options) {
  if (options.model.empty()) return ModelTokenizer::load_embedded();
  RERANK_ASSIGN(const std::filesystem::path folder, locate_model(options.model));
  return ModelTokenizer::load(folder);
}

std::string model_name(const ModelOptions& options, const ModelInfo& info) {
  std::error_code ignored;
  const bool from_hub = is_hub_name(options.model) && !std::filesystem::is_directory(options.model, ignored);
  return from_hub ? options.model : info.name;
}

}  // namespace rerank::cli
