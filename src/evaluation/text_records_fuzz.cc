// Any bytes give queries and passages or Errors that name the file; every text is UTF-8 and every id is there; and what
// is written of a record as JSON reads back as the same record.
#include <cstdint>
#include <cstdlib>

#include "base/utf8.h"
#include "evaluation/forms.h"
#include "evaluation/text_records.h"

namespace ev = rerank::evaluation;

namespace {

void check_form(const ev::TextRecord& record, ev::TextReader::Kind kind) {
  std::string written;
  ev::TextWriter writer(ev::Form::kBeir, kind, [&](std::string_view piece) -> rerank::Status {
    written += piece;
    return {};
  });
  if (!writer.write(record).ok()) return;  // its id is no UTF-8
  auto reader = ev::TextReader::over(rerank::io::LineReader::over(written, "again"), kind);
  const auto again = reader.next();
  if (!again.ok() || !again.value()) std::abort();
  if (again.value()->id != record.id || again.value()->text != record.text) std::abort();
  if (again.value()->title_bytes != record.title_bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {ev::TextReader::Kind::kQueries, ev::TextReader::Kind::kPassages}) {
    auto reader = ev::TextReader::over(rerank::io::LineReader::over(text, "fuzz.tsv"), kind);
    for (std::size_t records = 0;; ++records) {
      if (records > size + 1) std::abort();  // each takes a byte at least
      const auto record = reader.next();
      if (!record.ok()) {
        if (record.error().what.empty() || record.error().where.rfind("fuzz.tsv", 0) != 0) std::abort();
        if (record.error().code != rerank::Error::Code::kBadInput) break;
        continue;
      }
      if (!record.value()) break;
      if (rerank::first_invalid_utf8(record.value()->text) != std::string_view::npos) std::abort();
      if (record.value()->where.rfind("fuzz.tsv line ", 0) != 0) std::abort();
      check_form(*record.value(), kind);
    }
  }
  return 0;
}
