// Queries and passages with their texts, one after the other, in the file forms of the field.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "io/lines.h"
#include "rerank/error.h"

namespace rerank::evaluation {

struct TextRecord {
  std::string id;
  std::string text;             // of a passage with a title: the title, a blank, the text
  std::string where;            // "corpus.jsonl line 17"
  bool has_title = false;       // a passage whose record has a title, which may be empty
  std::size_t title_bytes = 0;  // how many of the text's leading bytes are its title; 0 also where that is empty
  bool in_request = false;      // of rank_llm's requests, which hold a passage once for each query that it is for
};

// Which form a file has, its first line says; packed files are unpacked.
//   JSONL   {"_id", "title"?, "text"} (BEIR), {"id", ...} (FlagEmbedding), {"docid", "contents"} (pyserini), ..., or
//           {"query": {"qid", "text"}, "candidates": [{"docid", "doc": {"title"?, "text"}}]} (rank_llm)
//   named   CSV or TSV whose first line names an id and a text column, and perhaps "title"
//   TSV     ID<TAB>TEXT (MS MARCO passages and queries), or ID<TAB>URL<TAB>TITLE<TAB>TEXT (its documents)
//   TREC    topics: <top> with <num> and <title>, or <topic number="1"> with <query> or <title>; queries only
//   folder  of text files (.txt, .md), one passage each, in the order of their paths; the id is the path below the
//           folder, with "%20" for a blank; passages only
// Texts must be UTF-8. Move-only.
class TextReader {
 public:
  enum class Kind { kQueries, kPassages };

  // kNotFound or kIo.
  static Result<TextReader> open(const std::filesystem::path& path, Kind kind);
  static TextReader over(io::LineReader lines, Kind kind);

  TextReader(TextReader&&) noexcept;
  TextReader& operator=(TextReader&&) noexcept;
  ~TextReader();

  // The next record, or nothing after the last one. kBadInput names file and line; the following call goes on behind
  // it. kIo and kCorrupt end the file.
  Result<std::optional<TextRecord>> next();

  struct Source;  // one form

 private:
  explicit TextReader(std::unique_ptr<Source> source);
  std::unique_ptr<Source> source_;
};

}  // namespace rerank::evaluation
