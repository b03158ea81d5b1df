// What a report shows, as JSON.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

#include "cli/judged_runs.h"
#include "evaluation/dataset.h"

namespace rerank::cli {

struct ReportTexts {
  std::unordered_map<std::string, std::string> queries;  // id -> text
  evaluation::Passages passages;                         // of the passages that are shown
};

// The passages that the report shows of each judged query and run: the first `shown` in trec_eval's order.
//   [runs][judged queries][passages]
using ShownPassages = std::vector<std::vector<std::vector<evaluation::ScoredPassage>>>;
ShownPassages shown_passages(const JudgedRuns& judged, std::size_t shown);

// {"runs", "measures", "means", "changes", "queries", "scores", "work"}; see report_page.html for what each holds.
// Texts are cut after `text_bytes`; one that is not there is null.
nlohmann::ordered_json report_data(const JudgedRuns& judged, const ShownPassages& shown, const ReportTexts& texts,
                                   std::size_t text_bytes);

}  // namespace rerank::cli
