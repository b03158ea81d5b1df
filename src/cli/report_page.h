// The page that `rerank report` fills.
#pragma once

#include <string>
#include <string_view>

namespace rerank::cli {

// report_page.html, compiled in.
extern const std::string_view kReportPage;

// The page with `json` as its data. Nothing of the data can end its element: "<" is written as "\u003c".
std::string fill_report_page(std::string_view json);

}  // namespace rerank::cli
