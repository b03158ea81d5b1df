// What `rank` and `run` have in common where they rank progressively.
#pragma once

#include <CLI/App.hpp>
#include <cstddef>
#include <string>

#include "rerank/engine.h"

namespace rerank::cli {

// Adds --early-layer, which needs the option that asks for progressive ranking. `options` must outlive the parser.
void add_progressive_options(CLI::App& command, ProgressiveOptions& options, CLI::Option* asked);

// What it spared, for people, of so many passages.
std::string work_saved(const ProgressiveRanking& found, std::size_t passages);

}  // namespace rerank::cli
