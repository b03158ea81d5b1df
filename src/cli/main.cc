// rerank: scores and ranks passages for a query, and measures rankings. See command.h for how the commands join.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <sstream>
#include <string>

#include "base/process.h"
#include "cli/command.h"

namespace rerank::cli {
namespace {

// CLI11's help, with the descriptions of options broken into lines that fit.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kNames); }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text;
    std::size_t width = 0;
    std::istringstream words(option->get_description());
    for (std::string word; words >> word; width += word.size()) {
      if (width > 0 && width + 1 + word.size() > kLine - kNames) {
        text += '\n';
        width = 0;
      } else if (width > 0) {
        text += ' ';
        ++width;
      }
      text += word;
    }
    return text;
  }

 private:
  static constexpr std::size_t kNames = 34, kLine = 110;
};

// The message and where to look; CLI11's own codes are folded into the contract's.
Exit refuse_arguments(const CLI::App& app, const CLI::ParseError& error) {
  std::string command = app.get_name(), what = error.what();
  for (const CLI::App* chosen : app.get_subcommands()) {
    command += " " + chosen->get_name();
    // A misspelt option leaves the real one missing: the misspelt one is what the user has to see.
    if (const auto unknown = chosen->remaining(); !unknown.empty())
      what = fmt::format("unknown argument {}", unknown.front());
  }
  while (!what.empty() && what.back() == '\n') what.pop_back();
  fmt::print(stderr, "rerank: {}\nrerank: see \"{} --help\"\n", what, command);
  return Exit::kBadInput;
}

Exit run(int argc, char** argv) {
  Program program{.started = wall_seconds(), .run = {}};
  CLI::App app("Scores and ranks text passages for a query with published reranker models.", "rerank");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", "rerank " RERANK_VERSION);
  app.footer(
      "Data goes to stdout, messages to stderr.\n"
      "Exit codes: 0 done, 1 bad input or arguments, 2 a model that cannot be loaded, 3 anything else.\n\n"
      "Examples:\n"
      "  rerank rank --query \"what is a panda?\" --passages passages.txt\n"
      "  rerank score --input pairs.jsonl --output scores.jsonl\n"
      "  rerank rank --help");
  app.require_subcommand(0, 1);
  add_rank(app, program);
  add_score(app, program);
  add_run(app, program);
  add_eval(app, program);
  add_eval_protocol(app, program);
  add_compare(app, program);
  add_fuse(app, program);
  add_retrieve(app, program);
  add_convert(app, program);
  add_report(app, program);
  add_tokenize(app, program);
  add_info(app, program);
  add_bench(app, program);
  add_verify(app, program);
  add_generate(app, program);
  add_quantize(app, program);
  add_serve(app, program);
  add_pull(app, program);
  add_models(app, program);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help, --version
    app.exit(request);
    return std::fflush(stdout) == 0 ? Exit::kDone : Exit::kOther;
  } catch (const CLI::ParseError& error) {
    return refuse_arguments(app, error);
  }
  if (!program.run) {
    fmt::print(stderr, "{}", app.help());
    return Exit::kBadInput;
  }
  return program.run();
}

}  // namespace
}  // namespace rerank::cli

int main(int argc, char** argv) {
  // A reader that has seen enough ("rerank ... | head") ends this program silently, whatever the parent process set.
  std::signal(SIGPIPE, SIG_DFL);
  try {
    return static_cast<int>(rerank::cli::run(argc, argv));
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "rerank: out of memory\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "rerank: internal error: {}\n", error.what());
  }
  return static_cast<int>(rerank::cli::Exit::kOther);
}
