// rerank run: reranks the best passages of a first-stage run of a BEIR folder.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/earlier_run.h"
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
  bool quiet = false, resume = false;
};

// Scores queries and writes each as soon as it and all before it are scored.
class Job {
 public:
  Job(const Options& options, const Engine& engine, const FirstStage& stage, EarlierRun earlier,
      evaluation::RunWriter& writer, ProgressBar& bar, BadRecords& bad)
      : options_(options),
        engine_(engine),
        stage_(stage),
        earlier_(std::move(earlier)),
        writer_(writer),
        bar_(bar),
        bad_(bad),
        queries_done_(earlier_.queries) {
    for (std::size_t q = 0; q < earlier_.queries; ++q) scored_ += stage_.queries[q].passage_ids.size();
  }

  std::size_t queries_done() const { return queries_done_; }

  // The first error; all queries before it are written by then.
  Status run() {
    // A model that writes text reads its weights once for all pairs that run together: queries fill up its batch.
    const std::size_t pairs_at_once = engine_.info().method == "reasoning" ? kPairsAtOnce : 1;
    while (queries_done_ < stage_.queries.size() && !interrupted()) {
      std::size_t count = 0, pairs = 0;
      while (queries_done_ + count < stage_.queries.size() && pairs < pairs_at_once)
        pairs += stage_.queries[queries_done_ + count++].passage_ids.size();
      RERANK_TRY(rerank(std::span(stage_.queries).subspan(queries_done_, count)));
    }
    return {};
  }

 private:
  static constexpr std::size_t kPairsAtOnce = 4096;

  // The scores of some queries' pairs, as they come.
  struct Scores {
    std::span<const Candidates> queries;
    std::vector<std::size_t> first_pair;                // [queries + 1]
    std::vector<std::size_t> left;                      // [queries]: pairs without a score
    std::vector<std::optional<Result<double>>> values;  // [pairs]
    std::size_t written = 0;                            // queries
  };

  Status rerank(std::span<const Candidates> queries) {
    Scores scores{queries, {0}, {}, {}};
    std::vector<Pair> pairs;
    for (const Candidates& query : queries) {
      for (const std::string& id : query.passage_ids) pairs.push_back({query.query, stage_.passages.at(id)});
      scores.first_pair.push_back(pairs.size());
      scores.left.push_back(query.passage_ids.size());
    }
    scores.values.resize(pairs.size());

    std::size_t done = 0;
    std::uint64_t tokens = 0;
    Status status;
    const auto show = [&] {
      bar_.update(scored_ + done, static_cast<double>(scored_ + done) / static_cast<double>(stage_.pairs),
                  new_tokens_ + tokens);
    };
    const auto take = [&](std::size_t pair_idx, const Result<Score>& score) {
      if (scores.values[pair_idx]) return;
      scores.values[pair_idx] = score.ok() ? Result<double>(score.value().value) : score.error();
      const auto query = std::upper_bound(scores.first_pair.begin(), scores.first_pair.end(), pair_idx);
      --scores.left[static_cast<std::size_t>(query - scores.first_pair.begin()) - 1];
      while (status.ok() && scores.written < queries.size() && scores.left[scores.written] == 0)
        status = write(scores, scores.written++);
    };
    show();
    ScoreOptions options = options_.model.score;
    options.on_score = [&](std::size_t pair_idx, const Result<Score>& score) {
      take(pair_idx, score);
      return status.ok();
    };
    options.on_tokens = [&](std::uint64_t new_tokens) {
      tokens = new_tokens;
      show();
      return !interrupted();
    };
    RERANK_ASSIGN(const std::vector<Result<Score>> all, engine_.score_each(pairs, options, [&](std::size_t pairs_done) {
      done = pairs_done;
      show();
    }));
    RERANK_TRY(status);
    if (done < pairs.size() && interrupted()) return {};  // half a ranking is none
    for (std::size_t pair_idx = 0; pair_idx < all.size(); ++pair_idx) take(pair_idx, all[pair_idx]);
    scored_ += pairs.size();
    new_tokens_ += tokens;
    return status;
  }

