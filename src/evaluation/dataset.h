// A collection in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv.
#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "evaluation/trec.h"
#include "io/jsonl.h"
#include "rerank/error.h"

namespace rerank::evaluation {

struct Query {
  std::string id, text;
};
using Passages = std::unordered_map<std::string, std::string>;  // id -> text

// queries.jsonl: {"_id", "text"} a line, in the order of the file.
// corpus.jsonl: {"_id", "title"?, "text"} a line; a passage's text is its title, a blank and its text, or its text
// alone when it has no title. Only passages of `wanted` are kept, so that a large corpus need not fit into memory; the
// caller looks which are missing. kNotFound or kIo for the file; kBadInput, with file and line, for a line that is no
// such object or repeats an id.
Result<std::vector<Query>> read_queries(const std::filesystem::path& folder);
Result<std::vector<Query>> read_queries(io::JsonlReader lines);
Result<Passages> read_passages(const std::filesystem::path& folder, const std::unordered_set<std::string>& wanted);
Result<Passages> read_passages(io::JsonlReader lines, const std::unordered_set<std::string>& wanted);

// qrels/SPLIT.tsv. kNotFound lists the splits that are there.
Result<Qrels> read_split(const std::filesystem::path& folder, const std::string& split);

}  // namespace rerank::evaluation
