#include "cli/first_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "base/try.h"
#include "cli/input.h"

namespace rerank::cli {
namespace {

using Unknown = std::function<Status(Error)>;

template <class T>
Result<T> as_input(Result<T> result) {
  if (!result.ok()) result.error() = input_error(std::move(result.error()));
  return result;
}

// Where the run names this query, or this passage for it. Only asked for an error message, so the file is read again
// instead of keeping a line number for each of millions of rows.
std::string where_in_run(const std::string& file, std::string_view query_id, std::string_view passage_id) {
  Result<io::LineReader> lines = io::LineReader::open(file);
  while (lines.ok()) {
    const auto line = lines.value().next();
    if (!line.ok() || !line.value()) break;
    std::istringstream columns{std::string(line.value()->text)};
    std::string query, q0, passage;
    columns >> query >> q0 >> passage;
    if (query == query_id && (passage_id.empty() || passage == passage_id))
      return lines.value().where(line.value()->number);
  }
  return file;
}

// The judged queries of the split; empty where there is no such split and none is required.
Result<std::optional<std::unordered_set<std::string>>> read_split_queries(const FirstStageOptions& options) {
  if (options.dataset.empty()) return std::optional<std::unordered_set<std::string>>();
  Result<evaluation::Qrels> qrels = as_input(evaluation::read_split(options.dataset, options.split));
  if (!qrels.ok()) {
    if (qrels.error().code == Error::Code::kNotFound && !options.split_required)
      return std::optional<std::unordered_set<std::string>>();
    return std::move(qrels.error());
  }
  std::unordered_set<std::string> ids;
  for (const evaluation::JudgedQuery& query : qrels.value().queries) ids.insert(query.query_id);
  return std::optional(std::move(ids));
}

// The queries to rerank, with as many candidates as were asked for.
Result<FirstStage> choose_queries(const FirstStageOptions& options, const Unknown& unknown) {
  RERANK_ASSIGN(evaluation::Run run, as_input(evaluation::read_run(options.run, unknown)));
  RERANK_ASSIGN(const std::vector<evaluation::Query> queries,
                as_input(evaluation::read_queries(collection_of(options).queries, unknown)));
  RERANK_ASSIGN(const auto split, read_split_queries(options));
  std::unordered_map<std::string_view, const std::string*> texts;
  for (const evaluation::Query& query : queries) texts.emplace(query.id, &query.text);

  FirstStage stage;
  for (evaluation::Ranking& ranking : run.rankings) {
    const auto text = texts.find(ranking.query_id);
    if (text == texts.end()) {
      RERANK_TRY(
          unknown({Error::Code::kBadInput,
                   fmt::format("query \"{}\" is not in {}", ranking.query_id,
                               collection_of(options).queries.filename().string()),
                   where_in_run(options.run, ranking.query_id, ""), "use the data set that the run was made on"}));
      continue;
    }
    if (split && !split->contains(ranking.query_id)) {
      ++stage.not_in_split;
      continue;
    }
    if (options.queries != 0 && stage.queries.size() == options.queries) continue;
    evaluation::sort_as_trec_eval(ranking.passages);
    Candidates candidates{ranking.query_id, *text->second, {}};
    const std::size_t kept = std::min(options.top_k, ranking.passages.size());
    for (std::size_t rank = 0; rank < kept; ++rank)
      candidates.passage_ids.push_back(std::move(ranking.passages[rank].passage_id));
    stage.queries.push_back(std::move(candidates));
  }
  if (stage.queries.empty())
    return Error{Error::Code::kBadInput, "holds no query to rerank", options.run,
                 fmt::format("its queries must be in the data set, and in its split \"{}\"", options.split)};
  return stage;
}

}  // namespace

void add_collection_options(CLI::App& command, FirstStageOptions& options) {
  command
      .add_option("--dataset", options.dataset,
                  "A folder in BEIR form (corpus.jsonl, queries.jsonl, qrels/) or FlagEmbedding's")
      ->type_name("DIR");
  command
      .add_option("--corpus", options.corpus,
                  "Passages: JSONL, CSV or TSV, or a folder of .txt and .md files, instead of the data set's")
      ->type_name("FILE|DIR");
  command.add_option("--topics", options.topics, "Queries: JSONL, CSV, TSV or TREC topics, instead of the data set's")
      ->type_name("FILE");
}

Status check_collection_options(const FirstStageOptions& options) {
  if (!options.dataset.empty() || (!options.corpus.empty() && !options.topics.empty())) return {};
  return Error{Error::Code::kBadInput, "--dataset is required, or both --corpus and --topics", "", ""};
}

evaluation::Collection collection_of(const FirstStageOptions& options) {
  evaluation::Collection collection;
  if (!options.dataset.empty()) collection = evaluation::find_collection(options.dataset, options.split);
  if (!options.corpus.empty()) collection.corpus = options.corpus;
  if (!options.topics.empty()) collection.queries = options.topics;
  return collection;
}

Result<FirstStage> read_first_stage(const FirstStageOptions& options, const Unknown& unknown) {
  RERANK_ASSIGN(FirstStage stage, choose_queries(options, unknown));
  std::unordered_set<std::string> wanted;
  for (const Candidates& candidates : stage.queries)
    wanted.insert(candidates.passage_ids.begin(), candidates.passage_ids.end());
  RERANK_ASSIGN(stage.passages, as_input(evaluation::read_passages(collection_of(options).corpus, wanted, unknown)));

  for (Candidates& candidates : stage.queries) {
    std::vector<std::string> known;
    for (std::string& id : candidates.passage_ids) {
      if (stage.passages.contains(id)) {
        known.push_back(std::move(id));
      } else {
        RERANK_TRY(
            unknown({Error::Code::kBadInput,
                     fmt::format("passage \"{}\" is not in {}", id, collection_of(options).corpus.filename().string()),
                     where_in_run(options.run, candidates.query_id, id), "use the data set that the run was made on"}));
      }
    }
    candidates.passage_ids = std::move(known);
    stage.pairs += candidates.passage_ids.size();
  }
  return stage;
}

}  // namespace rerank::cli
