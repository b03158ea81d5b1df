#include "cli/protocol_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace rerank::cli {
namespace {

using evaluation::ProtocolRow;
using evaluation::PublishedTable;
using Json = nlohmann::ordered_json;
using Line = std::vector<std::string>;

std::vector<ProtocolRow> rows_of(const ProtocolReport& report) {
  std::vector<ProtocolRow> rows;
  for (const ProtocolDatasetReport& dataset : report.datasets) rows.push_back(dataset.row);
  return evaluation::with_parts_joined(*report.protocol, rows);
}

std::size_t index_of(const evaluation::Protocol& protocol, std::string_view measure) {
  const auto at = std::find(protocol.measures.begin(), protocol.measures.end(), measure);
  return static_cast<std::size_t>(at - protocol.measures.begin());
}

// As it was published: 0.7355 or 73.6.
std::string cell(const PublishedTable& table, std::optional<double> value) {
  return value ? fmt::format("{:.{}f}", *value, table.digits) : "-";
}
std::string own_cell(const PublishedTable& table, const std::vector<double>& values, std::size_t measure) {
  if (values.empty()) return "-";
  return cell(table, values[measure] * (table.percent ? 100 : 1));
}

std::string aligned(const std::vector<Line>& lines) {
  std::vector<std::size_t> widths(lines.front().size(), 0);
  for (const Line& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  std::string text;
  for (const Line& line : lines) {
    text += fmt::format("{:<{}}", line[0], widths[0]);
    for (std::size_t i = 1; i < line.size(); ++i) text += fmt::format("  {:>{}}", line[i], widths[i]);
    text += '\n';
  }
  return text;
}

std::string table_text(const ProtocolReport& report, const PublishedTable& table) {
  const evaluation::Protocol& protocol = *report.protocol;
  const std::vector<ProtocolRow> rows = rows_of(report);
  const std::size_t measure = index_of(protocol, table.measure);
  std::vector<Line> lines = {{"data set", "queries", "pairs", "first stage", "reranked"}};
  for (const std::string_view model : table.models) lines[0].emplace_back(model);
  const auto add = [&](const ProtocolRow& row, const auto& published) {
    Line line = {row.dataset, fmt::format("{}", row.queries), fmt::format("{}", row.pairs),
                 own_cell(table, row.first_stage, measure), own_cell(table, row.reranked, measure)};
    for (std::size_t model = 0; model < table.models.size(); ++model) line.push_back(cell(table, published(model)));
    lines.push_back(std::move(line));
  };
  for (const ProtocolRow& row : rows) add(row, [&](std::size_t model) { return table.value(row.dataset, model); });
  if (rows.size() > 1)
    add(evaluation::mean_of(protocol, rows),
        [&](std::size_t model) { return evaluation::published_mean(protocol, table, model, rows); });
  return fmt::format("{}{}; published figures on the right\n", table.measure, table.percent ? " in percent" : "") +
         aligned(lines);
}

Json by_name(const evaluation::Protocol& protocol, const std::vector<double>& values) {
  Json json = Json::object();
  for (std::size_t i = 0; i < values.size(); ++i) json[std::string(protocol.measures[i])] = values[i];
  return json;
}

template <class Value>
Json published_json(const evaluation::Protocol& protocol, const Value& value) {
  Json list = Json::array();
  for (const PublishedTable& table : protocol.published)
    for (std::size_t model = 0; model < table.models.size(); ++model)
      if (const std::optional<double> number = value(table, model))
        list.push_back({{"measure", table.measure},
                        {"model", table.models[model]},
                        {"value", *number},
                        {"unit", table.percent ? "percent" : "fraction"}});
  return list;
}

Json row_json(const evaluation::Protocol& protocol, const ProtocolRow& row) {
  return {{"dataset", row.dataset},
          {"queries", row.queries},
          {"pairs", row.pairs},
          {"first_stage", row.first_stage.empty() ? Json(nullptr) : by_name(protocol, row.first_stage)},
          {"reranked", by_name(protocol, row.reranked)}};
}

}  // namespace

std::string protocol_text(const ProtocolReport& report) {
  const evaluation::Protocol& protocol = *report.protocol;
  std::string text = fmt::format("{}: {}\nmodel {}: {}, {}, {}\n", protocol.name, protocol.title, report.model,
                                 report.info.method, report.info.dtype, report.info.cpu_level);
  for (const std::string& deviation : report.deviations) text += fmt::format("not as published: {}\n", deviation);
  for (const PublishedTable& table : protocol.published) text.append("\n").append(table_text(report, table));
  return text;
}

std::string protocol_json(const ProtocolReport& report) {
  const evaluation::Protocol& protocol = *report.protocol;
  Json json = {{"protocol", protocol.name},
               {"title", protocol.title},
               {"model",
                {{"name", report.model},
                 {"method", report.info.method},
                 {"dtype", report.info.dtype},
                 {"cpu_level", report.info.cpu_level}}},
               {"settings",
                {{"max_length", report.settings.max_length},
                 {"query_max_length", report.settings.query_max_length},
                 {"top_logprobs", report.settings.top_logprobs},
                 {"readout", report.settings.readout == Readout::kHighMinusLow ? "high-minus-low" : "expected-value"},
                 {"verdict", report.settings.verdict == Verdict::kOfficial ? "official"
                             : report.settings.verdict == Verdict::kCard   ? "card"
                                                                           : "forced"},
                 {"prompts", report.prompted}}},
               {"not_as_published", report.deviations},
               {"datasets", Json::array()}};
  for (const ProtocolDatasetReport& dataset : report.datasets) {
    Json row = row_json(protocol, dataset.row);
    row["split"] = dataset.split;
    row["queries_without_passages"] = dataset.judged - dataset.row.queries;
    row["dropped_identical"] = dataset.dropped_identical;
    row["dropped_excluded"] = dataset.dropped_excluded;
    row["reranked_from"] = dataset.first_stage.empty() ? Json(nullptr) : Json(dataset.first_stage);
    row["output"] = dataset.output;
    row["seconds"] = dataset.seconds;
    row["published"] = published_json(protocol, [&](const PublishedTable& table, std::size_t model) {
      return table.value(dataset.row.dataset, model);
    });
    json["datasets"].push_back(std::move(row));
  }
  const std::vector<ProtocolRow> rows = rows_of(report);
  Json mean = row_json(protocol, evaluation::mean_of(protocol, rows));
  mean["datasets"] = rows.size();
  mean["published"] = published_json(protocol, [&](const PublishedTable& table, std::size_t model) {
    return evaluation::published_mean(protocol, table, model, rows);
  });
  json["mean"] = std::move(mean);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace rerank::cli
