// The options that choose and set up a model: the same on every command, mapped to the engine's here and nowhere else.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <string>

#include "cli/locate_model.h"
#include "rerank/engine.h"
#include "rerank/generate.h"

namespace rerank::cli {

struct ModelOptions {
  std::string model;  // a folder or a hub name; empty: the embedded default
  HubOptions hub;
  EngineOptions engine;
  ScoreOptions score;
};

// Adds them under the heading "Model options". `options` must outlive the parser.
void add_model_options(CLI::App& command, ModelOptions& options);

// The folders that --model and --adapter name, which may be fetched first. Neither may be empty.
Result<std::filesystem::path> locate_model(const ModelOptions& options);
Result<std::filesystem::path> locate_adapter(const ModelOptions& options);

// The model that --model names, with what is not taken as written said on stderr. Errors: see fail_to_load().
Result<Engine> load_engine(const ModelOptions& options);
// The same to generate text with.
Result<TextGenerator> load_generator(const ModelOptions& options);
// Its tokenizer alone.
Result<ModelTokenizer> load_tokenizer(const ModelOptions& options);

// Whether the model writes its reasoning before it scores.
bool writes_reasoning(const ModelInfo& info);
// What is told of that beside the score, as members of a JSON object.
std::string reasoning_members(const Score& score);

// Whether scores are widened float32 values: json_number() then writes them with as many digits as that takes.
bool scores_are_float32(const ModelOptions& options, const ModelInfo& info);

// What to call the model: the hub name where that was asked for (its folder in the cache is named after a commit), else
// the engine's own name for it.
std::string model_name(const ModelOptions& options, const ModelInfo& info);

}  // namespace rerank::cli
