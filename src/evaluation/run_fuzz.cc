// Any bytes give a run or an Error. In a run every id can be written again, every score is finite, and each query and
// each of its passages is there once; and what is written of it in another form reads back as the same run.
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <unordered_set>

#include "evaluation/forms.h"
#include "evaluation/trec.h"

namespace ev = rerank::evaluation;

namespace {

// Letters and digits at the beginning: no other first line is taken for a mark of another form.
bool is_plain(const ev::Run& run) {
  for (const ev::Ranking& ranking : run.rankings) {
    if (std::isalnum(static_cast<unsigned char>(ranking.query_id.front())) == 0) return false;
    if (ranking.query_id.find_first_of(",;") != std::string::npos) return false;
  }
  return true;
}

void check_forms(ev::Run run) {
  for (ev::Ranking& ranking : run.rankings) ev::sort_as_trec_eval(ranking.passages);
  for (const std::string_view name : ev::run_forms()) {
    const ev::Form form = ev::parse_form(name).value();
    std::string written;
    const auto take = [&](std::string_view piece) -> rerank::Status {
      written += piece;
      return {};
    };
    if (!ev::write_run(run, form, "fuzz", {}, take).ok()) continue;  // an id that the form cannot hold
    const auto again = ev::read_run(rerank::io::LineReader::over(written, "again"));
    if (!again.ok() || again.value().rankings.size() != run.rankings.size()) std::abort();
    for (std::size_t q = 0; q < run.rankings.size(); ++q) {
      const ev::Ranking &was = run.rankings[q], &is = again.value().rankings[q];
      if (was.query_id != is.query_id || was.passages.size() != is.passages.size()) std::abort();
      for (std::size_t p = 0; p < was.passages.size(); ++p) {
        if (was.passages[p].passage_id != is.passages[p].passage_id) std::abort();
        if (form != ev::Form::kMsMarco && was.passages[p].score != is.passages[p].score) std::abort();
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto run = ev::read_run(rerank::io::LineReader::over(text, "fuzz.trec"));
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
  if (is_plain(run.value())) check_forms(run.value());
  return 0;
}
