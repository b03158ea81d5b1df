// Any bytes give queries and passages or Errors that name the file; every text is UTF-8 and every id is there.
#include <cstdint>
#include <cstdlib>

#include "base/utf8.h"
#include "evaluation/text_records.h"

namespace ev = rerank::evaluation;

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
    }
  }
  return 0;
}