  Status write(const Scores& scores, std::size_t query_idx) {
    const Candidates& query = scores.queries[query_idx];
    std::vector<evaluation::ScoredPassage> ranking;
    for (std::size_t i = 0; i < query.passage_ids.size(); ++i) {
      const Result<double>& score = *scores.values[scores.first_pair[query_idx] + i];
      if (score.ok()) {
        ranking.push_back({query.passage_ids[i], static_cast<float>(score.value())});
      } else {
        Error error = score.error();
        error.where = fmt::format("query \"{}\", passage \"{}\"", query.query_id, query.passage_ids[i]);
        RERANK_TRY(bad_.meet(std::move(error)));
      }
    }
    evaluation::sort_as_trec_eval(ranking);
    if (options_.resume && !is_cut_) RERANK_TRY(cut_last(query, ranking));
    RERANK_TRY(writer_.write(query.query_id, ranking));
    ++queries_done_;
    return {};
  }

  // Cuts off what the file holds of the first query that is scored, if that is what it gets now.
  Status cut_last(const Candidates& query, std::span<const evaluation::ScoredPassage> ranking) {
    RERANK_ASSIGN(const std::string lines, writer_.lines(query.query_id, ranking));
    if (!lines.starts_with(earlier_.last_lines))
      return Error{Error::Code::kBadInput,
                   fmt::format("query \"{}\" has another ranking there than it gets now", query.query_id),
                   writer_.name(),
                   "resume with the same data, model, options and kind of CPU, or name another --output"};
    std::error_code failed;
    std::filesystem::resize_file(writer_.name(), earlier_.bytes, failed);
    if (failed) return Error{Error::Code::kIo, failed.message(), writer_.name(), ""};
    is_cut_ = true;
    return {};
  }

  const Options& options_;
  const Engine& engine_;
  const FirstStage& stage_;
  EarlierRun earlier_;
  bool is_cut_ = false;  // the output file, to what stays of it
  evaluation::RunWriter& writer_;
  ProgressBar& bar_;
  BadRecords& bad_;
  std::size_t queries_done_;  // those of an earlier run included
  std::size_t scored_ = 0;    // their pairs
  std::uint64_t new_tokens_ = 0;
};

// What --resume finds; nothing without it.
Result<EarlierRun> read_earlier(const Options& options, const FirstStage& stage) {
  if (!options.resume) return EarlierRun();
  if (options.output == "-")
    return Error{Error::Code::kBadInput, "--resume needs a file, which can be read again", "--output", "name one"};
  RERANK_TRY(refuse_input_as_output(options.output, {options.first_stage.run}));
  return EarlierRun::read(options.output, stage);
}

Exit run_run(const Options& options) {
  ProgressBar bar(options.quiet);
  BadRecords bad(options.on_error, bar);
  if (const Status named = check_collection_options(options.first_stage); !named.ok()) return fail(named.error());
  // Before the model is loaded: a wrong file should not cost the wait.
  const Result<FirstStage> stage =
      read_first_stage(options.first_stage, [&](Error error) { return bad.meet(std::move(error)); });
  if (!stage.ok()) return fail(stage.error());
  if (stage.value().not_in_split > 0)
    bar.note(fmt::format("{} queries of the run are not in the split \"{}\": left out", stage.value().not_in_split,
                         options.first_stage.split));
  Result<EarlierRun> earlier = read_earlier(options, stage.value());
  if (!earlier.ok()) return fail(earlier.error());
  const Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return fail_to_load(engine.error());
  Result<io::OutputFile> output =
      options.resume ? io::OutputFile::append(options.output) : open_output(options.output, {options.first_stage.run});
  if (!output.ok()) return fail(output.error());
  evaluation::RunWriter writer(std::move(output).value(), kTag);

  catch_interrupts();
  Job job(options, engine.value(), stage.value(), std::move(earlier).value(), writer, bar, bad);
  const Status status = job.run();
  bad.summarize("row");
  bar.clear();
  const Status closed = writer.close();
  if (!status.ok()) return fail(status.error());
  if (!closed.ok()) return fail(closed.error());
  if (!interrupted()) return Exit::kDone;
  fmt::print(stderr, "rerank: interrupted, {} of {} queries are written{}\n", job.queries_done(),
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
  command->add_flag("--resume", options->resume,
                    "Go on behind the queries that --output holds; its last one is scored again");
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
