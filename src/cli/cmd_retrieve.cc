// rerank retrieve: a first stage for `rerank run`, from a corpus and queries alone.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/first_stage.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "evaluation/dataset.h"
#include "evaluation/trec.h"
#include "retrieval/analyzer.h"
#include "retrieval/bm25.h"

namespace rerank::cli {
namespace {

struct Options {
  FirstStageOptions collection;
  retrieval::Bm25Options bm25;
  std::string output, method = "bm25", analyzer = "english";
  OnError on_error = OnError::kFail;
  bool quiet = false;
};

// Gives every passage's id and terms to `take`.
template <class Take>
Status for_each_passage(const std::filesystem::path& corpus, retrieval::Analyzer& analyzer,
                        const evaluation::BadLine& bad, const Take& take) {
  Result<evaluation::TextReader> reader = evaluation::TextReader::open(corpus, evaluation::TextReader::Kind::kPassages);
  if (!reader.ok()) return input_error(reader.error());
  return evaluation::for_each_passage(
      std::move(reader).value(),
      [&](const evaluation::TextRecord& record) -> Status {
        if (interrupted()) return Error{Error::Code::kInternal, "interrupted", "", ""};
        take(record.id, analyzer.terms(record.text));
        return {};
      },
      bad);
}

// All ids of a corpus are too many to remember; but one that is there twice shows where a query ranks both. Takes the
// worse of the two out of the ranking and adds the id to `repeated`.
void take_out_repeated(std::vector<evaluation::ScoredPassage>& ranking, std::unordered_set<std::string>& repeated) {
  std::unordered_set<std::string> met;
  std::erase_if(ranking, [&](const evaluation::ScoredPassage& passage) {
    if (met.insert(passage.passage_id).second) return false;
    repeated.insert(passage.passage_id);
    return true;
  });
}

// Gives `bad` every line of the corpus that has one of the ids again.
Status report_repeated(const std::filesystem::path& corpus, const std::unordered_set<std::string>& repeated,
                       const evaluation::BadLine& bad) {
  if (repeated.empty()) return {};
  RERANK_ASSIGN(evaluation::TextReader reader,
                evaluation::TextReader::open(corpus, evaluation::TextReader::Kind::kPassages));
  std::unordered_set<std::string> met;
  return evaluation::for_each_passage(
      std::move(reader),
      [&](const evaluation::TextRecord& record) -> Status {
        if (!repeated.contains(record.id) || met.insert(record.id).second) return {};
        return bad({Error::Code::kBadInput, fmt::format("_id \"{}\" stands in an earlier line already", record.id),
                    record.where, "keep one of the two lines"});
      },
      [](const Error&) { return Status(); });
}

Status retrieve(const Options& options, ProgressBar& bar) {
  const evaluation::Collection collection = collection_of(options.collection);
  std::error_code ignored;
  if (!std::filesystem::is_directory(collection.corpus, ignored) &&
      std::filesystem::exists(collection.corpus, ignored) &&
      !std::filesystem::is_regular_file(collection.corpus, ignored))
    return Error{Error::Code::kBadInput, "is read twice, which a pipe cannot be", collection.corpus.string(),
                 "write it to a file first"};
  BadRecords bad(options.on_error, bar);
  const evaluation::BadLine meet = [&bad](Error error) { return bad.meet(std::move(error)); };
  const evaluation::BadLine pass = [](const Error&) { return Status(); };

  const Result<std::vector<evaluation::Query>> queries = evaluation::read_queries(collection.queries, meet);
  if (!queries.ok()) return input_error(queries.error());
  retrieval::Analyzer analyzer(*retrieval::parse_language(options.analyzer));
  std::vector<std::vector<std::string>> terms;
  for (const evaluation::Query& query : queries.value()) terms.push_back(analyzer.terms(query.text));

  retrieval::Bm25 bm25(terms, options.bm25);
  RERANK_TRY(
      for_each_passage(collection.corpus, analyzer, meet,
                       [&](const std::string&, const std::vector<std::string>& passage) { bm25.count(passage); }));
  if (!options.quiet)
    bar.note(fmt::format("{} passages counted, ranking them for {} queries", bm25.passages(), terms.size()));
  RERANK_TRY(for_each_passage(
      collection.corpus, analyzer, pass,
      [&](const std::string& id, const std::vector<std::string>& passage) { bm25.score(id, passage); }));

  evaluation::Run run;
  std::unordered_set<std::string> repeated;
  for (std::size_t query_idx = 0; query_idx < terms.size(); ++query_idx) {
    evaluation::Ranking& ranking = run.rankings.emplace_back(evaluation::Ranking{queries.value()[query_idx].id, {}});
    for (retrieval::Bm25::Hit& hit : bm25.take(query_idx))
      ranking.passages.push_back({std::move(hit.passage_id), hit.score});
    take_out_repeated(ranking.passages, repeated);
  }
  RERANK_TRY(report_repeated(collection.corpus, repeated, meet));
  bad.summarize("line");

  return write_trec_run(options.output, {collection.corpus.string(), collection.queries.string()}, run, options.method);
}

Exit run_retrieve(const Options& options) {
  if (const Status named = check_collection_options(options.collection); !named.ok()) return fail(named.error());
  ProgressBar bar(options.quiet);
  catch_interrupts();
  const Status status = retrieve(options, bar);
  bar.clear();
  if (interrupted()) {
    fmt::print(stderr, "rerank: interrupted, nothing is written\n");
    return Exit::kInterrupted;
  }
  return status.ok() ? Exit::kDone : fail(status.error());
}

}  // namespace

void add_retrieve(CLI::App& app, Program& program) {
  CLI::App* command =
      app.add_subcommand("retrieve", "Finds passages for queries by their words: a first stage for run");
  auto options = std::make_shared<Options>();
  add_collection_options(*command, options->collection);
  command
      ->add_option("-o,--output", options->output,
                   "The ranking: a TREC run file, packed where its name ends in .gz or .zst; - for "
                   "stdout")
      ->type_name("FILE|-")
      ->required();
  command->add_option("--method", options->method, "bm25 [bm25]")
      ->check(CLI::IsMember({"bm25"}).description(""))
      ->type_name("NAME");
  command->add_option("--top-k", options->bm25.top_k, "Passages of each query [100]")
      ->check(CLI::Range(1, 1 << 30).description(""))
      ->type_name("K");
  command
      ->add_option("--analyzer", options->analyzer,
                   "english (Lucene's: stop words, stems), neutral (any language), cjk (bigrams) [english]")
      ->check(CLI::IsMember(retrieval::kLanguageNames).description(""))
      ->type_name("NAME");
  command->add_option("--k1", options->bm25.k1, "BM25: how soon repeated words stop to count [0.9]")
      ->check(CLI::Range(0.0, 1000.0).description(""))
      ->type_name("X");
  command->add_option("--b", options->bm25.b, "BM25: how much long passages are held back, 0 to 1 [0.4]")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->type_name("X");
  add_on_error(*command, options->on_error);
  command->add_flag("-q,--quiet", options->quiet, "No notes");
  command->footer(
      "The corpus is read twice and no index is kept, so memory does not grow with it. All queries are ranked at "
      "once.\n"
      "\nExamples:\n"
      "  rerank retrieve --dataset scifact --output bm25.trec\n"
      "  rerank retrieve --corpus notes/ --topics questions.tsv --output bm25.trec\n"
      "  rerank retrieve --corpus collection.tsv.gz --topics topics.txt --top-k 1000 --output bm25.trec");
  command->callback([options, &program] { program.run = [options] { return run_retrieve(*options); }; });
}

}  // namespace rerank::cli
