#include "cli/first_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/try.h"
#include "cli/input.h"

namespace rerank::cli {
namespace {

using Unknown = std::function<Status(Error)>;

// What a split judges.
struct Split {
  std::unordered_set<std::string> queries, passages;
};

// Nothing where there is no such split and none is required.
Result<std::optional<Split>> read_split(const FirstStageOptions& options, const Unknown& unknown) {
  if (options.dataset.empty()) return std::optional<Split>();
  Result<evaluation::Qrels> qrels = as_input(evaluation::read_split(options.dataset, options.split, unknown));
  if (!qrels.ok()) {
    if (qrels.error().code == Error::Code::kNotFound && !options.split_required) return std::optional<Split>();
    return std::move(qrels.error());
  }
  Split split;
  for (evaluation::JudgedQuery& query : qrels.value().queries) {
    split.queries.insert(std::move(query.query_id));
    for (evaluation::Judgement& judgement : query.judgements) split.passages.insert(std::move(judgement.passage_id));
  }
  return std::optional(std::move(split));
}

// Pairs of the run that name what the data set lacks; an empty passage stands for all of the query's.
using Missing = std::set<std::pair<std::string, std::string>>;

// Gives each to `unknown`, with the first line of the run that names it.
Status report_missing(const FirstStageOptions& options, Missing missing, const Unknown& unknown) {
  if (missing.empty()) return {};
  const evaluation::Collection collection = collection_of(options);
  const auto report = [&](const std::pair<std::string, std::string>& pair, const std::string& where) {
    const auto& [query_id, passage_id] = pair;
    return unknown({Error::Code::kBadInput,
                    passage_id.empty()
                        ? fmt::format("query \"{}\" is not in {}", query_id, collection.queries.filename().string())
                        : fmt::format("passage \"{}\" is not in {}", passage_id, collection.corpus.filename().string()),
                    where, "use the data set that the run was made on"});
  };
  const auto find = [&](std::string_view query_id, std::string_view passage_id) {
    const auto query = missing.find({std::string(query_id), ""});
    return query != missing.end() ? query : missing.find({std::string(query_id), std::string(passage_id)});
  };
  RERANK_TRY(evaluation::for_each_place(
      options.run, evaluation::PairFile::kRun,
      [&](std::string_view query_id, std::string_view passage_id) {
        return find(query_id, passage_id) != missing.end();
      },
      [&](std::string_view query_id, std::string_view passage_id, const std::string& where) -> Status {
        const auto pair = missing.extract(find(query_id, passage_id));
        return report(pair.value(), where);
      }));
  for (const auto& pair : missing) RERANK_TRY(report(pair, options.run));  // of a file that is read only once
  return {};
}

// The queries to rerank, with as many candidates as were asked for.
Result<FirstStage> choose_queries(const FirstStageOptions& options, const std::optional<Split>& split,
                                  const Unknown& unknown) {
  RERANK_ASSIGN(evaluation::Run run, as_input(evaluation::read_run(options.run, unknown)));
  RERANK_ASSIGN(const std::vector<evaluation::Query> queries,
                as_input(evaluation::read_queries(collection_of(options).queries, unknown)));
  std::unordered_map<std::string_view, const std::string*> texts;
  for (const evaluation::Query& query : queries) texts.emplace(query.id, &query.text);

  FirstStage stage;
  Missing missing;
  for (evaluation::Ranking& ranking : run.rankings) {
    const auto text = texts.find(ranking.query_id);
    if (text == texts.end()) {
      missing.emplace(ranking.query_id, "");
      continue;
    }
    if (split && !split->queries.contains(ranking.query_id)) {
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
  RERANK_TRY(report_missing(options, std::move(missing), unknown));
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
  RERANK_ASSIGN(std::optional<Split> split, read_split(options, unknown));
  RERANK_ASSIGN(FirstStage stage, choose_queries(options, split, unknown));
  std::unordered_set<std::string> wanted;
  for (const Candidates& candidates : stage.queries)
    wanted.insert(candidates.passage_ids.begin(), candidates.passage_ids.end());
  const evaluation::Collection collection = collection_of(options);
  RERANK_ASSIGN(stage.passages, as_input(evaluation::read_passages(collection.corpus, wanted, unknown,
                                                                   split ? &split->passages : nullptr)));
  if (split)
    RERANK_TRY(evaluation::check_judged_passages(collection.qrels, split->passages, collection.corpus, unknown));

  Missing missing;
  for (Candidates& candidates : stage.queries) {
    std::vector<std::string> known;
    for (std::string& id : candidates.passage_ids) {
      if (stage.passages.contains(id))
        known.push_back(std::move(id));
      else
        missing.emplace(candidates.query_id, std::move(id));
    }
    candidates.passage_ids = std::move(known);
    stage.pairs += candidates.passage_ids.size();
  }
  RERANK_TRY(report_missing(options, std::move(missing), unknown));
  return stage;
}

}  // namespace rerank::cli
