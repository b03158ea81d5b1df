#include "io/jsonl.h"

#include "base/try.h"

namespace rerank::io {

Result<JsonlReader> JsonlReader::open(const std::string& path, const LineOptions& options) {
  RERANK_ASSIGN(LineReader lines, LineReader::open(path, options));
  return JsonlReader(std::move(lines));
}

Result<std::optional<JsonlObject>> JsonlReader::next() {
  while (true) {
    RERANK_ASSIGN(const std::optional<Line> line, lines_.next());
    if (!line) return std::optional<JsonlObject>();
    if (line->text.find_first_not_of(" \t\r") == line->text.npos) continue;
    RERANK_ASSIGN(Json json, parser_.parse(line->text, {lines_.where(line->number), Error::Code::kBadInput}));
    if (!json.is_object()) return json.expected("an object");
    return std::optional<JsonlObject>(JsonlObject{line->number, std::move(json)});
  }
}

}  // namespace rerank::io
