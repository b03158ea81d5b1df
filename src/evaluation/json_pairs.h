// Rankings and judgements in the JSON forms of the evaluation programs.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "evaluation/bad_line.h"
#include "io/json.h"
#include "io/lines.h"
#include "rerank/error.h"

namespace rerank::evaluation {

// Takes one pair. `value` is its score or relevance, with the place in the file for errors.
using TakePair = std::function<Status(std::string_view query_id, std::string_view passage_id, const io::Json& value,
                                      std::size_t line)>;

// A member that is a string, or a whole number as rank_llm writes some ids.
Result<std::string> text_or_number_at(const io::Json& object, std::string_view key);

// Whether the first line of a file that is not blank begins a JSON text.
bool looks_like_json(std::string_view line);

// Reads a file whose first line is `first`, of which `lines` holds the rest:
//   {QUERY: {PASSAGE: VALUE}}                         flat runs and judgements (mteb, BEIR, pytrec_eval)
//   {"search_results": {QUERY: {PASSAGE: VALUE}}}     FlagEmbedding's results; any other keys stand beside it
//   {..., SUBSET: {SPLIT: {QUERY: ...}}}              mteb's predictions, with one subset and one split
//   {"query": {"qid"}, "candidates": [{"docid", "score"}]}    rank_llm, one a line or in a list
//   {"qid", "docid", "relevance"}                     FlagEmbedding's judgements, one a line
// All but those with one object a line are held in memory whole. kBadInput, with the file and the line or the path in
// the JSON, for anything else. Line numbers are 0 where there is one text.
Status read_json_pairs(io::Line first, io::LineReader& lines, const BadLine& bad, const TakePair& take);

}  // namespace rerank::evaluation
