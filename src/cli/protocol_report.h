// What `rerank eval-protocol` tells: our figures beside those that were published.
#pragma once

#include <string>
#include <vector>

#include "evaluation/protocol_result.h"
#include "evaluation/protocols.h"
#include "rerank/engine.h"

namespace rerank::cli {

struct ProtocolDatasetReport {
  evaluation::ProtocolRow row;
  std::string split, output;  // the file with the new ranking
  std::string first_stage;    // the file that was reranked
  std::size_t judged = 0;     // queries that the protocol asks; those without passages are not ranked
  std::size_t dropped_identical = 0, dropped_excluded = 0;
  double seconds = 0;  // of scoring and measuring, in this call
};

struct ProtocolReport {
  const evaluation::Protocol* protocol = nullptr;
  std::string model;
  ModelInfo info;
  ScoreOptions settings;
  bool prompted = false;
  std::vector<std::string> deviations;  // from the protocol, for people
  std::vector<ProtocolDatasetReport> datasets;
};

// Tables with a row a data set, as text for a terminal.
std::string protocol_text(const ProtocolReport& report);
// All measures, as one JSON object.
std::string protocol_json(const ProtocolReport& report);

}  // namespace rerank::cli
