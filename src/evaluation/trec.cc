#include "evaluation/trec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "base/try.h"

namespace rerank::evaluation {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";
constexpr std::string_view kNoIdBytes = " \t\r\v\f\n";
constexpr const char* kRunForm = "a line is QUERY Q0 PASSAGE RANK SCORE TAG";
constexpr const char* kTrecForm = "a line is QUERY ITERATION PASSAGE RELEVANCE; BEIR files begin with a header line";
constexpr const char* kBeirHeader = "query-id\tcorpus-id\tscore";
constexpr const char* kBeirForm = "a line is QUERY<TAB>PASSAGE<TAB>RELEVANCE";

using Columns = std::vector<std::string_view>;

// Divides at runs of blanks. `columns` is reused from line to line.
void split_at_blanks(std::string_view line, Columns& columns) {
  columns.clear();
  std::size_t begin = line.find_first_not_of(kBlanks);
  while (begin != line.npos) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    columns.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kBlanks, end);
  }
}

// Divides at every tab.
void split_at_tabs(std::string_view line, Columns& columns) {
  columns.clear();
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = line.find('\t', begin);
    columns.push_back(line.substr(begin, end - begin));
    if (end == line.npos) return;
    begin = end + 1;
  }
}

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

Error bad_line(const io::LineReader& lines, std::size_t number, std::string what, const char* fix) {
  return {Error::Code::kBadInput, std::move(what), lines.where(number), fix};
}

// Collects the (query, passage) pairs of a file, query by query in the order of their first line.
//   Entry    ScoredPassage or Judgement, with a passage_id
template <class Entry>
class PairsByQuery {
 public:
  struct Group {
    std::string query_id;
    std::vector<Entry> entries;
    std::vector<std::size_t> lines;  // [entries]
  };

  void add(std::string_view query_id, Entry entry, std::size_t line) {
    // Almost always the query of the line before.
    if (groups_.empty() || groups_[current_].query_id != query_id) {
      const auto [at, is_new] = group_of_.try_emplace(std::string(query_id), groups_.size());
      if (is_new) groups_.push_back({std::string(query_id), {}, {}});
      current_ = at->second;
    }
    groups_[current_].entries.push_back(std::move(entry));
    groups_[current_].lines.push_back(line);
  }

  // The first line that repeats a pair of its query, if there is one.
  Status check_unique(const io::LineReader& lines) const {
    for (const Group& group : groups_) {
      std::vector<std::size_t> order(group.entries.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::sort(order.begin(), order.end(), [&group](std::size_t a, std::size_t b) {
        const int compared = group.entries[a].passage_id.compare(group.entries[b].passage_id);
        return compared != 0 ? compared < 0 : a < b;
      });
      for (std::size_t i = 1; i < order.size(); ++i) {
        const std::size_t first = order[i - 1], second = order[i];
        if (group.entries[first].passage_id == group.entries[second].passage_id)
          return bad_line(lines, group.lines[second],
                          fmt::format("query {} and passage {} stand in line {} already", group.query_id,
                                      group.entries[second].passage_id, group.lines[first]),
                          "keep one of the two lines");
      }
    }
    return {};
  }

  std::vector<Group> take() { return std::move(groups_); }
  bool empty() const { return groups_.empty(); }

 private:
  std::vector<Group> groups_;
  std::unordered_map<std::string, std::size_t> group_of_;
  std::size_t current_ = 0;
};

// Which columns hold what, in one of the two forms of judgements.
struct QrelsForm {
  bool is_beir;
  std::size_t columns, query, passage, relevance;
  const char* fix;
};
constexpr QrelsForm kTrec{false, 4, 0, 2, 3, kTrecForm};
constexpr QrelsForm kBeir{true, 3, 0, 1, 2, kBeirForm};

}  // namespace

void sort_as_trec_eval(std::span<ScoredPassage> passages) {
  std::sort(passages.begin(), passages.end(), [](const ScoredPassage& a, const ScoredPassage& b) {
    return a.score != b.score ? a.score > b.score : a.passage_id > b.passage_id;
  });
}

Result<Run> read_run(const std::string& path) {
  RERANK_ASSIGN(io::LineReader lines, io::LineReader::open(path));
  return read_run(std::move(lines));
}

Result<Run> read_run(io::LineReader lines) {
  PairsByQuery<ScoredPassage> pairs;
  Columns columns;
  while (true) {
    RERANK_ASSIGN(const std::optional<io::Line> line, lines.next());
    if (!line) break;
    split_at_blanks(line->text, columns);
    if (columns.empty()) continue;
    if (columns.size() != 6)
      return bad_line(lines, line->number, fmt::format("has {} columns, expected 6", columns.size()), kRunForm);
    const auto score = parse_score(columns[4]);
    if (!score)
      return bad_line(lines, line->number, fmt::format("score is \"{}\", expected a finite number", columns[4]),
                      kRunForm);
    pairs.add(columns[0], {std::string(columns[2]), *score}, line->number);
  }
  RERANK_TRY(pairs.check_unique(lines));
  if (pairs.empty()) return Error{Error::Code::kBadInput, "holds no ranking", lines.name(), kRunForm};
  Run run;
  for (auto& group : pairs.take()) run.rankings.push_back({std::move(group.query_id), std::move(group.entries)});
  return run;
}

Result<Qrels> read_qrels(const std::string& path) {
  RERANK_ASSIGN(io::LineReader lines, io::LineReader::open(path));
  return read_qrels(std::move(lines));
}

Result<Qrels> read_qrels(io::LineReader lines) {
  PairsByQuery<Judgement> pairs;
  Columns columns;
  std::optional<QrelsForm> form;
  while (true) {
    RERANK_ASSIGN(const std::optional<io::Line> line, lines.next());
    if (!line) break;
    if (line->text.find_first_not_of(kBlanks) == line->text.npos) continue;
    if (!form) {
      form = line->text == kBeirHeader ? kBeir : kTrec;
      if (form->is_beir) continue;
      if (line->text.starts_with("query-id"))
        return bad_line(lines, line->number,
                        fmt::format("header is \"{}\", expected query-id, corpus-id and score", line->text),
                        "divide the three columns by single tabs");
    }
    form->is_beir ? split_at_tabs(line->text, columns) : split_at_blanks(line->text, columns);
    if (columns.size() != form->columns)
      return bad_line(lines, line->number, fmt::format("has {} columns, expected {}", columns.size(), form->columns),
                      form->fix);
    if (columns[form->query].empty() || columns[form->passage].empty())
      return bad_line(lines, line->number, "an id is empty", form->fix);
    const auto relevance = parse_number<int>(columns[form->relevance]);
    if (!relevance)
      return bad_line(lines, line->number,
                      fmt::format("relevance is \"{}\", expected an integer", columns[form->relevance]), form->fix);
    pairs.add(columns[form->query], {std::string(columns[form->passage]), *relevance}, line->number);
  }
  RERANK_TRY(pairs.check_unique(lines));
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
  const auto is_id = [](std::string_view id) { return !id.empty() && id.find_first_of(kNoIdBytes) == id.npos; };
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
