#include "cli/judged_runs.h"

#include <fmt/format.h>

#include <CLI/Validators.hpp>
#include <algorithm>

#include "base/try.h"
#include "cli/input.h"

namespace rerank::cli {

void add_judgement_options(CLI::App& command, JudgedRunsOptions& options) {
  command.add_option("--qrels", options.qrels, "Judgements: TREC form, or BEIR's qrels/SPLIT.tsv")
      ->type_name("FILE")
      ->required();
  command
      .add_option(
          "--measures", options.measures,
          "Divided by commas: nDCG@k, MRR@k, P@k, Recall@k, MAP, Success@k, RBP(p=0.8), ERR@k, Judged@k, Bpref, "
          "PairedAccuracy, p-MRR, nDCG(dcg=exp-log2)@k; with a least relevance as in P(rel=2)@k "
          "[nDCG@10,MRR@10,P@1,Recall@100,MAP]")
      ->type_name("LIST");
  command
      .add_option_function<std::string>(
          "--on-error",
          [&options](const std::string& word) { options.on_error = word == "skip" ? OnError::kSkip : OnError::kFail; },
          "At a line that cannot be used: stop (fail), or report it, leave it out and go on (skip) [fail]")
      ->check(CLI::IsMember({"fail", "skip"}).description(""))
      ->type_name("fail|skip");
}

Result<JudgedRuns> read_judged_runs(const JudgedRunsOptions& options, Keep keep) {
  JudgedRuns judged;
  RERANK_ASSIGN(judged.measures, evaluation::parse_measures(options.measures));
  ProgressBar no_bar(true);
  BadRecords bad(options.on_error, no_bar);
  const evaluation::BadLine meet = [&bad](Error error) { return bad.meet(std::move(error)); };
  Result<evaluation::Qrels> qrels = evaluation::read_qrels(options.qrels, meet);
  if (!qrels.ok()) return input_error(qrels.error());
  judged.qrels = std::move(qrels).value();
  judged.names = options.runs;
  for (const std::string& file : options.runs) {
    Result<evaluation::Run> run = evaluation::read_run(file, meet);
    if (!run.ok()) return input_error(run.error());
    judged.evaluations.push_back(evaluation::evaluate(judged.qrels, run.value(), judged.measures));
    const evaluation::Evaluation& evaluation = judged.evaluations.back();
    if (evaluation.missing_from_run == evaluation.queries.size()) {
      const std::string& first = run.value().rankings.front().query_id;
      return Error{
          Error::Code::kBadInput,
          fmt::format("ranks none of the {} judged queries: its first is \"{}\", the first that is judged is "
                      "\"{}\"",
                      evaluation.queries.size(), first, judged.qrels.queries.front().query_id),
          evaluation::first_place(file, evaluation::PairFile::kRun,
                                  [&](std::string_view query_id, std::string_view) { return query_id == first; }),
          "name the judgements of the queries that the run was made for"};
    }
    if (evaluation.missing_from_run > 0)
      fmt::print(stderr, "rerank: {}: lacks {} of {} judged queries, which count 0\n", file,
                 evaluation.missing_from_run, evaluation.queries.size());
    if (evaluation.not_judged > 0)
      fmt::print(stderr, "rerank: {}: {} queries are not judged and do not count\n", file, evaluation.not_judged);
    if (keep == Keep::kMeasures) continue;
    Result<std::vector<QueryStats>> stats = read_query_stats(file, run.value(), meet);
    if (!stats.ok()) return input_error(stats.error());
    judged.stats.push_back(std::move(stats).value());
    judged.runs.push_back(std::move(run).value());
  }
  bad.summarize("line");
  return judged;
}

std::size_t widest(const std::vector<std::string>& texts) {
  std::size_t width = 0;
  for (const std::string& text : texts) width = std::max(width, text.size());
  return width;
}

}  // namespace rerank::cli
