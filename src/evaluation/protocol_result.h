// What a protocol measures of a ranking, and the means that it reports.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/protocol_data.h"
#include "evaluation/protocols.h"
#include "evaluation/trec.h"

namespace rerank::evaluation {

// Every measure of Protocol::measures, rounded as the protocol rounds.
std::vector<double> measure(const Protocol& protocol, const ProtocolData& data, const Run& run);

struct ProtocolRow {
  std::string dataset;
  std::size_t queries = 0;  // that were ranked
  std::size_t pairs = 0;    // that were scored
  std::vector<double>
      first_stage;               // [measures], of what was reranked, cut as the protocol cuts it; empty: there was none
  std::vector<double> reranked;  // [measures]
};

// Rows "X/Y" become one row X with the means of its parts, where its first part stood.
std::vector<ProtocolRow> with_parts_joined(const Protocol& protocol, const std::vector<ProtocolRow>& rows);
// The mean of all rows, called "mean". `rows` are not empty.
ProtocolRow mean_of(const Protocol& protocol, const std::vector<ProtocolRow>& rows);

// What was published as the mean of the same data sets: as stated where `rows` are all data sets of the protocol, else
// computed where each of them has a value.
std::optional<double> published_mean(const Protocol& protocol, const PublishedTable& table, std::size_t model,
                                     const std::vector<ProtocolRow>& rows);

}  // namespace rerank::evaluation
