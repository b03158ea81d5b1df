#include "evaluation/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/try.h"

namespace rerank::evaluation {
namespace fs = std::filesystem;
namespace {

// Adds to an error about a missing file what the folder should look like.
template <class T>
Result<T> with_layout(Result<T> result) {
  if (!result.ok() && result.error().code == Error::Code::kNotFound)
    result.error().fix = "a data set is a folder with corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv";
  return result;
}

Result<io::JsonlReader> open_part(const fs::path& file) {
  return with_layout(io::JsonlReader::open(file.string()));
}

Error repeated(const io::JsonlObject& line, std::string_view id) {
  return line.json.error(Error::Code::kBadInput, fmt::format("_id \"{}\" stands in an earlier line already", id),
                         "keep one of the two lines");
}

std::string splits_of(const fs::path& qrels) {
  std::vector<std::string> splits;
  std::error_code code;
  for (fs::directory_iterator entry(qrels, code), end; !code && entry != end; entry.increment(code))
    if (entry->path().extension() == ".tsv") splits.push_back(entry->path().stem().string());
  std::sort(splits.begin(), splits.end());
  return fmt::format("{}", fmt::join(splits, ", "));
}

}  // namespace

Result<std::vector<Query>> read_queries(const fs::path& folder) {
  RERANK_ASSIGN(io::JsonlReader lines, open_part(folder / "queries.jsonl"));
  return read_queries(std::move(lines));
}

Result<std::vector<Query>> read_queries(io::JsonlReader lines) {
  std::vector<Query> queries;
  std::unordered_set<std::string> ids;
  while (true) {
    RERANK_ASSIGN(const std::optional<io::JsonlObject> line, lines.next());
    if (!line) return queries;
    RERANK_ASSIGN(const std::string_view id, line->json.string_at("_id"));
    RERANK_ASSIGN(const std::string_view text, line->json.string_at("text"));
    if (!ids.emplace(id).second) return repeated(*line, id);
    queries.push_back({std::string(id), std::string(text)});
  }
}

Result<Passages> read_passages(const fs::path& folder, const std::unordered_set<std::string>& wanted) {
  RERANK_ASSIGN(io::JsonlReader lines, open_part(folder / "corpus.jsonl"));
  return read_passages(std::move(lines), wanted);
}

Result<Passages> read_passages(io::JsonlReader lines, const std::unordered_set<std::string>& wanted) {
  Passages passages;
  while (true) {
    RERANK_ASSIGN(const std::optional<io::JsonlObject> line, lines.next());
    if (!line) return passages;
    RERANK_ASSIGN(const std::string_view id_view, line->json.string_at("_id"));
    RERANK_ASSIGN(const std::string_view text, line->json.string_at("text"));
    RERANK_ASSIGN(std::string passage, line->json.string_or("title", ""));
    std::string id(id_view);
    if (!wanted.contains(id)) continue;
    if (!passage.empty()) passage += ' ';
    passage += text;
    if (!passages.emplace(id, std::move(passage)).second) return repeated(*line, id);
  }
}

Result<Qrels> read_split(const fs::path& folder, const std::string& split) {
  const fs::path file = folder / "qrels" / (split + ".tsv");
  Result<Qrels> qrels = with_layout(read_qrels(file.string()));
  if (!qrels.ok() && qrels.error().code == Error::Code::kNotFound)
    if (const std::string splits = splits_of(folder / "qrels"); !splits.empty())
      qrels.error().fix = fmt::format("this data set has the splits {}", splits);
  return qrels;
}

}  // namespace rerank::evaluation
