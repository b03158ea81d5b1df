// Any bytes give a run or an Error. In a run every id can be written again, every score is finite, and each query and
// each of its passages is there once.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <unordered_set>

#include "evaluation/trec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto run = rerank::evaluation::read_run(rerank::io::LineReader::over(text, "fuzz.trec"));
  if (!run.ok()) {
    if (run.error().what.empty() || run.error().where.rfind("fuzz.trec", 0) != 0) std::abort();
    return 0;
  }
  const auto is_id = [](const std::string& id) { return !id.empty() && id.find_first_of(" \t\r\n") == id.npos; };
  std::unordered_set<std::string> queries;
  for (const auto& ranking : run.value().rankings) {
    if (!is_id(ranking.query_id) || !queries.insert(ranking.query_id).second || ranking.passages.empty()) std::abort();
    std::unordered_set<std::string> passages;
    for (const auto& passage : ranking.passages)
      if (!is_id(passage.passage_id) || !std::isfinite(passage.score) || !passages.insert(passage.passage_id).second)
        std::abort();
  }
  if (queries.empty()) std::abort();
  return 0;
}
