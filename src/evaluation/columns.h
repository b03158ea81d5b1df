// Lines that are divided into columns: by blanks, by tabs, or as CSV with a header that names the columns.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"

namespace rerank::evaluation {

using Columns = std::vector<std::string_view>;

// Divides at runs of blanks. `columns` is reused from line to line.
void split_at_blanks(std::string_view line, Columns& columns);
// Divides at every tab.
void split_at_tabs(std::string_view line, Columns& columns);

// What a column may be called in a header, in small letters with "-" and " " as "_".
struct ColumnNames {
  std::string_view role;  // for messages: "passage"
  std::span<const std::string_view> names;
};
inline constexpr std::array<std::string_view, 8> kQueryColumn = {"query_id", "qid",   "q_id",    "topic",
                                                                 "topic_id", "query", "queryid", "query_identifier"};
inline constexpr std::array<std::string_view, 10> kPassageColumn = {
    "corpus_id", "passage_id", "pid", "docid", "doc_id", "docno", "document_id", "did", "passage", "doc"};
inline constexpr std::array<std::string_view, 4> kScoreColumn = {"score", "sim", "similarity", "rsv"};
inline constexpr std::array<std::string_view, 1> kRankColumn = {"rank"};
inline constexpr std::array<std::string_view, 6> kGradeColumn = {"score", "relevance", "rel",
                                                                 "grade", "label",     "judgement"};
inline constexpr std::array<std::string_view, 9> kIdColumn = {"_id", "id",         "docid", "doc_id",  "docno",
                                                              "pid", "passage_id", "qid",   "query_id"};
inline constexpr std::array<std::string_view, 6> kTextColumn = {"text",    "contents", "body",
                                                                "passage", "query",    "title_text"};
inline constexpr std::array<std::string_view, 1> kTitleColumn = {"title"};

// A file whose first line names its columns. Divided by tabs where the header holds one, else by commas, else by
// semicolons. A field of a comma or semicolon file may stand in double quotes, which are doubled inside it (RFC 4180),
// but may not hold a line end.
class NamedColumns {
 public:
  // Nothing where `header` names no column of one of the required roles: the file has no header then.
  static std::optional<NamedColumns> find(std::string_view header, std::span<const ColumnNames> required,
                                          std::span<const ColumnNames> optional = {});

  // The fields of one line: the required ones, then the optional ones, which are empty where the header lacks them.
  // Valid until the next call. The error says what is wrong with the line.
  Result<std::span<const std::string>> read(std::string_view line);

 private:
  char separator_ = '\t';
  std::size_t count_ = 0;                           // columns of the header
  std::vector<std::optional<std::size_t>> wanted_;  // [required + optional]: their columns
  std::vector<std::string> fields_, chosen_;
};

}  // namespace rerank::evaluation
