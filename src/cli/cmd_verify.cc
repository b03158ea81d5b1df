// rerank verify: whether a model gives the scores that its card prints.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/try.h"
#include "cli/command.h"
#include "cli/examples.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/verify_report.h"
#include "io/json.h"
#include "io/mapped_file.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string examples;
  bool json = false;
};

// "_name_or_path" of config.json: what the checkpoint was called when it was saved; empty where it does not say.
Result<std::string> name_in_config(const std::filesystem::path& folder) {
  RERANK_ASSIGN(const io::MappedFile file, io::MappedFile::open(folder / "config.json"));
  RERANK_ASSIGN(const io::JsonDocument config, io::JsonDocument::parse(file.text(), file.path()));
  return config.root().string_or("_name_or_path", "");
}

// What the model may be called, the surest name first.
Result<std::vector<std::string>> names_of(const ModelOptions& options) {
  RERANK_ASSIGN(const std::filesystem::path folder, locate_model(options));
  RERANK_ASSIGN(const std::string name, name_in_config(folder));
  std::error_code ignored;
  return std::vector<std::string>{options.model, std::filesystem::weakly_canonical(folder, ignored).filename().string(),
                                  name};
}

// Which layers have to be loaded, the runs say: those of all of them, or every layer where one reads the last.
std::vector<int> layers_to_load(const Examples& examples) {
  std::vector<int> layers;
  for (const ExamplesRun& run : examples.runs) {
    if (run.options.cutoff_layers.empty()) return {};
    for (const int layer : run.options.cutoff_layers)
      if (std::find(layers.begin(), layers.end(), layer) == layers.end()) layers.push_back(layer);
  }
  return layers;
}

Status check_method(const ModelInfo& info, const Examples& examples) {
  if (info.method == examples.method) return {};
  return Error{Error::Code::kBadInput,
               fmt::format("the examples are for the method {}, but the model is run as {} ({})", examples.method,
                           info.method, info.method_reason),
               examples.file, fmt::format("give --method {} if that is what the model is", examples.method)};
}

Exit verify_model(const Options& options, const Examples& examples) {
  ModelOptions to_load = options.model;
  to_load.score.cutoff_layers = layers_to_load(examples);
  const Result<Engine> engine = load_engine(to_load);
  if (!engine.ok()) return fail_to_load(engine.error());
  const ModelInfo& info = engine.value().info();
  if (const Status same = check_method(info, examples); !same.ok()) return fail(same.error());
  const Result<std::vector<Comparison>> rows = compare(engine.value(), examples);
  if (!rows.ok()) return fail(rows.error());

  const Verification found{model_name(options.model, info), info, examples, rows.value()};
  const Exit printed =
      print_answer(options.json ? verify_json(found) : verify_table(found, terminal_columns(STDOUT_FILENO)));
  if (printed != Exit::kDone || found.failed() == 0) return printed;
  fmt::print(stderr, "{}", verify_advice(found));
  return Exit::kBadInput;
}

Exit run_verify(const Options& options) {
  if (!options.examples.empty()) {
    const Result<Examples> examples = read_examples(options.examples, options.model.score);
    return examples.ok() ? verify_model(options, examples.value()) : fail(examples.error());
  }
  if (options.model.model.empty())
    return fail(Error{Error::Code::kBadInput, "no card prints scores of the embedded model", "verify",
                      "name a model with --model, or give --examples FILE"});
  const Result<std::vector<std::string>> names = names_of(options.model);
  if (!names.ok()) return fail_to_load(names.error());
  const Result<Examples> examples = find_card_examples(names.value(), options.model.score);
  return examples.ok() ? verify_model(options, examples.value()) : fail(examples.error());
}

}  // namespace

void add_verify(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("verify", "Checks a model against the scores that its card prints");
  auto options = std::make_shared<Options>();
  command
      ->add_option("--examples", options->examples,
                   "Pairs and their scores, in the format of models/verify/README.md [those of the model's card]")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "One JSON object");
  add_model_options(*command, options->model);
  command->footer(
      "The card is found by the model's hub name, its folder's name, or \"_name_or_path\" in its config.json. Options\n"
      "that the examples set for scoring go before those of the command line.\n"
      "Exit codes: 0 every score is within what the examples allow, 1 one is not, 2 the model cannot be loaded.\n\n"
      "Examples:\n"
      "  rerank verify --model BAAI/bge-reranker-v2-m3\n"
      "  rerank verify --model ./ms-marco-MiniLM-L6-v2 --dtype f32 --json | jq .ok\n"
      "  rerank verify --model ./my-reranker --examples my-scores.json");
  command->callback([options, &program] { program.run = [options] { return run_verify(*options); }; });
}

}  // namespace rerank::cli
