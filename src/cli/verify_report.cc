#include "cli/verify_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/try.h"
#include "cli/terminal.h"

namespace rerank::cli {
namespace {

constexpr std::size_t kWidestTitle = 40;

// The scores of one pair as rows: one, or one a cutoff layer where the file has one for each, or none at all to hold
// them against.
Status add_rows(const Examples& examples, std::size_t run_idx, std::size_t pair_idx, const Score& score,
                std::string_view dtype, std::vector<Comparison>& rows) {
  const ExamplesRun& run = examples.runs[run_idx];
  const PrintedScore* const printed = run.printed.empty() ? nullptr : &run.printed[pair_idx];
  const bool by_layer = !score.layer_values.empty() && (printed == nullptr || printed->every_layer);
  const std::vector<double> values = by_layer ? score.layer_values : std::vector<double>{score.value};
  if (printed != nullptr && printed->values.size() != values.size())
    return Error{Error::Code::kBadInput,
                 fmt::format("has {} scores, but the model gives {}", printed->values.size(), values.size()),
                 fmt::format("{}: runs[{}].printed[{}]", examples.file, run_idx, pair_idx),
                 "write one for each cutoff layer that has a head"};
  // Layers that have no head are left out of the values, and then it is open which value belongs to which.
  if (by_layer && values.size() != run.options.cutoff_layers.size())
    return Error{Error::Code::kBadInput,
                 fmt::format("has {} layers, of which {} can be read", run.options.cutoff_layers.size(), values.size()),
                 fmt::format("{}: runs[{}].options.cutoff_layers", examples.file, run_idx),
                 "name layers that have a head, each once"};
  for (std::size_t value_idx = 0; value_idx < values.size(); ++value_idx) {
    Comparison row{.run = run_idx,
                   .pair = pair_idx,
                   .layer = 0,
                   .got = values[value_idx],
                   .error = {},
                   .printed = {},
                   .allowed = {}};
    if (by_layer) row.layer = run.options.cutoff_layers[value_idx];
    if (printed != nullptr) {
      row.printed = printed->values[value_idx];
      if (const auto found = run.tolerance.find(dtype); found != run.tolerance.end()) row.allowed = found->second;
    }
    rows.push_back(std::move(row));
  }
  return {};
}

const char* verdict(const Comparison& row) {
  if (!row.passes()) return "FAIL";
  if (row.compared()) return "ok";
  return row.printed ? "no bound for this dtype" : "no printed score";
}

std::string pair_label(const Comparison& row) {
  return row.layer == 0 ? fmt::format("{}", row.pair + 1) : fmt::format("{}, layer {}", row.pair + 1, row.layer);
}

std::string number_cell(const std::optional<double>& value) {
  return value ? fmt::format("{:.6f}", *value) : "-";
}

// All that a row says but the pair's texts.
using Cells = std::array<std::string, 7>;
constexpr std::array<bool, 7> kToTheRight = {false, false, true, true, true, true, false};

Cells cells_of(const Verification& found, const Comparison& row) {
  std::optional<double> difference;
  if (row.got && row.printed) difference = row.difference();
  return {excerpt(found.examples.runs[row.run].title, kWidestTitle),
          pair_label(row),
          number_cell(row.got),
          number_cell(row.printed),
          number_cell(difference),
          row.allowed ? fmt::format("{:g}", *row.allowed) : "-",
          verdict(row)};
}

std::string texts_of(const Verification& found, const Comparison& row) {
  const ExamplePair& pair = found.examples.runs[row.run].pairs[row.pair];
  return pair.query + " | " + pair.passage;
}

}  // namespace

double Comparison::difference() const {
  return std::fabs(*got - *printed);
}

bool Comparison::passes() const {
  return got.has_value() && (!allowed.has_value() || difference() <= *allowed);
}

std::size_t Verification::compared() const {
  return static_cast<std::size_t>(
      std::count_if(rows.begin(), rows.end(), [](const Comparison& row) { return row.compared(); }));
}

std::size_t Verification::failed() const {
  return static_cast<std::size_t>(
      std::count_if(rows.begin(), rows.end(), [](const Comparison& row) { return !row.passes(); }));
}

Result<std::vector<Comparison>> compare(const Engine& engine, const Examples& examples) {
  std::vector<Comparison> rows;
  for (std::size_t run_idx = 0; run_idx < examples.runs.size(); ++run_idx) {
    const ExamplesRun& run = examples.runs[run_idx];
    std::vector<Pair> pairs;
    for (const ExamplePair& pair : run.pairs) pairs.push_back({pair.query, pair.passage});
    const auto scores = engine.score_each(pairs, run.options);
    if (!scores.ok()) {
      // The engine names options as the command line does; here the file may have set them.
      Error error = scores.error();
      error.what = (error.where.empty() ? "" : error.where + ": ") + error.what;
      error.where = fmt::format("{}: runs[{}].options", examples.file, run_idx);
      return error;
    }
    for (std::size_t pair_idx = 0; pair_idx < run.pairs.size(); ++pair_idx) {
      const Result<Score>& score = scores.value()[pair_idx];
      if (score.ok()) {
        RERANK_TRY(add_rows(examples, run_idx, pair_idx, score.value(), engine.info().dtype, rows));
      } else {
        rows.push_back({.run = run_idx,
                        .pair = pair_idx,
                        .got = {},
                        .error = score.error().message(),
                        .printed = {},
                        .allowed = {}});
      }
    }
  }
  return rows;
}

std::string verify_table(const Verification& found, std::size_t columns) {
  constexpr std::size_t kFewestTextColumns = 20;
  std::vector<Cells> lines = {{"run", "pair", "got", "printed", "difference", "allowed", "verdict"}};
  for (const Comparison& row : found.rows) lines.push_back(cells_of(found, row));
  std::array<std::size_t, 7> widths{};
  std::size_t before_texts = 0;
  for (std::size_t cell = 0; cell < widths.size(); ++cell) {
    for (const Cells& line : lines) widths[cell] = std::max(widths[cell], display_width(line[cell]));
    before_texts += widths[cell] + 2;
  }
  const std::size_t text_columns = std::max(kFewestTextColumns, columns > before_texts ? columns - before_texts : 0);

  std::string text = fmt::format("{}: {}, {}, {}\nexamples: {}\n\n", found.model, found.info.method, found.info.dtype,
                                 found.info.cpu_level, found.examples.file);
  for (std::size_t line = 0; line < lines.size(); ++line) {
    for (std::size_t cell = 0; cell < widths.size(); ++cell) {
      const std::string blanks(widths[cell] - display_width(lines[line][cell]), ' ');
      text += kToTheRight[cell] ? blanks + lines[line][cell] : lines[line][cell] + blanks;
      text += "  ";
    }
    text += (line == 0 ? "query | passage" : excerpt(texts_of(found, found.rows[line - 1]), text_columns)) + "\n";
  }
  const std::size_t compared = found.compared(), failed = found.failed();
  if (failed > 0) return text + fmt::format("\n{} of {} scores FAIL\n", failed, found.rows.size());
  if (compared == 0) return text + fmt::format("\nnothing to compare: {} scores shown\n", found.rows.size());
  return text + fmt::format("\n{0} of {0} printed scores agree\n", compared);
}

std::string verify_json(const Verification& found) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Comparison& row : found.rows) {
    const ExamplesRun& run = found.examples.runs[row.run];
    nlohmann::ordered_json json = {{"title", run.title},
                                   {"pair", row.pair},
                                   {"query", run.pairs[row.pair].query},
                                   {"passage", run.pairs[row.pair].passage}};
    if (row.layer != 0) json["layer"] = row.layer;
    if (row.got) json["got"] = *row.got;
    if (!row.error.empty()) json["error"] = row.error;
    if (row.printed) {
      json["printed"] = *row.printed;
      if (row.got) json["difference"] = row.difference();
      if (row.allowed) json["allowed"] = *row.allowed;
    }
    json["ok"] = row.passes();
    rows.push_back(std::move(json));
  }
  const nlohmann::ordered_json json = {{"model", found.model},        {"method", found.info.method},
                                       {"dtype", found.info.dtype},   {"cpu_level", found.info.cpu_level},
                                       {"file", found.examples.file}, {"compared", found.compared()},
                                       {"failed", found.failed()},    {"ok", found.failed() == 0},
                                       {"scores", std::move(rows)}};
  // File names are opaque bytes: what is no UTF-8 becomes U+FFFD.
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string verify_advice(const Verification& found) {
  const Comparison& first =
      *std::find_if(found.rows.begin(), found.rows.end(), [](const Comparison& row) { return !row.passes(); });
  const ExamplesRun& run = found.examples.runs[first.run];
  std::string text = fmt::format("rerank: {} of {} scores are not those of {}\n", found.failed(), found.rows.size(),
                                 found.examples.file);
  text += fmt::format("rerank: the first is \"{}\", pair {}", excerpt(run.title, kWidestTitle), pair_label(first));
  if (first.error.empty()) {
    text += fmt::format(": it differs by {:.6g}, allowed is {:g}\n", first.difference(), *first.allowed);
  } else {
    text += ": " + first.error + "\n";
  }
  constexpr std::size_t kWidestWhy = 400;
  if (!run.why.empty()) text += fmt::format("rerank: why that much is allowed: {}\n", excerpt(run.why, kWidestWhy));
  text +=
      "rerank: look at: is the download whole (compare the checksums of its files with the hub's)? is it this model, "
      "and not one trained further from it? do score options of the command line belong here?";
  if (found.info.dtype != "f32") text += " does --dtype f32 agree?";
  return text + "\n";
}

}  // namespace rerank::cli
