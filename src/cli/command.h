// How a command joins the program: it adds its options to the parser, and leaves behind what to run if it is chosen.
#pragma once

#include <CLI/App.hpp>
#include <functional>

#include "cli/exit_code.h"

namespace rerank::cli {

// What the whole program knows and every command may ask.
struct Program {
  double started = 0;         // wall_seconds() when main began
  std::function<Exit()> run;  // set by the command that was chosen
};

// One function for each command, in cmd_NAME.cc. `program` outlives the parser.
void add_rank(CLI::App& app, Program& program);
void add_score(CLI::App& app, Program& program);
void add_run(CLI::App& app, Program& program);
void add_eval(CLI::App& app, Program& program);
void add_eval_protocol(CLI::App& app, Program& program);
void add_compare(CLI::App& app, Program& program);
void add_fuse(CLI::App& app, Program& program);
void add_retrieve(CLI::App& app, Program& program);
void add_convert(CLI::App& app, Program& program);
void add_report(CLI::App& app, Program& program);
void add_tokenize(CLI::App& app, Program& program);
void add_info(CLI::App& app, Program& program);
void add_bench(CLI::App& app, Program& program);
void add_verify(CLI::App& app, Program& program);
void add_generate(CLI::App& app, Program& program);
void add_quantize(CLI::App& app, Program& program);
void add_serve(CLI::App& app, Program& program);
void add_pull(CLI::App& app, Program& program);
void add_models(CLI::App& app, Program& program);

}  // namespace rerank::cli
