// rerank eval: the measures of run files against relevance judgements.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/judged_runs.h"
#include "cli/output.h"
#include "evaluation/measures.h"

namespace rerank::cli {
namespace {

using evaluation::Evaluation;
using evaluation::Measure;
using evaluation::QueryValues;

struct Options {
  JudgedRunsOptions judged;
  bool json = false, per_query = false;
};

nlohmann::ordered_json by_name(const std::vector<Measure>& measures, const std::vector<double>& values) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (std::size_t measure_idx = 0; measure_idx < measures.size(); ++measure_idx)
    json[measures[measure_idx].name] = values[measure_idx];
  return json;
}

std::string for_programs(const JudgedRuns& table, bool per_query) {
  std::string text;
  for (std::size_t run_idx = 0; run_idx < table.names.size(); ++run_idx) {
    const Evaluation& evaluation = table.evaluations[run_idx];
    nlohmann::ordered_json json = {{"run", table.names[run_idx]},
                                   {"queries", evaluation.queries.size()},
                                   {"missing_from_run", evaluation.missing_from_run},
                                   {"not_judged", evaluation.not_judged},
                                   {"measures", by_name(table.measures, evaluation.means)}};
    if (per_query) {
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

std::string for_people(const JudgedRuns& table) {
  std::vector<std::string> names = table.names;
  names.push_back("run");
  const std::size_t name_width = widest(names);
  std::string text = fmt::format("{:<{}}  queries", "run", name_width) + measure_cells(table.measures, nullptr);
  for (std::size_t run_idx = 0; run_idx < table.names.size(); ++run_idx) {
    const Evaluation& evaluation = table.evaluations[run_idx];
    text += fmt::format("{:<{}}  {:>7}", table.names[run_idx], name_width, evaluation.queries.size()) +
            measure_cells(table.measures, &evaluation.means);
  }
  return text;
}

std::string query_by_query(const JudgedRuns& table) {
  std::vector<std::string> names = table.names, ids = {"query", "all"};
  names.push_back("run");
  for (const QueryValues& query : table.evaluations.front().queries) ids.push_back(query.query_id);
  const std::size_t name_width = widest(names), id_width = widest(ids);
  const auto row = [&](const std::string& run, const std::string& query, const std::vector<double>* values) {
    return fmt::format("{:<{}}  {:<{}}", run, name_width, query, id_width) + measure_cells(table.measures, values);
  };
  std::string text = row("run", "query", nullptr);
  for (std::size_t run_idx = 0; run_idx < table.names.size(); ++run_idx) {
    for (const QueryValues& query : table.evaluations[run_idx].queries)
      text += row(table.names[run_idx], query.query_id, &query.values);
    text += row(table.names[run_idx], "all", &table.evaluations[run_idx].means);
  }
  return text;
}

Exit run_eval(const Options& options) {
  const Result<JudgedRuns> table = read_judged_runs(options.judged);
  if (!table.ok()) return fail(table.error());
  if (options.json) return print_answer(for_programs(table.value(), options.per_query));
  return print_answer(options.per_query ? query_by_query(table.value()) : for_people(table.value()));
}

}  // namespace

void add_eval(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("eval", "Measures rankings against relevance judgements");
  auto options = std::make_shared<Options>();
  add_judgement_options(*command, options->judged);
  command->add_option("--run", options->judged.runs, "Rankings: TREC run files")->type_name("FILE...")->required();
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
