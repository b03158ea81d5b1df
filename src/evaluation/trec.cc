#include "evaluation/trec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
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

// A score as trec_eval keeps it: read as a double, rounded to a float. Nothing for NaN and what rounds to no finite
// float.
std::optional<float> parse_score(std::string_view text) {
  constexpr double kBeyond = 0x1.ffffffp127;  // half of the last digit above the largest float
  const auto number = parse_number<double>(text);
  if (!number || !(std::abs(*number) < kBeyond)) return std::nullopt;
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

constexpr int kNoRank = -1;

struct TextPair {
  std::string_view query_id, passage_id, value;
  int rank = kNoRank;
};

// A line of a run. Where a file has ranks they only serve to see that they agree with the scores.
struct RunEntry {
  std::string passage_id;
  float score;
  int rank;
};

// A rank, where the column holds one.
int parse_rank(std::string_view text) {
  const auto rank = parse_number<int>(text);
  return rank && *rank >= 0 ? *rank : kNoRank;
}

// How the columns of a file without JSON are read: chosen by its first line.
class PairColumns {
 public:
  // Whether `first` is a header, which holds no pair.
  Result<bool> choose(std::string_view first, PairFile kind) {
    kind_ = kind;
    const std::array value{ColumnNames{"value", kind == PairFile::kRun
                                                    ? std::span<const std::string_view>(kScoreColumn)
                                                    : std::span<const std::string_view>(kGradeColumn)}};
    const std::array required{kQuery, kPassage, value[0]};
    const std::array optional{ColumnNames{"rank", kRankColumn}};
    named_ =
        kind == PairFile::kRun ? NamedColumns::find(first, required, optional) : NamedColumns::find(first, required);
    if (named_) return true;
    if (kind == PairFile::kQrels && first.starts_with("query-id"))
      return Error{Error::Code::kBadInput,
                   fmt::format("header is \"{}\", expected query-id, corpus-id and score", first), "",
                   "divide the three columns by single tabs"};
    split_at_tabs(first, columns_);
    // MS MARCO's runs have ranks and no scores.
    is_ranked_ = kind == PairFile::kRun && columns_.size() == 3 && parse_number<int>(columns_[2]).has_value();
    return false;
  }

  Result<TextPair> parse(std::string_view line) {
    if (named_) {
      RERANK_ASSIGN(const std::span<const std::string> fields, named_->read(line));
      return TextPair{fields[0], fields[1], fields[2], fields.size() > 3 ? parse_rank(fields[3]) : kNoRank};
    }
    is_ranked_ ? split_at_tabs(line, columns_) : split_at_blanks(line, columns_);
    const std::size_t expected = is_ranked_ ? 3 : kind_ == PairFile::kRun ? 6 : 4;
    if (columns_.size() != expected)
      return Error{Error::Code::kBadInput, fmt::format("has {} columns, expected {}", columns_.size(), expected), "",
                   is_ranked_                ? kMsMarcoForm
                   : kind_ == PairFile::kRun ? kRunForm
                                             : kTrecForm};
    if (!is_ranked_ && kind_ == PairFile::kQrels) return TextPair{columns_[0], columns_[2], columns_[3]};
    if (!is_ranked_) return TextPair{columns_[0], columns_[2], columns_[4], parse_rank(columns_[3])};
    const auto rank = parse_number<int>(columns_[2]);
    if (!rank || *rank < 0)
      return Error{Error::Code::kBadInput, fmt::format("rank is \"{}\", expected a whole number", columns_[2]), "",
                   kMsMarcoForm};
    score_ = std::to_string(-*rank);
    return TextPair{columns_[0], columns_[1], score_};
  }

  const char* form() const { return kind_ == PairFile::kRun ? kRunForm : kTrecForm; }

 private:
  PairFile kind_ = PairFile::kRun;
  std::optional<NamedColumns> named_;
  bool is_ranked_ = false;
  Columns columns_;
  std::string score_;
};

bool is_id(std::string_view id) {
  return !id.empty() && id.find_first_of(kNoIdBytes) == id.npos;
}

// Reads a file in any of its forms. add(TextPair, line) returns the error that the pair makes.
template <class Add>
Status read_pairs(io::LineReader& lines, PairFile kind, const BadLine& bad, const Add& add) {
  RERANK_ASSIGN(std::optional<io::Line> line, next_line(lines));
  if (line && looks_like_json(line->text)) {
    const TakePair take = [&](std::string_view query_id, std::string_view passage_id, const io::Json& value,
                              std::size_t number) -> Status {
      const std::string text = text_of(value);
      Status status = add(TextPair{query_id, passage_id, text}, number);
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
      Status status = pair.ok() ? add(pair.value(), line->number) : Status(pair.error());
      if (!status.ok()) {
        status.error().where = lines.where(line->number);
        if (status.error().fix.empty()) status.error().fix = columns.form();
        RERANK_TRY(bad(std::move(status.error())));
      }
      RERANK_ASSIGN(line, next_line(lines));
    }
  }
  return {};
}

// "run.trec line 17", or the file where that is one JSON text.
std::string where_line(const io::LineReader& lines, std::size_t number) {
  return number == 0 ? lines.name() : lines.where(number);
}

// Gives `bad`, once a query, the line whose score is above that of an earlier rank.
Status check_ranks(const PairsByQuery<RunEntry>::Group& group, const io::LineReader& lines, const BadLine& bad) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < group.entries.size(); ++i)
    if (group.entries[i].rank != kNoRank) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return group.entries[a].rank < group.entries[b].rank; });
  std::optional<std::size_t> least;  // the lowest score of all earlier ranks
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && group.entries[order[end]].rank == group.entries[order[begin]].rank) ++end;
    for (std::size_t i = begin; i < end; ++i) {
      const RunEntry& entry = group.entries[order[i]];
      if (!least || entry.score <= group.entries[*least].score) continue;
      const RunEntry& earlier = group.entries[*least];
      return bad({Error::Code::kBadInput,
                  fmt::format("query {} has score {} at rank {}, and {} at rank {} in line {}", group.query_id,
                              entry.score, entry.rank, earlier.score, earlier.rank, group.lines[*least]),
                  where_line(lines, group.lines[order[i]]),
                  "scores have to fall from rank to rank; --on-error skip goes by the scores, as trec_eval does"});
    }
    for (std::size_t i = begin; i < end; ++i)
      if (!least || group.entries[order[i]].score < group.entries[*least].score) least = order[i];
  }
  return {};
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
  PairsByQuery<RunEntry> pairs;
  RERANK_TRY(read_pairs(lines, PairFile::kRun, bad, [&](const TextPair& pair, std::size_t line) -> Status {
    if (!is_id(pair.query_id) || !is_id(pair.passage_id))
      return Error{Error::Code::kBadInput, "an id is empty or holds a blank", "", ""};
    const auto score = parse_score(pair.value);
    if (!score)
      return Error{Error::Code::kBadInput, fmt::format("score is \"{}\", expected a finite number", pair.value), "",
                   ""};
    pairs.add(pair.query_id, {std::string(pair.passage_id), *score, pair.rank}, line);
    return {};
  }));
  RERANK_TRY(pairs.check_unique([&](std::size_t number) { return where_line(lines, number); }, bad));
  if (pairs.empty()) return Error{Error::Code::kBadInput, "holds no ranking", lines.name(), kRunForm};
  Run run;
  for (auto& group : pairs.take()) {
    RERANK_TRY(check_ranks(group, lines, bad));
    Ranking& ranking = run.rankings.emplace_back(Ranking{std::move(group.query_id), {}});
    ranking.passages.reserve(group.entries.size());
    for (RunEntry& entry : group.entries) ranking.passages.push_back({std::move(entry.passage_id), entry.score});
  }
  return run;
}

