// The options that choose and set up a model: the same on every command, mapped to the engine's here and nowhere else.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "rerank/engine.h"

namespace rerank::cli {

struct ModelOptions {
  std::string model;  // a folder or a hub name; empty: the embedded default
  EngineOptions engine;
  ScoreOptions score;
};

// Adds them under the heading "Model options". `options` must outlive the parser.
void add_model_options(CLI::App& command, ModelOptions& options);

// The model that --model names, with what is not taken as written said on stderr. Errors: see fail_to_load().
Result<Engine> load_engine(const ModelOptions& options);
// Its tokenizer alone.
Result<ModelTokenizer> load_tokenizer(const ModelOptions& options);

// Whether scores are widened float32 values: json_number() then writes them with as many digits as that takes.
bool scores_are_float32(const ModelOptions& options, const ModelInfo& info);

// What to call the model: the hub name where that was asked for (its folder in the cache is named after a commit), else
// the engine's own name for it.
std::string model_name(const ModelOptions& options, const ModelInfo& info);

}  // namespace rerank::cli
