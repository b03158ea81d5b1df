// rerank eval: the measures of run files against relevance judgements.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/try.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "evaluation/measures.h"
#include "evaluation/trec.h"

namespace rerank::cli {
namespace {

using evaluation::Evaluation;
using evaluation::Measure;
using evaluation::QueryValues;

struct Options {
  std::string qrels;
  std::vector<std::string> runs;
  std::string measures = "nDCG@10,MRR@10,P@1,Recall@100,MAP";
  bool json = false, per_query = false;
};

struct Table {
  std::vector<Measure> measures;
  std::vector<Evaluation> evaluations;  // [runs]
};

Result<Table> evaluate_runs(const Options& options) {
  Table table;
  RERANK_ASSIGN(table.measures, evaluation::parse_measures(options.measures));
  const Result<evaluation::Qrels> qrels = evaluation::read_qrels(options.qrels);
  if (!qrels.ok()) return input_error(qrels.error());
  for (const std::string& file : options.runs) {
    const Result<evaluation::Run> run = evaluation::read_run(file);
    if (!run.ok()) return input_error(run.error());
    table.evaluations.push_back(evaluation::evaluate(qrels.value(), run.value(), table.measures));
  }
  return table;
}

nlohmann::ordered_json by_name(const std::vector<Measure>& measures, const std::vector<double>& values) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (std::size_t measure_idx = 0; measure_idx < measures.size(); ++measure_idx)
    json[measures[measure_idx].name] = values[measure_idx];
  return json;
}

std::string for_programs(const Options& options, const Table& table) {
  std::string text;
  for (std::size_t run_idx = 0; run_idx < options.runs.size(); ++run_idx) {
    const Evaluation& evaluation = table.evaluations[run_idx];
    nlohmann::ordered_json json = {{"run", options.runs[run_idx]},
                                   {"queries", evaluation.queries.size()},
                                   {"missing_from_run", evaluation.missing_from_run},
                                   {"not_judged", evaluation.not_judged},
                                   {"measures", by_name(table.measures, evaluation.means)}};
    if (options.per_query) {
      nlohmann::ordered_json queries = nlohmann::ordered_json::object();
      for (const QueryValues& query : evaluation.queries)
        queries[query.query_id] = by_name(table.measures, query.values);
      json["per_query"] = std::move(queries);
    }
    // Names come from the command line and from files whose ids are opaque bytes: what is no UTF-8 becomes U+FFFD.
    text += json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }
  return text;
}

// The widest of the texts, in columns; ids are opaque bytes, so each byte counts one.
std::size_t widest(const std::vector<std::string>& texts) {
  std::size_t width = 0;
  for (const std::string& text : texts) width = std::max(width, text.size());
  return width;
}

std::string measure_cells(const std::vector<Measure>& measures, const std::vector<double>* values) {
  constexpr std::size_t kNarrowest = 6;  // "0.1234"
  std::string text;
  for (std::size_t measure_idx = 0; measure_idx < measures.size(); ++measure_idx) {
    const std::string& name = measures[measure_idx].name;
    const std::string cell = values == nullptr ? name : fmt::format("{:.4f}", (*values)[measure_idx]);
    text += fmt::format("  {:>{}}", cell, std::max(kNarrowest, name.size()));
  }
  return text + "\n";
}

std::string for_people(const Options& options, const Table& table) {
  std::vector<std::string> names = options.runs;
  names.push_back("run");
  const std::size_t name_width = widest(names);
  std::string text = fmt::format("{:<{}}  queries", "run", name_width) + measure_cells(table.measures, nullptr);
  for (std::size_t run_idx = 0; run_idx < options.runs.size(); ++run_idx) {
    const Evaluation& evaluation = table.evaluations[run_idx];
    text += fmt::format("{:<{}}  {:>7}", options.runs[run_idx], name_width, evaluation.queries.size()) +
            measure_cells(table.measures, &evaluation.means);
  }
  return text;
}

std::string query_by_query(const Options& options, const Table& table) {
  std::vector<std::string> names = options.runs, ids = {"query", "all"};
  names.push_back("run");
  for (const QueryValues& query : table.evaluations.front().queries) ids.push_back(query.query_id);
  const std::size_t name_width = widest(names), id_width = widest(ids);
  const auto row = [&](const std::string& run, const std::string& query, const std::vector<double>* values) {
    return fmt::format("{:<{}}  {:<{}}", run, name_width, query, id_width) + measure_cells(table.measures, values);
  };
  std::string text = row("run", "query", nullptr);
  for (std::size_t run_idx = 0; run_idx < options.runs.size(); ++run_idx) {
    for (const QueryValues& query : table.evaluations[run_idx].queries)
      text += row(options.runs[run_idx], query.query_id, &query.values);
    text += row(options.runs[run_idx], "all", &table.evaluations[run_idx].means);
  }
  return text;
}

// What a mean hides: judged queries that count 0 because the run lacks them, and queries that count nowhere.
void warn_about_gaps(const Options& options, const Table& table) {
  for (std::size_t run_idx = 0; run_idx < options.runs.size(); ++run_idx) {
    const Evaluation& evaluation = table.evaluations[run_idx];
    if (evaluation.missing_from_run > 0)
      fmt::print(stderr, "rerank: {}: lacks {} of {} judged queries, which count 0\n", options.runs[run_idx],
                 evaluation.missing_from_run, evaluation.queries.size());
    if (evaluation.not_judged > 0)
      fmt::print(stderr, "rerank: {}: {} queries are not judged and do not count\n", options.runs[run_idx],
                 evaluation.not_judged);
  }
}

Exit run_eval(const Options& options) {
  const Result<Table> table = evaluate_runs(options);
  if (!table.ok()) return fail(table.error());
  warn_about_gaps(options, table.value());
  if (options.json) return print_answer(for_programs(options, table.value()));
  return print_answer(options.per_query ? query_by_query(options, table.value()) : for_people(options, table.value()));
}

}  // namespace

void add_eval(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("eval", "Measures rankings against relevance judgements");
  auto options = std::make_shared<Options>();
  command->add_option("--qrels", options->qrels, "Judgements: TREC form, or BEIR's qrels/SPLIT.tsv")
      ->type_name("FILE")
      ->required();
  command->add_option("--run", options->runs, "Rankings: TREC run files")->type_name("FILE...")->required();
  command
      ->add_option("--measures", options->measures,
                   "Divided by commas: nDCG@k, MRR@k, P@k, Recall@k, MAP, Success@k "
                   "[nDCG@10,MRR@10,P@1,Recall@100,MAP]")
      ->type_name("LIST");
  command->add_flag("--json", options->json, "One JSON line a run");
  command->add_flag("--per-query", options->per_query, "Every query, not only the mean");
  command->footer(
      "Numbers are those of trec_eval: passages rank by score, ties by id; means are over all judged queries.\n\n"
      "Examples:\n"
      "  rerank eval --qrels scifact/qrels/test.tsv --run bm25.trec reranked.trec\n"
      "  rerank eval --qrels qrels.txt --run a.trec --measures nDCG@10,MAP --json | jq .measures\n"
      "  rerank eval --qrels qrels.txt --run a.trec --per-query --measures P@1");
  command->callback([options, &program] { program.run = [options] { return run_eval(*options); }; });
}

}  // namespace rerank::cli
