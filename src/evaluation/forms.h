// Rankings, judgements and texts, written in the file forms of the field: what the readers read, for other programs.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "evaluation/text_records.h"
#include "evaluation/trec.h"
#include "rerank/error.h"

namespace rerank::evaluation {

enum class Form {
  kTrec,           // runs, judgements, topics
  kMsMarco,        // QUERY<TAB>PASSAGE<TAB>RANK; ID<TAB>TEXT
  kBeir,           // judgements below a header; JSONL with "_id"
  kFlagEmbedding,  // JSON with "search_results"; JSONL with "qid", "docid", "relevance", or with "id"
  kMteb,           // predictions
  kJson,           // {QUERY: {PASSAGE: VALUE}}
  kRankLlm,        // a request a line
  kCsv,            // below a header
  kTsv
};
std::optional<Form> parse_form(std::string_view name);  // "trec", "msmarco", "rank_llm", ...

// The names of the forms that there are of each.
std::span<const std::string_view> run_forms();
std::span<const std::string_view> qrels_forms();
std::span<const std::string_view> text_forms(TextReader::Kind kind);

// Is given the file piece by piece.
using TakeText = std::function<Status(std::string_view)>;

struct RunTexts {  // id -> text; a form that has texts leaves out those that are not there
  std::unordered_map<std::string, std::string> queries, passages;
};

// All of these: kBadInput for what the form cannot hold, such as an id with a blank in TREC's, and the errors of
// `take`. What was written until then is no whole file.

// Each query's passages best first, as sort_as_trec_eval. `name` is that of the system, where the form has one.
Status write_run(const Run& run, Form form, std::string_view name, const RunTexts& texts, const TakeText& take);
Status write_qrels(const Qrels& qrels, Form form, const TakeText& take);

// Writes texts one by one.
class TextWriter {
 public:
  TextWriter(Form form, TextReader::Kind kind, TakeText take);
  // What stands before the first one.
  Status begin();
  // Nothing is written of a record that is refused; the error has its place.
  Status write(const TextRecord& record);

 private:
  Result<std::string> line_of(const TextRecord& record) const;

  Form form_;
  TextReader::Kind kind_;
  TakeText take_;
};

}  // namespace rerank::evaluation
