#include "evaluation/trec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>

#include "base/try.h"
#include "evaluation/columns.h"
#include "evaluation/json_pairs.h"
#include "evaluation/pairs_by_query.h"

namespace rerank::evaluation {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";
constexpr std::string_view kNoIdBytes = " \t\r\v\f\n";
constexpr const char* kRunForm = "a line is QUERY Q0 PASSAGE RANK SCORE TAG";
constexpr const char* kTrecForm = "a line is QUERY ITERATION PASSAGE RELEVANCE; BEIR files begin with a header line";
constexpr const char* kMsMarcoForm = "a line is QUERY<TAB>PASSAGE<TAB>RANK";

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  Number number;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A score as trec_eval keeps it: read as a double, rounded to a float. Nothing for NaN and beyond the finite floats.
std::optional<float> parse_score(std::string_view text) {
  const auto number = parse_number<double>(text);
  if (!number || !(std::abs(*number) <= std::numeric_limits<float>::max())) return std::nullopt;
  return static_cast<float>(*number);
}

// The next line that is not blank.
Result<std::optional<io::Line>> next_line(io::LineReader& lines) {
  while (true) {
    RERANK_ASSIGN(const std::optional<io::Line> line, lines.next());
    if (!line || line->text.find_first_not_of(kBlanks) != line->text.npos) return line;
  }
}

constexpr ColumnNames kQuery{"query", kQueryColumn}, kPassage{"passage", kPassageColumn};

// The value of a pair, as it stands in a JSON text: simdjson has checked that a number is well-formed.
std::string text_of(const io::Json& value) {
  return value.element().is_number() ? std::string(simdjson::minify(value.element())) : std::string();
}

struct TextPair {
  std::string_view query_id, passage_id, value;
};

// How the columns of a file without JSON are read: chosen by its first line.
class PairColumns {
 public:
  enum class Kind { kRun, kQrels };

  // Whether `first` is a header, which holds no pair.
  Result<bool> choose(std::string_view first, Kind kind) {
    kind_ = kind;
    const std::array value{ColumnNames{"value", kind == Kind::kRun ? std::span<const std::string_view>(kScoreColumn)
                                                                   : std::span<const std::string_view>(kGradeColumn)}};
    const std::array required{kQuery, kPassage, value[0]};
    named_ = NamedColumns::find(first, required);
    if (named_) return true;
    if (kind == Kind::kQrels && first.starts_with("query-id"))
      return Error{Error::Code::kBadInput,
                   fmt::format("header is \"{}\", expected query-id, corpus-id and score", first), "",
                   "divide the three columns by single tabs"};
    split_at_tabs(first, columns_);
    // MS MARCO's runs have ranks and no scores.
    is_ranked_ = kind == Kind::kRun && columns_.size() == 3 && parse_number<int>(columns_[2]).has_value();
    return false;
  }

  Result<TextPair> parse(std::string_view line) {
    if (named_) {
      RERANK_ASSIGN(const std::span<const std::string> fields, named_->read(line));
      return TextPair{fields[0], fields[1], fields[2]};
    }
    is_ranked_ ? split_at_tabs(line, columns_) : split_at_blanks(line, columns_);
    const std::size_t expected = is_ranked_ ? 3 : kind_ == Kind::kRun ? 6 : 4;
    if (columns_.size() != expected)
      return Error{Error::Code::kBadInput, fmt::format("has {} columns, expected {}", columns_.size(), expected), "",
                   is_ranked_            ? kMsMarcoForm
                   : kind_ == Kind::kRun ? kRunForm
                                         : kTrecForm};
    if (!is_ranked_) return TextPair{columns_[0], columns_[2], columns_[kind_ == Kind::kRun ? 4 : 3]};
    const auto rank = parse_number<int>(columns_[2]);
    if (!rank || *rank < 0)
      return Error{Error::Code::kBadInput, fmt::format("rank is \"{}\", expected a whole number", columns_[2]), "",
                   kMsMarcoForm};
    score_ = std::to_string(-*rank);
    return TextPair{columns_[0], columns_[1], score_};
  }

  const char* form() const { return kind_ == Kind::kRun ? kRunForm : kTrecForm; }

 private:
  Kind kind_ = Kind::kRun;
  std::optional<NamedColumns> named_;
  bool is_ranked_ = false;
  Columns columns_;
  std::string score_;
};

bool is_id(std::string_view id) {
  return !id.empty() && id.find_first_of(kNoIdBytes) == id.npos;
}

// Reads a file in any of its forms. add(query_id, passage_id, value, line) returns the error that the value makes.
template <class Pairs, class Add>
Status read_pairs(io::LineReader& lines, PairColumns::Kind kind, const BadLine& bad, Pairs& pairs, const Add& add) {
  RERANK_ASSIGN(std::optional<io::Line> line, next_line(lines));
  if (line && looks_like_json(line->text)) {
    const TakePair take = [&](std::string_view query_id, std::string_view passage_id, const io::Json& value,
                              std::size_t number) -> Status {
      Status status = add(query_id, passage_id, text_of(value), number);
      if (status.ok()) return {};
      status.error().where = value.where();
      return bad(std::move(status.error()));
    };
    RERANK_TRY(read_json_pairs(*line, lines, bad, take));
  } else if (line) {
    PairColumns columns;
    Result<bool> is_header = columns.choose(line->text, kind);
    if (!is_header.ok()) {
      is_header.error().where = lines.where(line->number);
      return is_header.error();
    }
    if (is_header.value()) {
      RERANK_ASSIGN(line, next_line(lines));
    }
    while (line) {
      Result<TextPair> pair = columns.parse(line->text);
      Status status = pair.ok() ? add(pair.value().query_id, pair.value().passage_id, pair.value().value, line->number)
                                : Status(pair.error());
      if (!status.ok()) {
        status.error().where = lines.where(line->number);
        if (status.error().fix.empty()) status.error().fix = columns.form();
        RERANK_TRY(bad(std::move(status.error())));
      }
      RERANK_ASSIGN(line, next_line(lines));
    }
  }
  return pairs.check_unique([&](std::size_t number) { return number == 0 ? lines.name() : lines.where(number); }, bad);
}

}  // namespace