Result<Qrels> read_qrels(const std::string& path, const BadLine& bad) {
  RERANK_ASSIGN(io::LineReader lines, io::LineReader::open(path));
  return read_qrels(std::move(lines), bad);
}

Result<Qrels> read_qrels(io::LineReader lines, const BadLine& bad) {
  PairsByQuery<Judgement> pairs;
  RERANK_TRY(read_pairs(lines, PairFile::kQrels, bad, [&](const TextPair& pair, std::size_t line) -> Status {
    if (pair.query_id.empty() || pair.passage_id.empty())
      return Error{Error::Code::kBadInput, "an id is empty", "", ""};
    const auto relevance = parse_number<int>(pair.value);
    if (!relevance)
      return Error{Error::Code::kBadInput, fmt::format("relevance is \"{}\", expected an integer", pair.value), "", ""};
    pairs.add(pair.query_id, {std::string(pair.passage_id), *relevance}, line);
    return {};
  }));
  RERANK_TRY(pairs.check_unique([&](std::size_t number) { return where_line(lines, number); }, bad));
  if (pairs.empty()) return Error{Error::Code::kBadInput, "holds no judgement", lines.name(), kTrecForm};
  Qrels qrels;
  for (auto& group : pairs.take()) qrels.queries.push_back({std::move(group.query_id), std::move(group.entries)});
  return qrels;
}

Status for_each_place(const std::string& path, PairFile kind, const PickPair& picks, const AtPlace& at) {
  Result<io::LineReader> lines = io::LineReader::open(path);
  if (!lines.ok()) return {};
  std::optional<std::pair<std::string, std::string>> picked;
  Status given;
  const auto add = [&](const TextPair& pair, std::size_t) -> Status {
    if (!picks(pair.query_id, pair.passage_id)) return {};
    picked.emplace(pair.query_id, pair.passage_id);
    return Error{Error::Code::kBadInput, "picked", "", ""};  // comes back with its place
  };
  const BadLine place = [&](const Error& error) -> Status {
    if (!given.ok()) return given;  // it has ended
    if (!picked) return {};         // a line that is bad anyway
    given = at(picked->first, picked->second, error.where);
    picked.reset();
    return given;
  };
  // What cannot be read has been said when the file was read the first time.
  const Status read = read_pairs(lines.value(), kind, place, add);
  static_cast<void>(read);
  return given;
}

std::string first_place(const std::string& path, PairFile kind, const PickPair& picks) {
  std::string place = path;
  const Status found =
      for_each_place(path, kind, picks, [&](std::string_view, std::string_view, const std::string& where) -> Status {
        place = where;
        return Error{};
      });
  static_cast<void>(found);
  return place;
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
