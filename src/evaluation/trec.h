// Rankings and judgements in the file forms of the field. Ids are opaque bytes without blanks.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/bad_line.h"
#include "io/lines.h"
#include "io/output.h"
#include "rerank/error.h"

namespace rerank::evaluation {

struct ScoredPassage {
  std::string passage_id;
  float score = 0;  // trec_eval compares in this precision, so this is all that a ranking may depend on
};

struct Ranking {
  std::string query_id;
  std::vector<ScoredPassage> passages;  // in the order of the file
};

// A first stage's or a reranker's output. Queries in the order in which the file first names them; each query once, and
// each passage once a query.
struct Run {
  std::vector<Ranking> rankings;
};

struct Judgement {
  std::string passage_id;
  int relevance = 0;  // above 0 is relevant; larger is better
};

struct JudgedQuery {
  std::string query_id;
  std::vector<Judgement> judgements;  // each passage once
};

struct Qrels {
  std::vector<JudgedQuery> queries;  // in the order of the file, each once, none without judgements
};

// Puts the best first, as trec_eval does: by score, and where scores are equal by passage id, the larger bytes first.
// The rank column of a run file plays no part.
void sort_as_trec_eval(std::span<ScoredPassage> passages);

// Reads a ranking in one of these forms, told apart by the first line:
//   TREC      "QUERY Q0 PASSAGE RANK SCORE TAG", columns divided by blanks or tabs
//   MS MARCO  "QUERY<TAB>PASSAGE<TAB>RANK"; the score is minus the rank
//   named     a header that names a query, a passage and a score column, and perhaps "rank", then CSV or TSV
//   JSON      see json_pairs.h
// Blank lines are passed over, packed files are unpacked. kNotFound, kIo, kCorrupt for the file; kBadInput, with file
// and line, for a wrong number of columns, a score that is no finite float, a (query, passage) pair that is there
// twice, a query whose scores rise from a rank to a later one, where `bad` does not let it pass; or for no pair at all.
// Where such a query passes it is kept whole: its scores count, and its ranks do not.
Result<Run> read_run(const std::string& path, const BadLine& bad = stop_at_bad_line);
Result<Run> read_run(io::LineReader lines, const BadLine& bad = stop_at_bad_line);

// Reads judgements in one of these forms, told apart by the first line:
//   TREC   "QUERY ITERATION PASSAGE RELEVANCE", columns divided by blanks or tabs
//   named  a header that names a query, a passage and a relevance column, as BEIR's query-id, corpus-id and score, then
//          CSV or TSV; ids may hold blanks
//   JSON   see json_pairs.h
// Errors are those of read_run, with a relevance that is no integer.
Result<Qrels> read_qrels(const std::string& path, const BadLine& bad = stop_at_bad_line);
Result<Qrels> read_qrels(io::LineReader lines, const BadLine& bad = stop_at_bad_line);

// Goes through the pairs of a file again, to say where those stand that turned out to be wrong. Each pair that `picks`
// is given to `at` with its place, "run.trec line 17" or "run.json: q1.d1"; an error of `at` ends it. Nothing is given
// of a file that cannot be read a second time, as a pipe.
enum class PairFile { kRun, kQrels };
using PickPair = std::function<bool(std::string_view query_id, std::string_view passage_id)>;
using AtPlace = std::function<Status(std::string_view query_id, std::string_view passage_id, const std::string& where)>;
Status for_each_place(const std::string& path, PairFile kind, const PickPair& picks, const AtPlace& at);
// The place of the first pair that `picks`; the file where that cannot be said.
std::string first_place(const std::string& path, PairFile kind, const PickPair& picks);

// Writes a run query by query, so that what was ranked is on disk before the next query begins.
class RunWriter {
 public:
  // `tag` names the system in the last column; blanks in it become "_".
  RunWriter(io::OutputFile output, std::string_view tag);

  // The ranking of one query, best first, with ranks from 1 and scores that read back as the same floats. kBadInput
  // when an id is empty or holds a blank or a line end, or a score is not finite.
  Result<std::string> lines(std::string_view query_id, std::span<const ScoredPassage> best_first) const;
  // Appends them and flushes; nothing of a query that is refused. kIo when the file cannot take it.
  Status write(std::string_view query_id, std::span<const ScoredPassage> best_first);
  Status close() { return output_.close(); }
  const std::string& name() const { return output_.name(); }

 private:
  io::OutputFile output_;
  std::string tag_;
};

}  // namespace rerank::evaluation