void sort_as_trec_eval(std::span<ScoredPassage> passages) {
  std::sort(passages.begin(), passages.end(), [](const ScoredPassage& a, const ScoredPassage& b) {
    return a.score != b.score ? a.score > b.score : a.passage_id > b.passage_id;
  });
}

Result<Run> read_run(const std::string& path, const BadLine& bad) {
  RERANK_ASSIGN(io::LineReader lines, io::LineReader::open(path));
  return read_run(std::move(lines), bad);
}

Result<Run> read_run(io::LineReader lines, const BadLine& bad) {
  PairsByQuery<ScoredPassage> pairs;
  RERANK_TRY(read_pairs(
      lines, PairColumns::Kind::kRun, bad, pairs,
      [&](std::string_view query_id, std::string_view passage_id, std::string_view value, std::size_t line) -> Status {
        if (!is_id(query_id) || !is_id(passage_id))
          return Error{Error::Code::kBadInput, "an id is empty or holds a blank", "", ""};
        const auto score = parse_score(value);
        if (!score)
          return Error{Error::Code::kBadInput, fmt::format("score is \"{}\", expected a finite number", value), "", ""};
        pairs.add(query_id, {std::string(passage_id), *score}, line);
        return {};
      }));
  if (pairs.empty()) return Error{Error::Code::kBadInput, "holds no ranking", lines.name(), kRunForm};
  Run run;
  for (auto& group : pairs.take()) run.rankings.push_back({std::move(group.query_id), std::move(group.entries)});
  return run;
}

Result<Qrels> read_qrels(const std::string& path, const BadLine& bad) {
  RERANK_ASSIGN(io::LineReader lines, io::LineReader::open(path));
  return read_qrels(std::move(lines), bad);
}

Result<Qrels> read_qrels(io::LineReader lines, const BadLine& bad) {
  PairsByQuery<Judgement> pairs;
  RERANK_TRY(read_pairs(
      lines, PairColumns::Kind::kQrels, bad, pairs,
      [&](std::string_view query_id, std::string_view passage_id, std::string_view value, std::size_t line) -> Status {
        if (query_id.empty() || passage_id.empty()) return Error{Error::Code::kBadInput, "an id is empty", "", ""};
        const auto relevance = parse_number<int>(value);
        if (!relevance)
          return Error{Error::Code::kBadInput, fmt::format("relevance is \"{}\", expected an integer", value), "", ""};
        pairs.add(query_id, {std::string(passage_id), *relevance}, line);
        return {};
      }));
  if (pairs.empty()) return Error{Error::Code::kBadInput, "holds no judgement", lines.name(), kTrecForm};
  Qrels qrels;
  for (auto& group : pairs.take()) qrels.queries.push_back({std::move(group.query_id), std::move(group.entries)});
  return qrels;
}

RunWriter::RunWriter(io::OutputFile output, std::string_view tag)
    : output_(std::move(output)), tag_(tag.empty() ? "rerank" : tag) {
  for (char& byte : tag_)
    if (kNoIdBytes.find(byte) != kNoIdBytes.npos) byte = '_';
}

Result<std::string> RunWriter::lines(std::string_view query_id, std::span<const ScoredPassage> best_first) const {
  const auto refuse = [&](std::string what) {
    return Error{Error::Code::kBadInput, std::move(what), output_.name(), "a run file divides its columns by blanks"};
  };
  if (!is_id(query_id)) return refuse(fmt::format("query id \"{}\" is empty or holds a blank", query_id));
  std::string lines;
  std::size_t rank = 0;
  for (const ScoredPassage& passage : best_first) {
    if (!is_id(passage.passage_id))
      return refuse(
          fmt::format("passage id \"{}\" of query {} is empty or holds a blank", passage.passage_id, query_id));
    if (!std::isfinite(passage.score))
      return Error{Error::Code::kBadInput,
                   fmt::format("score of query {} and passage {} is {}, expected a finite number", query_id,
                               passage.passage_id, passage.score),
                   output_.name(), ""};
    fmt::format_to(std::back_inserter(lines), "{} Q0 {} {} {} {}\n", query_id, passage.passage_id, ++rank,
                   passage.score, tag_);
  }
  return lines;
}

Status RunWriter::write(std::string_view query_id, std::span<const ScoredPassage> best_first) {
  RERANK_ASSIGN(const std::string text, lines(query_id, best_first));
  RERANK_TRY(output_.write(text));
  return output_.flush();
}

}  // namespace rerank::evaluation
