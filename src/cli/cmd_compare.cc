// rerank compare: whether runs differ from a first one by more than chance.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "base/try.h"
#include "cli/command.h"
#include "cli/judged_runs.h"
#include "cli/output.h"
#include "evaluation/significance.h"

namespace rerank::cli {
namespace {

using evaluation::Comparison;
using evaluation::Correction;
using evaluation::Evaluation;
using evaluation::PairedTest;

const std::map<std::string, PairedTest> kTests = {
    {"t", PairedTest::kStudentT}, {"permutation", PairedTest::kPermutation}, {"wilcoxon", PairedTest::kWilcoxon}};
const std::map<std::string, Correction> kCorrections = {
    {"none", Correction::kNone}, {"bonferroni", Correction::kBonferroni}, {"holm", Correction::kHolm}};

struct Options {
  JudgedRunsOptions judged;
  std::string test = "t", correction = "holm";
  std::size_t per_query = 0;
  bool json = false;
};

struct Row {
  std::size_t measure, run;  // indexes; the run is compared with run 0
  Comparison comparison;
  double corrected_p = 1;
};

std::vector<double> values_of(const Evaluation& evaluation, std::size_t measure) {
  std::vector<double> values;
  for (const evaluation::QueryValues& query : evaluation.queries) values.push_back(query.values[measure]);
  return values;
}

// One row for each measure and each run behind the first.
std::vector<Row> compare_runs(const JudgedRuns& judged, const Options& options) {
  std::vector<Row> rows;
  std::vector<double> p;
  for (std::size_t measure = 0; measure < judged.measures.size(); ++measure) {
    const std::vector<double> first = values_of(judged.evaluations.front(), measure);
    for (std::size_t run = 1; run < judged.evaluations.size(); ++run) {
      rows.push_back(
          {measure, run,
           evaluation::compare(first, values_of(judged.evaluations[run], measure), kTests.at(options.test))});
      p.push_back(rows.back().comparison.p);
    }
  }
  const std::vector<double> corrected = evaluation::corrected(p, kCorrections.at(options.correction));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].corrected_p = corrected[i];
  return rows;
}

// The queries that gain or lose most, largest first, `count` of each at most.
struct Changes {
  std::vector<std::size_t> gains, losses;  // indexes of queries
};
Changes largest_changes(const JudgedRuns& judged, const Row& row, std::size_t count) {
  const std::vector<double> before = values_of(judged.evaluations[0], row.measure),
                            after = values_of(judged.evaluations[row.run], row.measure);
  const auto change = [&](std::size_t query) { return after[query] - before[query]; };
  std::vector<std::size_t> order(before.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return change(a) > change(b); });
  Changes changes;
  for (std::size_t i = 0; i < order.size() && i < count; ++i) {
    if (change(order[i]) > 0) changes.gains.push_back(order[i]);
    if (const std::size_t last = order[order.size() - 1 - i]; change(last) < 0) changes.losses.push_back(last);
  }
  return changes;
}

std::string for_people(const JudgedRuns& judged, const std::vector<Row>& rows, const Options& options) {
  std::vector<std::string> names = judged.names, measures = {"measure"};
  for (const evaluation::Measure& measure : judged.measures) measures.push_back(measure.name);
  const std::size_t name_width = widest(names), measure_width = widest(measures);
  std::string text = fmt::format("{:<{}}  {:<{}}    mean  change  95% interval      better  same  worse       p  {}\n",
                                 "measure", measure_width, "run", name_width, "p " + options.correction);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    const std::string& measure = judged.measures[row.measure].name;
    const auto mean = [&](std::size_t run) { return judged.evaluations[run].means[row.measure]; };
    if (row.run == 1)
      text += fmt::format("{:<{}}  {:<{}}  {:.4f}\n", measure, measure_width, names[0], name_width, mean(0));
    const Comparison& comparison = row.comparison;
    text += fmt::format("{:<{}}  {:<{}}  {:.4f} {:+.4f} [{:+.4f},{:+.4f}]  {:>6} {:>5} {:>6}  {:.4f}  {:.4f}{}\n",
                        measure, measure_width, names[row.run], name_width, mean(row.run), comparison.difference,
                        comparison.low, comparison.high, comparison.better, comparison.same, comparison.worse,
                        comparison.p, row.corrected_p, row.corrected_p < 0.05 ? " *" : "");
    const Changes changes = largest_changes(judged, row, options.per_query);
    for (const auto* queries : {&changes.gains, &changes.losses})
      for (const std::size_t query : *queries) {
        const evaluation::QueryValues& before = judged.evaluations[0].queries[query];
        text += fmt::format("  query {}: {:.4f} -> {:.4f}\n", before.query_id, before.values[row.measure],
                            judged.evaluations[row.run].queries[query].values[row.measure]);
      }
  }
  return text;
}

