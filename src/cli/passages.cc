#include "cli/passages.h"

#include <fmt/format.h>

#include "base/try.h"
#include "base/utf8.h"
#include "cli/input.h"

namespace rerank::cli {
namespace {

constexpr const char* kForm = "{\"id\"?, \"text\": TEXT}";

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\v\f") == std::string_view::npos;
}

Result<PassageRecord> from_json(io::JsonParser& parser, const io::Line& line, std::string where) {
  RERANK_ASSIGN(const io::Json record, parser.parse(line.text, {std::move(where), Error::Code::kBadInput}));
  if (!record.is_object()) return record.expected("an object");
  PassageRecord passage{{}, {}, line.number};
  RERANK_ASSIGN(passage.text, record.string_at("text"));
  if (record.find("id")) {
    RERANK_ASSIGN(passage.id, read_id(record));
  }
  return passage;
}

Result<PassageRecord> from_text(const io::Line& line, std::string where) {
  if (const std::size_t bad = first_invalid_utf8(line.text); bad != std::string_view::npos)
    return Error{Error::Code::kBadInput, fmt::format("is not valid UTF-8 at byte {}", bad), std::move(where),
                 "write it as UTF-8"};
  return PassageRecord{std::string(line.text), {}, line.number};
}

// Whether a file whose first line that is not blank is `line` holds JSON records.
bool holds_json(std::string_view line, const std::string& file, io::JsonParser& parser) {
  if (line[line.find_first_not_of(" \t")] != '{') return false;
  return file.ends_with(".jsonl") || parser.parse(line, {}).ok();
}

}  // namespace

Result<std::vector<PassageRecord>> read_passages(const std::string& file) {
  RERANK_ASSIGN(io::LineReader lines, open_lines(file));
  io::JsonParser parser;
  std::vector<PassageRecord> passages;
  bool json = false;
  while (true) {
    RERANK_ASSIGN(const std::optional<io::Line> line, lines.next());
    if (!line) break;
    if (is_blank(line->text)) continue;
    if (passages.empty()) json = holds_json(line->text, file, parser);
    std::string where = lines.where(line->number);
    Result<PassageRecord> passage =
        json ? from_json(parser, *line, std::move(where)) : from_text(*line, std::move(where));
    if (!passage.ok()) return json ? expecting(kForm, std::move(passage.error())) : std::move(passage.error());
    passages.push_back(std::move(passage).value());
  }
  if (passages.empty())
    return Error{Error::Code::kBadInput, "holds no passage", lines.name(),
                 fmt::format("give a passage a line, or JSONL {}", kForm)};
  return passages;
}

}  // namespace rerank::cli
