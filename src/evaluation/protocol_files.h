// The small files beside a collection that some protocols read: lists of passages, instructions, BRIGHT's examples and
// prompts. All come from strangers; a line that cannot be used is named with file and line, and ends the reading.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "evaluation/trec.h"
#include "io/lines.h"
#include "rerank/error.h"

namespace rerank::evaluation {

using IdLists = std::unordered_map<std::string, std::vector<std::string>>;
using Texts = std::unordered_map<std::string, std::string>;

// Lines {"query-id": Q, "corpus-ids": [P, ...]}, as mteb's top_ranked and qrel_diff; each query once. kBadInput, kIo,
// kCorrupt.
Result<IdLists> read_id_lists(io::LineReader lines);

// Lines {"query-id" or "_id" or "id": Q, "instruction": TEXT}; a line without an instruction, or with null, gives none.
// Errors as above.
Result<Texts> read_instructions(io::LineReader lines);

// BRIGHT's examples: lines {"id", "gold_ids": [...], "excluded_ids": [...]} with other members; "N/A" excludes nothing.
// A passage that is gold has relevance 1. Errors as above, and kBadInput where no query has a gold passage.
struct Examples {
  Qrels qrels;
  IdLists excluded;
};
Result<Examples> read_examples(io::LineReader lines);

// One object {NAME: TEXT}. kBadInput for anything else, and for a text without FILL_QUERY_HERE.
inline constexpr std::string_view kQueryPlace = "FILL_QUERY_HERE";
Result<Texts> read_prompts(io::LineReader lines);

}  // namespace rerank::evaluation
