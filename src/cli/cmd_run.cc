// rerank run: reranks the best passages of a first-stage run of a BEIR folder, query by query.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/first_stage.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "evaluation/trec.h"

namespace rerank::cli {
namespace {

constexpr const char* kTag = "rerank";

struct Options {
  ModelOptions model;
  FirstStageOptions first_stage;
  std::string output;
  OnError on_error = OnError::kFail;
  bool quiet = false;
};

// Scores and writes one query after the other.
class Job {
 public:
  Job(const Options& options, const Engine& engine, const FirstStage& stage, evaluation::RunWriter& writer,
      ProgressBar& bar, BadRecords& bad)
      : options_(options), engine_(engine), stage_(stage), writer_(writer), bar_(bar), bad_(bad) {}

  std::size_t queries_written() const { return queries_written_; }

  // The first error; all queries before it are written by then.
  Status run() {
    for (const Candidates& candidates : stage_.queries) {
      if (interrupted()) break;
      RERANK_TRY(rerank_query(candidates));
    }
    return {};
  }

 private:
  Status rerank_query(const Candidates& candidates) {
    std::vector<Pair> pairs;
    pairs.reserve(candidates.passage_ids.size());
    for (const std::string& id : candidates.passage_ids) pairs.push_back({candidates.query, stage_.passages.at(id)});
    std::size_t done = 0;
    std::uint64_t query_tokens = 0;
    const auto show = [&] {
      bar_.update(scored_ + done, static_cast<double>(scored_ + done) / static_cast<double>(stage_.pairs),
                  new_tokens_ + query_tokens);
    };
    show();
    ScoreOptions options = options_.model.score;
    options.on_tokens = [&](std::uint64_t new_tokens) {
      query_tokens = new_tokens;
      show();
      return !interrupted();
    };
    RERANK_ASSIGN(const std::vector<Result<Score>> scores,
                  engine_.score_each(pairs, options, [&](std::size_t pairs_done) {
                    done = pairs_done;
                    show();
                  }));
    if (done < pairs.size() && interrupted()) return {};  // half a ranking is none
    scored_ += pairs.size();
    new_tokens_ += query_tokens;

    std::vector<evaluation::ScoredPassage> ranking;
    for (std::size_t pair_idx = 0; pair_idx < scores.size(); ++pair_idx) {
      const std::string& id = candidates.passage_ids[pair_idx];
      if (scores[pair_idx].ok()) {
        ranking.push_back({id, static_cast<float>(scores[pair_idx].value().value)});
      } else {
        Error error = scores[pair_idx].error();
        error.where = fmt::format("query \"{}\", passage \"{}\"", candidates.query_id, id);
        RERANK_TRY(bad_.meet(std::move(error)));
      }
    }
    evaluation::sort_as_trec_eval(ranking);
    RERANK_TRY(writer_.write(candidates.query_id, ranking));
    ++queries_written_;
    return {};
  }

  const Options& options_;
  const Engine& engine_;
  const FirstStage& stage_;
  evaluation::RunWriter& writer_;
  ProgressBar& bar_;
  BadRecords& bad_;
  std::size_t scored_ = 0;
  std::uint64_t new_tokens_ = 0;
  std::size_t queries_written_ = 0;
};

Exit run_run(const Options& options) {
  ProgressBar bar(options.quiet);
  BadRecords bad(options.on_error, bar);
  // Before the model is loaded: a wrong file should not cost the wait.
  const Result<FirstStage> stage =
      read_first_stage(options.first_stage, [&](Error error) { return bad.meet(std::move(error)); });
  if (!stage.ok()) return fail(stage.error());
  if (stage.value().not_in_split > 0)
    bar.note(fmt::format("{} queries of the run are not in the split \"{}\": left out", stage.value().not_in_split,
                         options.first_stage.split));
  const Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return fail_to_load(engine.error());
  Result<io::OutputFile> output = open_output(options.output, {options.first_stage.run});
  if (!output.ok()) return fail(output.error());
  evaluation::RunWriter writer(std::move(output).value(), kTag);

  catch_interrupts();
  Job job(options, engine.value(), stage.value(), writer, bar, bad);
  const Status status = job.run();
  bad.summarize("row");
  bar.clear();
  const Status closed = writer.close();
  if (!status.ok()) return fail(status.error());
  if (!closed.ok()) return fail(closed.error());
  if (!interrupted()) return Exit::kDone;
  fmt::print(stderr, "rerank: interrupted, {} of {} queries are written\n", job.queries_written(),
             stage.value().queries.size());
  return Exit::kInterrupted;
}

}  // namespace

void add_run(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("run", "Reranks a first-stage run of a data set");
  auto options = std::make_shared<Options>();
  FirstStageOptions& first_stage = options->first_stage;
  command->add_option("--dataset", first_stage.dataset, "A folder in BEIR form: corpus.jsonl, queries.jsonl, qrels/")
      ->type_name("DIR")
      ->required();
  command->add_option("--run", first_stage.run, "The first stage's ranking: a TREC run file")
      ->type_name("FILE")
      ->required();
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
  add_on_error(*command, options->on_error);
  command->add_flag("-q,--quiet", options->quiet, "No progress bar");
  add_model_options(*command, options->model);
  command->footer(
      "Each query is written as soon as it is scored, in the run's order, best passage first, with the tag "
      "\"rerank\".\n"
      "A query or passage of the run that the data set lacks is a bad line.\n\n"
      "Examples:\n"
      "  rerank run --dataset scifact --run bm25.trec --output reranked.trec\n"
      "  rerank run --dataset scifact --run bm25.trec --output - --queries 10 --top-k 20 --normalize\n"
      "  rerank eval --qrels scifact/qrels/test.tsv --run bm25.trec reranked.trec");
  command->callback([options, &program] { program.run = [options] { return run_run(*options); }; });
}

}  // namespace rerank::cli
