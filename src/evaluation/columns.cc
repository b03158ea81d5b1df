#include "evaluation/columns.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace rerank::evaluation {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";

Error bad(std::string what, std::string fix = "") {
  return {Error::Code::kBadInput, std::move(what), "", std::move(fix)};
}

// Divides a line of a comma or semicolon file.
Status split_quoted(std::string_view line, char separator, std::vector<std::string>& fields) {
  fields.clear();
  std::size_t at = 0;
  while (true) {
    std::string field;
    if (at < line.size() && line[at] == '"') {
      ++at;
      while (true) {
        const std::size_t quote = line.find('"', at);
        if (quote == line.npos)
          return bad("a quoted field has no end in this line",
                     "fields may not hold line ends; double a quote inside one");
        field += line.substr(at, quote - at);
        at = quote + 1;
        if (at == line.size() || line[at] != '"') break;
        field += '"';
        ++at;
      }
      if (at < line.size() && line[at] != separator)
        return bad("text stands behind a quoted field", "double the quotes inside of a quoted field");
    } else {
      const std::size_t end = std::min(line.find(separator, at), line.size());
      field = line.substr(at, end - at);
      at = end;
    }
    fields.push_back(std::move(field));
    if (at == line.size()) return {};
    ++at;
  }
}

std::string normalised(std::string_view name) {
  std::string small(name);
  for (char& byte : small) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
    if (byte == '-' || byte == ' ') byte = '_';
  }
  return small;
}

}  // namespace

void split_at_blanks(std::string_view line, Columns& columns) {
  columns.clear();
  std::size_t begin = line.find_first_not_of(kBlanks);
  while (begin != line.npos) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    columns.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kBlanks, end);
  }
}

void split_at_tabs(std::string_view line, Columns& columns) {
  columns.clear();
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = line.find('\t', begin);
    columns.push_back(line.substr(begin, end - begin));
    if (end == line.npos) return;
    begin = end + 1;
  }
}

std::optional<NamedColumns> NamedColumns::find(std::string_view header, std::span<const ColumnNames> required,
                                               std::span<const ColumnNames> optional) {
  NamedColumns columns;
  columns.separator_ = header.find('\t') != header.npos ? '\t' : header.find(',') != header.npos ? ',' : ';';
  if (columns.separator_ == '\t') {
    Columns views;
    split_at_tabs(header, views);
    columns.fields_.assign(views.begin(), views.end());
  } else if (!split_quoted(header, columns.separator_, columns.fields_).ok()) {
    return std::nullopt;
  }
  columns.count_ = columns.fields_.size();
  const auto column_of = [&](const ColumnNames& wanted) -> std::optional<std::size_t> {
    for (const std::string_view name : wanted.names)
      for (std::size_t i = 0; i < columns.count_; ++i)
        if (normalised(columns.fields_[i]) == name) return i;
    return std::nullopt;
  };
  for (const ColumnNames& wanted : required) {
    columns.wanted_.push_back(column_of(wanted));
    if (!columns.wanted_.back()) return std::nullopt;
  }
  for (const ColumnNames& wanted : optional) columns.wanted_.push_back(column_of(wanted));
  return columns;
}

Result<std::span<const std::string>> NamedColumns::read(std::string_view line) {
  if (separator_ == '\t') {
    Columns views;
    split_at_tabs(line, views);
    fields_.assign(views.begin(), views.end());
  } else {
    RERANK_TRY(split_quoted(line, separator_, fields_));
  }
  if (fields_.size() != count_)
    return bad(fmt::format("has {} columns, expected {} as in the header", fields_.size(), count_),
               fmt::format("divide the columns by single {}", separator_ == '\t'  ? "tabs"
                                                              : separator_ == ',' ? "commas"
                                                                                  : "semicolons"));
  chosen_.clear();
  for (const auto& column : wanted_) chosen_.push_back(column ? fields_[*column] : std::string());
  return std::span<const std::string>(chosen_);
}

}  // namespace rerank::evaluation
