#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/try.h"
#include "evaluation/measures.h"

namespace rerank::evaluation {
namespace {

using Kind = Measure::Kind;

enum class Cutoff { kFree, kNeeded, kNone };

struct NameRow {
  std::string_view name;  // in small letters
  Kind kind;
  Cutoff cutoff;
  bool takes_rel;  // whether "rel=N" moves what is relevant
};
constexpr std::array kNames = {NameRow{"ndcg", Kind::kNdcg, Cutoff::kFree, false},
                               NameRow{"mrr", Kind::kRecipRank, Cutoff::kFree, true},
                               NameRow{"rr", Kind::kRecipRank, Cutoff::kFree, true},
                               NameRow{"p", Kind::kPrecision, Cutoff::kNeeded, true},
                               NameRow{"recall", Kind::kRecall, Cutoff::kNeeded, true},
                               NameRow{"r", Kind::kRecall, Cutoff::kNeeded, true},
                               NameRow{"map", Kind::kAveragePrecision, Cutoff::kFree, true},
                               NameRow{"ap", Kind::kAveragePrecision, Cutoff::kFree, true},
                               NameRow{"success", Kind::kSuccess, Cutoff::kNeeded, true},
                               NameRow{"rbp", Kind::kRankBiased, Cutoff::kFree, true},
                               NameRow{"err", Kind::kExpectedReciprocal, Cutoff::kFree, false},
                               NameRow{"judged", Kind::kJudged, Cutoff::kFree, false},
                               NameRow{"bpref", Kind::kBpref, Cutoff::kNone, true},
                               NameRow{"pairedaccuracy", Kind::kPairedAccuracy, Cutoff::kNone, false},
                               NameRow{"p-mrr", Kind::kPMrr, Cutoff::kNone, false}};
constexpr const char* kSupported =
    "supported are nDCG@k, nDCG(dcg=exp-log2)@k, MRR@k (or RR), MAP@k (or AP), RBP(p=0.8)@k, ERR@k, Judged@k, all of "
    "these without @k too, P@k, Recall@k (or R), Success@k, Bpref, PairedAccuracy and p-MRR; (rel=2) moves what is "
    "relevant";

std::string in_small_letters(std::string_view text) {
  std::string small(text);
  for (char& byte : small)
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  return small;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

Error refuse(std::string_view name, std::string_view why) {
  return {Error::Code::kBadInput, fmt::format("measure \"{}\" {}", name, why), "", kSupported};
}

template <class Number>
bool parse_whole(std::string_view text, Number& number) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc() && end == text.data() + text.size();
}

// One "KEY=VALUE" between the parentheses.
Status take_parameter(std::string_view text, const NameRow& row, Measure& measure) {
  const std::size_t equals = text.find('=');
  const std::string key = in_small_letters(trimmed(text.substr(0, equals)));
  std::string_view value = equals == text.npos ? "" : trimmed(text.substr(equals + 1));
  if (value.size() >= 2 && (value.front() == '\'' || value.front() == '"') && value.back() == value.front())
    value = value.substr(1, value.size() - 2);
  if (key == "rel" && row.takes_rel) {
    if (!parse_whole(value, measure.relevant_from) || measure.relevant_from < 1)
      return refuse(measure.name, "needs a whole number above 0 behind \"rel=\"");
  } else if (key == "p" && row.kind == Kind::kRankBiased) {
    if (!parse_whole(value, measure.persistence) || !(measure.persistence > 0 && measure.persistence < 1))
      return refuse(measure.name, "needs a number between 0 and 1 behind \"p=\"");
  } else if (key == "dcg" && row.kind == Kind::kNdcg) {
    if (value != "log2" && value != "exp-log2") return refuse(measure.name, "needs dcg=log2 or dcg=exp-log2");
    if (value == "exp-log2") measure.kind = Kind::kExpNdcg;
  } else {
    return refuse(measure.name, fmt::format("takes no parameter \"{}\"", text));
  }
  return {};
}

}  // namespace

Result<Measure> parse_measure(std::string_view name) {
  const std::size_t at = name.rfind('@');
  const std::string_view body = name.substr(0, at);
  const std::size_t open = body.find('(');
  const std::string base = in_small_letters(body.substr(0, open));
  const auto row = std::find_if(kNames.begin(), kNames.end(), [&](const NameRow& known) { return known.name == base; });
  if (row == kNames.end()) return refuse(name, "is not known");
  Measure measure;
  measure.kind = row->kind;
  measure.name = name;
  if (open != body.npos) {
    if (!body.ends_with(')')) return refuse(name, "has a \"(\" without its \")\"");
    std::string_view inside = body.substr(open + 1, body.size() - open - 2);
    while (true) {
      const std::size_t comma = inside.find(',');
      RERANK_TRY(take_parameter(inside.substr(0, comma), *row, measure));
      if (comma == inside.npos) break;
      inside.remove_prefix(comma + 1);
    }
  }
  if (at != name.npos) {
    if (row->cutoff == Cutoff::kNone) return refuse(name, "takes no cutoff");
    if (!parse_whole(name.substr(at + 1), measure.cutoff) || measure.cutoff == 0)
      return refuse(name, "needs a whole number above 0 behind its \"@\"");
  } else if (row->cutoff == Cutoff::kNeeded) {
    return refuse(name, fmt::format("needs a cutoff, as in {}@10", name));
  }
  return measure;
}

Result<std::vector<Measure>> parse_measures(std::string_view names) {
  std::vector<Measure> measures;
  std::size_t begin = 0, depth = 0;
  for (std::size_t at = 0; at <= names.size(); ++at) {
    if (at < names.size() && names[at] == '(') ++depth;
    if (at < names.size() && names[at] == ')' && depth > 0) --depth;
    if (at < names.size() && (names[at] != ',' || depth > 0)) continue;
    RERANK_ASSIGN(Measure measure, parse_measure(trimmed(names.substr(begin, at - begin))));
    measures.push_back(std::move(measure));
    begin = at + 1;
  }
  return measures;
}

Status check_unpaired(std::span<const Measure> measures) {
  for (const Measure& measure : measures)
    if (measure.is_paired())
      return Error{Error::Code::kBadInput, fmt::format("{} is of two queries together", measure.name), "--measures",
                   "queries are compared one by one here; leave it to rerank eval"};
  return {};
}

}  // namespace rerank::evaluation
