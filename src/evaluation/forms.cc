#include "evaluation/forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <vector>

#include "base/try.h"
#include "base/utf8.h"
#include "io/json_text.h"

namespace rerank::evaluation {
namespace {

using Kind = TextReader::Kind;

constexpr std::array<std::string_view, 9> kNames = {"trec",     "msmarco", "beir", "flagembedding", "mteb", "json",
                                                    "rank_llm", "csv",     "tsv"};  // [Form]
constexpr std::array<std::string_view, 8> kRunForms = {"trec", "msmarco",  "json", "flagembedding",
                                                       "mteb", "rank_llm", "csv",  "tsv"};
constexpr std::array<std::string_view, 6> kQrelsForms = {"trec", "beir", "json", "flagembedding", "csv", "tsv"};
constexpr std::array<std::string_view, 6> kQueryForms = {"beir", "flagembedding", "msmarco", "trec", "csv", "tsv"};
constexpr std::array<std::string_view, 5> kPassageForms = {"beir", "flagembedding", "msmarco", "csv", "tsv"};
constexpr std::string_view kBlanks = " \t\r\n\v\f";
// Keys that mean something else in a JSON object of queries.
constexpr std::array<std::string_view, 5> kReserved = {"search_results", "mteb_model_meta", "candidates", "qid",
                                                       "docid"};

Error refused(std::string what, Form form) {
  return {Error::Code::kBadInput,
          fmt::format("{}, which the form {} cannot hold", what, kNames[static_cast<int>(form)]), "",
          "choose another form"};
}

// The bytes that a column of the form may not hold. An id stands in a column; so does a text but for JSON.
std::string_view forbidden(Form form, bool is_id) {
  switch (form) {
    case Form::kTrec:
      return is_id ? kBlanks : "";
    case Form::kMsMarco:
    case Form::kTsv:
      return "\t\r\n";
    case Form::kBeir:
      return is_id ? "\t\r\n" : "";
    case Form::kCsv:
      return "\r\n";
    default:
      return "";
  }
}

bool is_json(Form form) {
  return form == Form::kFlagEmbedding || form == Form::kMteb || form == Form::kJson || form == Form::kRankLlm;
}

Status check_id(std::string_view id, Form form) {
  if (id.empty()) return refused("an id is empty", form);
  if (id.find_first_of(forbidden(form, true)) != id.npos)
    return refused(fmt::format("id \"{}\" holds a blank or a line end", id), form);
  if (is_json(form) && first_invalid_utf8(id) != id.npos)
    return refused(fmt::format("id \"{}\" is no UTF-8", id), form);
  return {};
}

Status check_query(std::string_view id, Form form) {
  RERANK_TRY(check_id(id, form));
  if (is_json(form) && std::find(kReserved.begin(), kReserved.end(), id) != kReserved.end())
    return refused(fmt::format("a query is called \"{}\"", id), form);
  return {};
}

// A field of a line that is divided by commas or tabs.
std::string field(std::string_view text, Form form) {
  if (form != Form::kCsv || text.find_first_of(",\"") == text.npos) return std::string(text);
  std::string quoted = "\"";
  for (const char byte : text) {
    if (byte == '"') quoted += '"';
    quoted += byte;
  }
  return quoted + '"';
}

template <class... Values>
std::string row(Form form, const Values&... values) {
  const char separator = form == Form::kCsv ? ',' : '\t';
  std::string line;
  ((line.append(field(fmt::format("{}", values), form)) += separator), ...);
  line.back() = '\n';
  return line;
}

std::string json_score(float score) {
  return io::json_number(score, true);
}

// {PASSAGE: VALUE, ...} of a query, with its key before it.
template <class Entries, class Value>
std::string json_member(const std::string& query_id, const Entries& entries, const Value& value) {
  std::string text = io::json_string(query_id) + ": {";
  for (const auto& entry : entries)
    text += fmt::format("{}{}: {}", &entry == &*entries.begin() ? "" : ", ", io::json_string(entry.passage_id),
                        value(entry));
  return text + "}";
}

std::string rank_llm_line(const Ranking& ranking, const RunTexts& texts) {
  const auto text_of = [](const auto& of, const std::string& id) {
    const auto at = of.find(id);
    return at == of.end() ? std::string() : io::json_string(at->second);
  };
  const std::string query = text_of(texts.queries, ranking.query_id);
  std::string line = fmt::format("{{\"query\": {{\"text\": {}, \"qid\": {}}}, \"candidates\": [",
                                 query.empty() ? "\"\"" : query, io::json_string(ranking.query_id));
  for (std::size_t i = 0; i < ranking.passages.size(); ++i) {
    const ScoredPassage& passage = ranking.passages[i];
    const std::string text = text_of(texts.passages, passage.passage_id);
    line += fmt::format("{}{{\"docid\": {}, \"score\": {}, \"doc\": {{{}}}}}", i == 0 ? "" : ", ",
                        io::json_string(passage.passage_id), json_score(passage.score),
                        text.empty() ? "" : "\"text\": " + text);
  }
  return line + "]}\n";
}

std::string lines_of(const Ranking& ranking, Form form, std::string_view name, const RunTexts& texts) {
  if (form == Form::kRankLlm) return rank_llm_line(ranking, texts);
  std::string lines;
  std::size_t rank = 0;
  for (const ScoredPassage& passage : ranking.passages) {
    ++rank;
    if (form == Form::kTrec)
      fmt::format_to(std::back_inserter(lines), "{} Q0 {} {} {} {}\n", ranking.query_id, passage.passage_id, rank,
                     passage.score, name);
    else if (form == Form::kMsMarco)
      lines += row(form, ranking.query_id, passage.passage_id, rank);
    else
      lines += row(form, ranking.query_id, passage.passage_id, rank, passage.score);
  }
  return lines;
}

// For SGML.
std::string escaped(std::string_view text) {
  std::string safe;
  for (const char byte : text)
    byte == '&' ? safe += "&amp;" : byte == '<' ? safe += "&lt;" : byte == '>' ? safe += "&gt;" : safe += byte;
  return safe;
}

// What stands around an object of queries.
struct Frame {
  std::string before, after;
};
Frame frame_of(Form form, std::string_view name) {
  const std::string system = io::json_string(name);
  if (form == Form::kFlagEmbedding)
    return {fmt::format("{{\"eval_name\": \"rerank\", \"model_name\": {}, \"reranker_name\": \"NoReranker\", "
                        "\"split\": \"test\", \"dataset_name\": \"rerank\", \"search_results\": ",
                        system),
            "}"};
  if (form == Form::kMteb)
    return {fmt::format("{{\"mteb_model_meta\": {{\"model_name\": {}, \"revision\": \"no_revision_available\"}}, "
                        "\"default\": {{\"test\": ",
                        system),
            "}}"};
  return {};
}

}  // namespace

std::optional<Form> parse_form(std::string_view name) {
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<Form>(at - kNames.begin());
}

std::span<const std::string_view> run_forms() {
  return kRunForms;
}
std::span<const std::string_view> qrels_forms() {
  return kQrelsForms;
}
std::span<const std::string_view> text_forms(Kind kind) {
  return kind == Kind::kQueries ? std::span<const std::string_view>(kQueryForms) : kPassageForms;
}

Status write_run(const Run& run, Form form, std::string_view name, const RunTexts& texts, const TakeText& take) {
  const bool is_object = form == Form::kJson || form == Form::kFlagEmbedding || form == Form::kMteb;
  std::string tag(name.empty() ? "rerank" : name);
  if (form == Form::kTrec)
    std::replace_if(
        tag.begin(), tag.end(), [](char byte) { return kBlanks.find(byte) != kBlanks.npos; }, '_');
  const Frame frame = frame_of(form, tag);
  if (is_object) RERANK_TRY(take(frame.before + "{\n"));
  if (form == Form::kCsv || form == Form::kTsv) RERANK_TRY(take(row(form, "query_id", "passage_id", "rank", "score")));
  for (std::size_t i = 0; i < run.rankings.size(); ++i) {
    Ranking ranking = run.rankings[i];
    RERANK_TRY(check_query(ranking.query_id, form));
    for (const ScoredPassage& passage : ranking.passages) {
      RERANK_TRY(check_id(passage.passage_id, form));
      if (!std::isfinite(passage.score)) return refused("a score is not finite", form);
    }
    sort_as_trec_eval(ranking.passages);
    const auto score = [](const ScoredPassage& passage) { return json_score(passage.score); };
    RERANK_TRY(take(is_object ? json_member(ranking.query_id, ranking.passages, score) +
                                    (i + 1 < run.rankings.size() ? ",\n" : "\n")
                              : lines_of(ranking, form, tag, texts)));
  }
  return is_object ? take("}" + frame.after + "\n") : Status();
}

Status write_qrels(const Qrels& qrels, Form form, const TakeText& take) {
  const bool is_object = form == Form::kJson;
  if (is_object) RERANK_TRY(take("{\n"));
  if (form == Form::kBeir) RERANK_TRY(take("query-id\tcorpus-id\tscore\n"));
  if (form == Form::kCsv || form == Form::kTsv) RERANK_TRY(take(row(form, "query_id", "passage_id", "relevance")));
  for (std::size_t i = 0; i < qrels.queries.size(); ++i) {
    const JudgedQuery& query = qrels.queries[i];
    RERANK_TRY(check_query(query.query_id, form));
    for (const Judgement& judgement : query.judgements) RERANK_TRY(check_id(judgement.passage_id, form));
    std::string lines;
    if (is_object)
      lines = json_member(query.query_id, query.judgements, [](const Judgement& j) { return j.relevance; }) +
              (i + 1 < qrels.queries.size() ? ",\n" : "\n");
    else
      for (const Judgement& judgement : query.judgements)
        lines +=
            form == Form::kTrec ? fmt::format("{} 0 {} {}\n", query.query_id, judgement.passage_id, judgement.relevance)
            : form == Form::kFlagEmbedding
                ? fmt::format("{{\"qid\": {}, \"docid\": {}, \"relevance\": {}}}\n", io::json_string(query.query_id),
                              io::json_string(judgement.passage_id), judgement.relevance)
                : row(form, query.query_id, judgement.passage_id, judgement.relevance);
    RERANK_TRY(take(lines));
  }
  return is_object ? take("}\n") : Status();
}

TextWriter::TextWriter(Form form, Kind kind, TakeText take) : form_(form), kind_(kind), take_(std::move(take)) {}

Status TextWriter::begin() {
  if (form_ != Form::kCsv && form_ != Form::kTsv) return {};
  return take_(kind_ == Kind::kQueries ? row(form_, "query_id", "text") : row(form_, "id", "title", "text"));
}

Status TextWriter::write(const TextRecord& record) {
  Result<std::string> line = line_of(record);
  if (!line.ok()) {
    line.error().where = record.where;
    return line.error();
  }
  return take_(line.value());
}

Result<std::string> TextWriter::line_of(const TextRecord& record) const {
  const Form id_form = form_ == Form::kBeir ? Form::kJson : form_;  // a text's id is a JSON string there
  RERANK_TRY(check_id(record.id, id_form));
  if (record.text.find_first_of(forbidden(form_, false)) != record.text.npos)
    return refused(fmt::format("the text of \"{}\" holds a tab or a line end", record.id), form_);
  const bool is_query = kind_ == Kind::kQueries;
  const std::string_view title = std::string_view(record.text).substr(0, record.title_bytes);
  const std::string_view body = std::string_view(record.text).substr(title.empty() ? 0 : title.size() + 1);
  switch (form_) {
    case Form::kBeir:
    case Form::kFlagEmbedding: {
      const std::string title_member = is_query || (form_ == Form::kFlagEmbedding && title.empty())
                                           ? ""
                                           : fmt::format("\"title\": {}, ", io::json_string(title));
      return fmt::format("{{\"{}\": {}, {}\"text\": {}}}\n", form_ == Form::kBeir ? "_id" : "id",
                         io::json_string(record.id), title_member, io::json_string(is_query ? record.text : body));
    }
    case Form::kCsv:
    case Form::kTsv:
      return is_query ? row(form_, record.id, record.text) : row(form_, record.id, title, body);
    case Form::kTrec:
      if (record.text.find_first_not_of(kBlanks) == record.text.npos)
        return refused(fmt::format("the text of \"{}\" is empty", record.id), form_);
      return fmt::format("<top>\n<num> Number: {}\n<title> {}\n</top>\n\n", escaped(record.id), escaped(record.text));
    default:
      return row(form_, record.id, record.text);
  }
}

}  // namespace rerank::evaluation
