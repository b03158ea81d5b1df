// rerank report: runs beside each other as one HTML file.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <unordered_set>

#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/first_stage.h"
#include "cli/input.h"
#include "cli/judged_runs.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report_data.h"
#include "cli/report_page.h"

namespace rerank::cli {
namespace {

constexpr std::size_t kTextBytes = 600;  // of a passage or query that is shown

struct Options {
  JudgedRunsOptions judged;
  FirstStageOptions collection;
  std::string output, json, title = "Rankings compared";
  std::size_t passages = 3;
};

// The texts of what is shown, as far as the options say where they are.
Result<ReportTexts> read_texts(const Options& options, const JudgedRuns& judged, const ShownPassages& shown) {
  ReportTexts texts;
  ProgressBar no_bar(true);
  BadRecords bad(options.judged.on_error, no_bar);
  const evaluation::BadLine meet = [&bad](Error error) { return bad.meet(std::move(error)); };
  const evaluation::Collection collection = collection_of(options.collection);
  if (!collection.queries.empty()) {
    RERANK_ASSIGN(const auto queries, as_input(evaluation::read_queries(collection.queries, meet)));
    for (const evaluation::Query& query : queries) texts.queries.emplace(query.id, query.text);
  }
  if (!collection.corpus.empty()) {
    std::unordered_set<std::string> wanted;
    for (const auto& run : shown)
      for (const auto& query : run)
        for (const evaluation::ScoredPassage& passage : query) wanted.insert(passage.passage_id);
    std::unordered_set<std::string> absent;
    for (const evaluation::JudgedQuery& query : judged.qrels.queries)
      for (const evaluation::Judgement& judgement : query.judgements) absent.insert(judgement.passage_id);
    RERANK_ASSIGN(texts.passages, as_input(evaluation::read_passages(collection.corpus, wanted, meet, &absent)));
    RERANK_TRY(evaluation::check_judged_passages(options.judged.qrels, absent, collection.corpus, meet));
  }
  bad.summarize("line");
  return texts;
}

Status write_file(const std::string& path, std::string_view text, std::vector<std::string> inputs) {
  RERANK_ASSIGN(io::OutputFile output, open_output(path, inputs));
  RERANK_TRY(output.write(text));
  return output.close();
}

Status report(const Options& options) {
  RERANK_ASSIGN(const JudgedRuns judged, read_judged_runs(options.judged, Keep::kRuns));
  RERANK_TRY(evaluation::check_unpaired(judged.measures));
  const ShownPassages shown = shown_passages(judged, options.passages);
  RERANK_ASSIGN(const ReportTexts texts, read_texts(options, judged, shown));
  nlohmann::ordered_json data = report_data(judged, shown, texts, kTextBytes);
  data["title"] = options.title;
  data["qrels"] = options.judged.qrels;
  data["version"] = RERANK_VERSION;
  // Ids and names are opaque bytes: what is no UTF-8 becomes U+FFFD.
  const std::string json = data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::vector<std::string> inputs = options.judged.runs;
  inputs.push_back(options.judged.qrels);
  RERANK_TRY(write_file(options.output, fill_report_page(json), inputs));
  if (!options.json.empty()) RERANK_TRY(write_file(options.json, json + "\n", inputs));
  return {};
}

}  // namespace

void add_report(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("report", "Shows rankings beside each other in one HTML file");
  auto options = std::make_shared<Options>();
  command->add_option("runs", options->judged.runs, "Run files; the first is what the others are compared with")
      ->type_name("RUN...")
      ->required();
  command->add_option("-o,--output", options->output, "The page, which needs no other file and no network")
      ->type_name("FILE")
      ->required();
  add_judgement_options(*command, options->judged);
  add_collection_options(*command, options->collection);
  command->add_option("--passages", options->passages, "Passages shown of each query and run [3]")->type_name("N");
  command->add_option("--title", options->title, "What stands on top")->type_name("TEXT");
  command->add_option("--json", options->json, "The same data for programs")->type_name("FILE");
  command->footer(
      "Texts are shown where --dataset, or --corpus and --topics, say where they are.\n\n"
      "Examples:\n"
      "  rerank report bm25.trec reranked.trec --dataset scifact --qrels scifact/qrels/test.tsv --output report.html\n"
      "  rerank report a.trec --qrels qrels.txt --measures nDCG@10,RBP --output report.html --json report.json");
  command->callback([options, &program] {
    program.run = [options] {
      const Status status = report(*options);
      return status.ok() ? Exit::kDone : fail(status.error());
    };
  });
}

}  // namespace rerank::cli