std::string for_programs(const JudgedRuns& judged, const std::vector<Row>& rows, const Options& options) {
  std::string text;
  for (const Row& row : rows) {
    const Comparison& comparison = row.comparison;
    nlohmann::ordered_json json = {{"measure", judged.measures[row.measure].name},
                                   {"baseline", judged.names[0]},
                                   {"run", judged.names[row.run]},
                                   {"queries", judged.evaluations[0].queries.size()},
                                   {"baseline_mean", judged.evaluations[0].means[row.measure]},
                                   {"mean", judged.evaluations[row.run].means[row.measure]},
                                   {"change", comparison.difference},
                                   {"interval_95", {comparison.low, comparison.high}},
                                   {"better", comparison.better},
                                   {"same", comparison.same},
                                   {"worse", comparison.worse},
                                   {"test", options.test},
                                   {"p", comparison.p},
                                   {"correction", options.correction},
                                   {"p_corrected", row.corrected_p}};
    if (options.per_query > 0) {
      const Changes changes = largest_changes(judged, row, options.per_query);
      const auto list = [&](const std::vector<std::size_t>& queries) {
        nlohmann::ordered_json rows_json = nlohmann::ordered_json::array();
        for (const std::size_t query : queries) {
          const evaluation::QueryValues& before = judged.evaluations[0].queries[query];
          rows_json.push_back({{"query", before.query_id},
                               {"baseline", before.values[row.measure]},
                               {"value", judged.evaluations[row.run].queries[query].values[row.measure]}});
        }
        return rows_json;
      };
      json["gains"] = list(changes.gains);
      json["losses"] = list(changes.losses);
    }
    // Ids and names are opaque bytes: what is no UTF-8 becomes U+FFFD.
    text += json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  return text;
}

Exit run_compare(const Options& options) {
  if (options.judged.runs.size() < 2)
    return fail({Error::Code::kBadInput, "needs at least two runs", "", "the first is the one to compare with"});
  const Result<JudgedRuns> judged = read_judged_runs(options.judged);
  if (!judged.ok()) return fail(judged.error());
  if (const Status each = evaluation::check_unpaired(judged.value().measures); !each.ok()) return fail(each.error());
  const std::vector<Row> rows = compare_runs(judged.value(), options);
  return print_answer(options.json ? for_programs(judged.value(), rows, options)
                                   : for_people(judged.value(), rows, options));
}

}  // namespace

void add_compare(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("compare", "Says whether rankings differ by more than chance");
  auto options = std::make_shared<Options>();
  command->add_option("runs", options->judged.runs, "Run files; the first is what the others are compared with")
      ->type_name("RUN RUN...")
      ->required();
  add_judgement_options(*command, options->judged);
  command
      ->add_option("--test", options->test,
                   "Over the paired queries: t (Student's), permutation (of the mean), wilcoxon (signed ranks) [t]")
      ->check(CLI::IsMember(kTests).description(""))
      ->type_name("NAME");
  command
      ->add_option("--correction", options->correction,
                   "For looking at several measures and runs at once: holm, bonferroni, none [holm]")
      ->check(CLI::IsMember(kCorrections).description(""))
      ->type_name("NAME");
  command->add_option("--per-query", options->per_query, "Also the N queries that gain and lose most [0]")
      ->type_name("N");
  command->add_flag("--json", options->json, "One JSON line for each measure and run");
  command->footer(
      "Means are over all judged queries, one that a run lacks counts 0. \"better\" and \"worse\" count queries; a "
      "star "
      "marks\na corrected p below 0.05.\n\n"
      "Examples:\n"
      "  rerank compare bm25.trec reranked.trec --qrels scifact/qrels/test.tsv\n"
      "  rerank compare a.trec b.trec c.trec --qrels qrels.txt --measures nDCG@10,MAP --test permutation\n"
      "  rerank compare a.trec b.trec --qrels qrels.txt --measures nDCG@10 --per-query 5");
  command->callback([options, &program] { program.run = [options] { return run_compare(*options); }; });
}

}  // namespace rerank::cli
