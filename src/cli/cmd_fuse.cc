// rerank fuse: one ranking out of several, such as a first stage's, an embedding model's and a reranker's.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "evaluation/fusion.h"
#include "evaluation/trec.h"

namespace rerank::cli {
namespace {

using evaluation::Fusion;

const std::map<std::string, Fusion> kMethods = {
    {"zscore", Fusion::kZScore}, {"minmax", Fusion::kMinMax}, {"rrf", Fusion::kReciprocalRank}};

struct Options {
  std::vector<std::string> runs;
  std::string method = "zscore", output;
  evaluation::FusionOptions fusion;
  OnError on_error = OnError::kFail;
};

Status check(const Options& options) {
  if (options.runs.size() < 2)
    return Error{Error::Code::kBadInput, "needs at least two runs", "", "name the files of all rankings to fuse"};
  const std::vector<double>& weights = options.fusion.weights;
  if (weights.size() != options.runs.size())
    return Error{Error::Code::kBadInput, fmt::format("has {} for {} runs", weights.size(), options.runs.size()),
                 "--weights", "give one for each run, in their order, such as 1,0.5"};
  if (!std::all_of(weights.begin(), weights.end(), [](double w) { return std::isfinite(w) && w >= 0; }))
    return Error{Error::Code::kBadInput, "has one that is no number from 0 upwards", "--weights", ""};
  return {};
}

// Runs of other queries than the first one's are a mistake, though they could be fused: nothing would meet.
Status check_common_queries(const Options& options, const std::vector<evaluation::Run>& runs) {
  std::unordered_set<std::string_view> first;
  for (const evaluation::Ranking& ranking : runs[0].rankings) first.insert(ranking.query_id);
  for (std::size_t run = 1; run < runs.size(); ++run) {
    const auto& rankings = runs[run].rankings;
    if (std::none_of(rankings.begin(), rankings.end(),
                     [&](const evaluation::Ranking& ranking) { return first.contains(ranking.query_id); }))
      return Error{Error::Code::kBadInput,
                   fmt::format("has no query in common with {}: its first is \"{}\", the first there is \"{}\"",
                               options.runs[0], rankings.front().query_id, runs[0].rankings.front().query_id),
                   options.runs[run], "name rankings of the same queries"};
  }
  return {};
}

Status fuse(const Options& options) {
  RERANK_TRY(check(options));
  ProgressBar no_bar(true);
  BadRecords bad(options.on_error, no_bar);
  const evaluation::BadLine meet = [&bad](Error error) { return bad.meet(std::move(error)); };
  std::vector<evaluation::Run> runs;
  for (const std::string& file : options.runs) {
    RERANK_ASSIGN(evaluation::Run run, as_input(evaluation::read_run(file, meet)));
    runs.push_back(std::move(run));
  }
  bad.summarize("line");
  RERANK_TRY(check_common_queries(options, runs));
  const evaluation::FusedRun fused = evaluation::fuse(runs, options.fusion);
  for (std::size_t run = 0; run < runs.size(); ++run)
    if (fused.lacking[run] > 0)
      fmt::print(stderr, "rerank: {}: lacks {} of {} queries, which the other runs rank alone\n", options.runs[run],
                 fused.lacking[run], fused.run.rankings.size());
  return write_trec_run(options.output, options.runs, fused.run, options.method);
}

}  // namespace

void add_fuse(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("fuse", "Makes one ranking out of several");
  auto options = std::make_shared<Options>();
  command->add_option("runs", options->runs, "Run files of the same queries")->type_name("RUN RUN...")->required();
  command
      ->add_option("-o,--output", options->output,
                   "The ranking: a TREC run file, packed where its name ends in .gz or .zst; - for stdout")
      ->type_name("FILE|-")
      ->required();
  command
      ->add_option("--method", options->method,
                   "What is added: scores of mean 0 and deviation 1 a query (zscore), scores from 0 to 1 (minmax), "
                   "1 / (k + rank) (rrf) [zscore]")
      ->check(CLI::IsMember(kMethods).description(""))
      ->type_name("NAME");
  command->add_option("--weights", options->fusion.weights, "How much each run counts, divided by commas [1 for each]")
      ->delimiter(',')
      ->type_name("X,X,...");
  command->add_option("--rrf-k", options->fusion.rank_constant, "rrf: how little first ranks stand out [60]")
      ->check(CLI::Range(0.0, 1e9).description(""))
      ->type_name("K");
  command->add_option("--top-k", options->fusion.top_k, "Passages of each query to keep [0: all]")->type_name("K");
  add_on_error(*command, options->on_error);
  command->footer(
      "A passage that a run does not rank counts there as its last one, by rrf as 0; a query that it does not rank "
      "gets\n"
      "nothing from it.\n\n"
      "Examples:\n"
      "  rerank fuse reranked.trec bm25.trec --output fused.trec\n"
      "  rerank fuse reranked.trec vectors.trec bm25.trec --weights 1,1,0.5 --output fused.trec\n"
      "  rerank fuse bm25.trec vectors.trec --method rrf --top-k 100 --output first.trec");
  command->callback([options, &program] {
    options->fusion.method = kMethods.at(options->method);
    if (options->fusion.weights.empty()) options->fusion.weights.assign(options->runs.size(), 1.0);
    program.run = [options] {
      const Status status = fuse(*options);
      return status.ok() ? Exit::kDone : fail(status.error());
    };
  });
}

}  // namespace rerank::cli
