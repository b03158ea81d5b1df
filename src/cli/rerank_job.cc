#include "cli/rerank_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/process.h"
#include "base/try.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progressive.h"
#include "cli/query_stats.h"
#include "cli/run_manifest.h"
#include "evaluation/trec.h"

namespace rerank::cli {
namespace {

constexpr const char* kTag = "rerank";

// Scores queries and writes each as soon as it and all before it are scored.
class Job {
 public:
  Job(const RerankTask& task, const Engine& engine, EarlierRun earlier, evaluation::RunWriter& writer,
      QueryStatsWriter& stats, ProgressBar& bar, BadRecords& bad)
      : task_(task),
        engine_(engine),
        stage_(task.stage),
        earlier_(std::move(earlier)),
        writer_(writer),
        stats_(stats),
        bar_(bar),
        bad_(bad),
        queries_done_(earlier_.queries) {
    for (std::size_t q = 0; q < earlier_.queries; ++q) scored_ += stage_.queries[q].passage_ids.size();
  }

  std::size_t queries_done() const { return queries_done_; }
  // Of all queries that were ranked progressively.
  std::string work_saved() const { return cli::work_saved(saved_, passages_); }

  // The first error; all queries before it are written by then.
  Status run() {
    // A model that writes text reads its weights once for all pairs that run together: queries fill up its batch.
    const std::size_t pairs_at_once = engine_.info().method == "reasoning" ? kPairsAtOnce : 1;
    while (queries_done_ < stage_.queries.size() && !interrupted()) {
      if (task_.progressive > 0) {
        RERANK_TRY(rank_progressively(stage_.queries[queries_done_]));
        continue;
      }
      std::size_t count = 0, pairs = 0;
      while (queries_done_ + count < stage_.queries.size() && pairs < pairs_at_once)
        pairs += stage_.queries[queries_done_ + count++].passage_ids.size();
      RERANK_TRY(score(std::span(stage_.queries).subspan(queries_done_, count)));
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
    std::vector<QueryStats> stats;                      // [queries]
    std::size_t written = 0;                            // queries
  };

  Status score(std::span<const Candidates> queries) {
    Scores scores{queries, {0}, {}, {}, {}};
    std::vector<Pair> pairs;
    for (const Candidates& query : queries) {
      scores.stats.emplace_back().query_id = query.query_id;
      for (const std::string& id : query.passage_ids) pairs.push_back({query.query, stage_.passages.at(id)});
      scores.first_pair.push_back(pairs.size());
      scores.left.push_back(query.passage_ids.size());
    }
    scores.values.resize(pairs.size());

    const double begin = wall_seconds(), cpu_begin = process_cpu_seconds();
    const std::uint64_t computed_before = engine_.work().tokens_computed;
    std::size_t done = 0;
    std::uint64_t tokens = 0;
    Status status;
    const auto show = [&] {
      bar_.update(scored_ + done, static_cast<double>(scored_ + done) / static_cast<double>(stage_.pairs),
                  new_tokens_ + tokens);
    };
    const auto write_whole = [&] {
      while (status.ok() && scores.written < queries.size() && scores.left[scores.written] == 0)
        status = write(scores, scores.written++);
    };
    const auto take = [&](std::size_t pair_idx, const Result<Score>& score) {
      if (scores.values[pair_idx]) return;
      scores.values[pair_idx] = score.ok() ? Result<double>(score.value().value) : score.error();
      const auto behind = std::upper_bound(scores.first_pair.begin(), scores.first_pair.end(), pair_idx);
      const auto query_idx = static_cast<std::size_t>(behind - scores.first_pair.begin()) - 1;
      if (score.ok()) add_tokens(score.value(), scores.stats[query_idx]);
      if (--scores.left[query_idx] == 0) scores.stats[query_idx].seconds = wall_seconds() - begin;
      write_whole();
    };
    show();
    write_whole();  // queries whose passages are all left out have none to wait for
    ScoreOptions options = task_.model.score;
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
    const bool is_whole = status.ok() && (done == pairs.size() || !interrupted());  // half a ranking is none
    if (is_whole) {
      for (std::size_t pair_idx = 0; pair_idx < all.size(); ++pair_idx) take(pair_idx, all[pair_idx]);
      scored_ += pairs.size();
      new_tokens_ += tokens;
      if (queries.size() == 1)
        scores.stats[0].alone = {process_cpu_seconds() - cpu_begin, engine_.work().tokens_computed - computed_before};
    }
    for (std::size_t query_idx = 0; query_idx < scores.written; ++query_idx)
      if (scores.stats[query_idx].passages > 0) RERANK_TRY(stats_.write(scores.stats[query_idx]));
    return status;
  }

  Status rank_progressively(const Candidates& query) {
    std::vector<std::string_view> texts;
    for (const std::string& id : query.passage_ids) texts.push_back(stage_.passages.at(id));
    QueryStats stats;
    stats.query_id = query.query_id;
    const double begin = wall_seconds(), cpu_begin = process_cpu_seconds();
    const std::uint64_t computed_before = engine_.work().tokens_computed;
    RERANK_ASSIGN(const ProgressiveRanking found,
                  engine_.rank_progressively(query.query, texts, task_.progressive, task_.model.score,
                                             task_.progressive_options));
    stats.seconds = wall_seconds() - begin;
    stats.alone = {process_cpu_seconds() - cpu_begin, engine_.work().tokens_computed - computed_before};
    std::vector<evaluation::ScoredPassage> ranking;
    for (const RankedPassage& passage : found.ranking) {
      add_tokens(passage.score, stats);
      ranking.push_back({query.passage_ids[passage.index], static_cast<float>(passage.score.value)});
    }
    stats.passages = ranking.size();
    RERANK_TRY(put(query, std::move(ranking)));
    if (stats.passages > 0) RERANK_TRY(stats_.write(stats));
    scored_ += texts.size();
    // The mean over passages.
    const double share = static_cast<double>(texts.size()) / static_cast<double>(passages_ + texts.size());
    saved_ = {{},
              saved_.carried + found.carried,
              found.early_layer,
              found.last_layer,
              saved_.work_saved + share * (found.work_saved - saved_.work_saved)};
    passages_ += texts.size();
    bar_.update(scored_, static_cast<double>(scored_) / static_cast<double>(stage_.pairs), 0);
    return {};
  }

  static void add_tokens(const Score& score, QueryStats& stats) {
    stats.tokens += score.tokens;
    stats.cut_tokens += score.cut_tokens;
    stats.new_tokens += score.new_tokens;
  }

  Status write(Scores& scores, std::size_t query_idx) {
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
    scores.stats[query_idx].passages = ranking.size();
    return put(query, std::move(ranking));
  }

  // The next query's ranking.
  Status put(const Candidates& query, std::vector<evaluation::ScoredPassage> ranking) {
    evaluation::sort_as_trec_eval(ranking);
    if (task_.resume && !is_cut_) RERANK_TRY(cut_last(query, ranking));
    RERANK_TRY(writer_.write(query.query_id, ranking));
    ++queries_done_;
    return {};
  }

  // Cuts off what the file holds of the first query that is scored, if that is what it gets now.
  Status cut_last(const Candidates& query, std::span<const evaluation::ScoredPassage> ranking) {
    RERANK_ASSIGN(const std::string lines, writer_.lines(query.query_id, ranking));
    if (!task_.allow_mixed && !lines.starts_with(earlier_.last_lines))
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

  const RerankTask& task_;
  const Engine& engine_;
  const FirstStage& stage_;
  EarlierRun earlier_;
  bool is_cut_ = false;  // the output file, to what stays of it
  evaluation::RunWriter& writer_;
  QueryStatsWriter& stats_;
  ProgressBar& bar_;
  BadRecords& bad_;
  std::size_t queries_done_;  // those of an earlier run included
  std::size_t scored_ = 0;    // their pairs
  std::uint64_t new_tokens_ = 0;
  ProgressiveRanking saved_;
  std::size_t passages_ = 0;  // that were ranked progressively
};

std::vector<std::string> inputs_of(const RerankTask& task) {
  std::vector<std::string> paths;
  for (const auto& [role, path] : task.data) paths.push_back(path.string());
  return paths;
}

}  // namespace

Result<EarlierRun> find_earlier(const RerankTask& task) {
  if (!task.resume) return EarlierRun();
  if (task.output == "-")
    return Error{Error::Code::kBadInput, "--resume needs a file, which can be read again", "--output", "name one"};
  RERANK_TRY(refuse_input_as_output(task.output, inputs_of(task)));
  return EarlierRun::read(task.output, task.stage);
}

Result<std::size_t> rerank(const RerankTask& task, const Engine& engine, EarlierRun earlier, ProgressBar& bar,
                           BadRecords& bad) {
  RERANK_ASSIGN(RunManifest manifest,
                RunManifest::describe(task.output, {task.model, engine.info(), task.data, task.selection,
                                                    task.stage.queries.size(), task.stage.pairs}));
  if (task.resume) RERANK_TRY(manifest.resume(earlier.queries, task.allow_mixed));
  RERANK_ASSIGN(io::OutputFile output,
                task.resume ? io::OutputFile::append(task.output) : open_output(task.output, inputs_of(task)));
  RERANK_TRY(manifest.begin());
  evaluation::RunWriter writer(std::move(output), kTag);
  RERANK_ASSIGN(QueryStatsWriter stats, QueryStatsWriter::open(task.output, task.resume));

  Job job(task, engine, std::move(earlier), writer, stats, bar, bad);
  const Status status = job.run();
  bad.summarize("row");
  if (task.progressive > 0 && status.ok()) bar.note(job.work_saved());
  bar.clear();
  const Status run_closed = writer.close(), stats_closed = stats.close();
  const bool failed = !status.ok() || !run_closed.ok() || !stats_closed.ok();
  const char* how = failed ? "failed" : interrupted() ? "interrupted" : "done";
  const Status noted = manifest.end(how, job.queries_done());
  RERANK_TRY(status);
  RERANK_TRY(run_closed);
  RERANK_TRY(stats_closed);
  RERANK_TRY(noted);
  return job.queries_done();
}

}  // namespace rerank::cli
