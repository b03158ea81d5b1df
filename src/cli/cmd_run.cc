// rerank run: reranks the best passages of a first-stage run of a BEIR folder.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/first_stage.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "cli/progressive.h"
#include "cli/rerank_job.h"
#include "io/packed_output.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;
  FirstStageOptions first_stage;
  std::string output;
  OnError on_error = OnError::kFail;
  bool quiet = false, resume = false, allow_mixed = false;
  std::size_t progressive = 0;
  ProgressiveOptions progressive_options;
};

std::vector<std::pair<std::string, std::string>> selection_of(const Options& options) {
  std::vector<std::pair<std::string, std::string>> selection = {{"top_k", fmt::format("{}", options.first_stage.top_k)},
                                                                {"split", options.first_stage.split}};
  if (options.progressive > 0)
    selection.emplace_back(
        "progressive", fmt::format("{} from layer {}", options.progressive, options.progressive_options.early_layer));
  return selection;
}

Exit run_run(const Options& options) {
  ProgressBar bar(options.quiet);
  BadRecords bad(options.on_error, bar);
  if (io::packing_of(options.output) != io::Packing::kNone)
    return fail({Error::Code::kBadInput, "a ranking that is written query by query is not packed", options.output,
                 "leave out .gz or .zst; `rerank convert` packs it afterwards"});
  if (const Status named = check_collection_options(options.first_stage); !named.ok()) return fail(named.error());
  // Before the model is loaded: a wrong file should not cost the wait.
  const Result<FirstStage> stage =
      read_first_stage(options.first_stage, [&](Error error) { return bad.meet(std::move(error)); });
  if (!stage.ok()) return fail(stage.error());
  if (stage.value().not_in_split > 0)
    bar.note(fmt::format("{} queries of the run are not in the split \"{}\": left out", stage.value().not_in_split,
                         options.first_stage.split));
  const evaluation::Collection collection = collection_of(options.first_stage);
  const RerankTask task{options.model,
                        stage.value(),
                        options.output,
                        {{"run", options.first_stage.run},
                         {"corpus", collection.corpus},
                         {"queries", collection.queries},
                         {"qrels", collection.qrels}},
                        selection_of(options),
                        options.resume,
                        options.allow_mixed,
                        options.progressive,
                        options.progressive_options};
  Result<EarlierRun> earlier = find_earlier(task);
  if (!earlier.ok()) return fail(earlier.error());
  const Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return fail_to_load(engine.error());
  catch_interrupts();
  const Result<std::size_t> done = rerank(task, engine.value(), std::move(earlier).value(), bar, bad);
  if (!done.ok()) return fail(done.error());
  if (!interrupted()) return Exit::kDone;
  fmt::print(stderr, "rerank: interrupted, {} of {} queries are written{}\n", done.value(),
             stage.value().queries.size(), options.output == "-" ? "" : "; the same command with --resume goes on");
  return Exit::kInterrupted;
}

}  // namespace

void add_run(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("run", "Reranks a first-stage run of a data set");
  auto options = std::make_shared<Options>();
  FirstStageOptions& first_stage = options->first_stage;
  add_collection_options(*command, first_stage);
  command->add_option("--run", first_stage.run, "The first stage's ranking: a run file")->type_name("FILE")->required();
  command->add_option("-o,--output", options->output, "The new ranking: a TREC run file; - for stdout")
      ->type_name("FILE|-")
      ->required();
  command->add_option("--top-k", first_stage.top_k, "Passages of each query to rerank; the others are left out [100]")
      ->check(CLI::Range(1, 1 << 30).description(""))
      ->type_name("K");
  command->add_option("--queries", first_stage.queries, "Only the first N queries of the run [0: all]")->type_name("N");
  command
      ->add_option("--split", first_stage.split,
                   "Only queries that qrels/NAME.tsv judges [test, or all queries where there is no such file]")
      ->type_name("NAME")
      ->each([options](const std::string&) { options->first_stage.split_required = true; });
  add_progressive_options(
      *command, options->progressive_options,
      command
          ->add_option("--progressive", options->progressive,
                       "layerwise, lightweight: write only the best N of each query, scored at an early layer and "
                       "carried on while they may be among those; says what that saved")
          ->check(CLI::Range(1, 1 << 30).description(""))
          ->type_name("N"));
  command->add_flag("--resume", options->resume,
                    "Go on behind the queries that --output holds; its last one is scored again");
  command->add_flag("--allow-mixed", options->allow_mixed,
                    "With --resume: go on although model, settings or data differ from those that the file was begun "
                    "with; the manifest keeps what differs");
  add_on_error(*command, options->on_error);
  command->add_flag("-q,--quiet", options->quiet, "No progress bar");
  add_model_options(*command, options->model);
  command->footer(
      "Each query is written as soon as it is scored, in the run's order, best passage first, with the tag "
      "\"rerank\".\n"
      "What each took is kept beside it, in OUTPUT.stats.jsonl, for `rerank report`.\n"
      "A query or passage of the run that the data set lacks is a bad line.\n\n"
      "Examples:\n"
      "  rerank run --dataset scifact --run bm25.trec --output reranked.trec\n"
      "  rerank run --dataset scifact --run bm25.trec --output - --queries 10 --top-k 20 --normalize\n"
      "  rerank eval --qrels scifact/qrels/test.tsv --run bm25.trec reranked.trec");
  command->callback([options, &program] { program.run = [options] { return run_run(*options); }; });
}

}  // namespace rerank::cli
