// A collection: passages, queries and judgements, as a folder in BEIR's or FlagEmbedding's layout or as single files.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "evaluation/bad_line.h"
#include "evaluation/text_records.h"
#include "evaluation/trec.h"
#include "rerank/error.h"

namespace rerank::evaluation {

// Where its parts are. A part of a folder may be packed: corpus.jsonl.gz, corpus.jsonl.zst.
//   BEIR           corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv
//   FlagEmbedding  corpus.jsonl, SPLIT_queries.jsonl, SPLIT_qrels.jsonl
struct Collection {
  std::filesystem::path corpus, queries;
  std::filesystem::path qrels;  // of the split; may not exist
};
// Finds the parts of a folder; those that are not there are named as BEIR names them.
Collection find_collection(const std::filesystem::path& folder, const std::string& split);

struct Query {
  std::string id, text;
};
using Passages = std::unordered_map<std::string, std::string>;  // id -> text

// All queries, in the order of the file. See TextReader for its forms. kNotFound, kIo, kCorrupt for the file;
// kBadInput, with file and line, for a line that is no query or repeats an id, where `bad` does not let it pass.
Result<std::vector<Query>> read_queries(const std::filesystem::path& file, const BadLine& bad = stop_at_bad_line);
Result<std::vector<Query>> read_queries(TextReader reader, const BadLine& bad = stop_at_bad_line);

// Every passage in turn, one in memory at a time; those of rank_llm's requests once each, however many requests hold
// them. Errors as above, without repeated ids but for requests; and those of `take`.
using TakePassage = std::function<Status(TextRecord)>;
Status for_each_passage(TextReader reader, const TakePassage& take, const BadLine& bad = stop_at_bad_line);
// Only the passages of `wanted`, so that a large corpus need not fit into memory; the caller looks which are missing.
// Ids of passages that are there are taken out of `absent`, if given.
Result<Passages> read_passages(const std::filesystem::path& file, const std::unordered_set<std::string>& wanted,
                               const BadLine& bad = stop_at_bad_line,
                               std::unordered_set<std::string>* absent = nullptr);
Result<Passages> read_passages(TextReader reader, const std::unordered_set<std::string>& wanted,
                               const BadLine& bad = stop_at_bad_line,
                               std::unordered_set<std::string>* absent = nullptr);

// The judgements of a split. kNotFound lists the splits that are there.
Result<Qrels> read_split(const std::filesystem::path& folder, const std::string& split,
                         const BadLine& bad = stop_at_bad_line);
// Gives `bad` each line of the judgements that names one of the passages in `absent`.
Status check_judged_passages(const std::filesystem::path& qrels, const std::unordered_set<std::string>& absent,
                             const std::filesystem::path& corpus, const BadLine& bad);

}  // namespace rerank::evaluation
