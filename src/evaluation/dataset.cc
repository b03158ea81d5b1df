#include "evaluation/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/try.h"

namespace rerank::evaluation {
namespace fs = std::filesystem;
namespace {

constexpr std::array<const char*, 3> kPackings = {"", ".gz", ".zst"};

// The first of the names that is there, packed or not; else the first name.
fs::path first_there(const fs::path& folder, std::initializer_list<std::string> names) {
  std::error_code ignored;
  for (const std::string& name : names)
    for (const char* packing : kPackings)
      if (const fs::path path = folder / (name + packing); fs::exists(path, ignored)) return path;
  return folder / *names.begin();
}

// Adds to an error about a missing file what a folder should look like.
template <class T>
Result<T> with_layout(Result<T> result) {
  if (!result.ok() && result.error().code == Error::Code::kNotFound)
    result.error().fix = "a data set is a folder with corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv";
  return result;
}

Error repeated(const TextRecord& record) {
  return {Error::Code::kBadInput, fmt::format("_id \"{}\" stands in an earlier line already", record.id), record.where,
          "keep one of the two lines"};
}

// The next record that can be used, or nothing after the last one.
Result<std::optional<TextRecord>> next_good(TextReader& reader, const BadLine& bad) {
  while (true) {
    Result<std::optional<TextRecord>> record = reader.next();
    if (record.ok() || record.error().code != Error::Code::kBadInput) return record;
    RERANK_TRY(bad(std::move(record.error())));
  }
}

std::string splits_of(const fs::path& qrels) {
  std::vector<std::string> splits;
  std::error_code code;
  for (fs::directory_iterator entry(qrels, code), end; !code && entry != end; entry.increment(code))
    if (const std::string name = entry->path().filename().string(); name.find(".tsv") != name.npos)
      splits.push_back(name.substr(0, name.find(".tsv")));
  std::sort(splits.begin(), splits.end());
  return fmt::format("{}", fmt::join(splits, ", "));
}

}  // namespace

Collection find_collection(const fs::path& folder, const std::string& split) {
  return {first_there(folder, {"corpus.jsonl"}), first_there(folder, {"queries.jsonl", split + "_queries.jsonl"}),
          first_there(folder, {"qrels/" + split + ".tsv", split + "_qrels.jsonl"})};
}

Result<std::vector<Query>> read_queries(const fs::path& file, const BadLine& bad) {
  RERANK_ASSIGN(TextReader reader, with_layout(TextReader::open(file, TextReader::Kind::kQueries)));
  return read_queries(std::move(reader), bad);
}

Result<std::vector<Query>> read_queries(TextReader reader, const BadLine& bad) {
  std::vector<Query> queries;
  std::unordered_set<std::string> ids;
  while (true) {
    RERANK_ASSIGN(std::optional<TextRecord> record, next_good(reader, bad));
    if (!record) return queries;
    if (!ids.insert(record->id).second) {
      RERANK_TRY(bad(repeated(*record)));
      continue;
    }
    queries.push_back({std::move(record->id), std::move(record->text)});
  }
}

Status for_each_passage(TextReader reader, const TakePassage& take, const BadLine& bad) {
  std::unordered_map<std::string, std::size_t> in_requests;  // id -> hash of the text
  while (true) {
    RERANK_ASSIGN(std::optional<TextRecord> record, next_good(reader, bad));
    if (!record) return {};
    if (record->in_request) {
      const std::size_t hash = std::hash<std::string>()(record->text);
      const auto [at, is_new] = in_requests.emplace(record->id, hash);
      if (!is_new && at->second != hash)
        RERANK_TRY(
            bad({Error::Code::kBadInput, fmt::format("passage \"{}\" has another text in an earlier line", record->id),
                 record->where, "keep one of the two"}));
      if (!is_new) continue;
    }
    RERANK_TRY(take(std::move(*record)));
  }
}

Result<Passages> read_passages(const fs::path& file, const std::unordered_set<std::string>& wanted, const BadLine& bad,
                               std::unordered_set<std::string>* absent) {
  RERANK_ASSIGN(TextReader reader, with_layout(TextReader::open(file, TextReader::Kind::kPassages)));
  return read_passages(std::move(reader), wanted, bad, absent);
}

Result<Passages> read_passages(TextReader reader, const std::unordered_set<std::string>& wanted, const BadLine& bad,
                               std::unordered_set<std::string>* absent) {
  Passages passages;
  RERANK_TRY(for_each_passage(
      std::move(reader),
      [&](TextRecord record) -> Status {
        if (absent != nullptr) absent->erase(record.id);
        if (!wanted.contains(record.id)) return {};
        if (passages.contains(record.id)) return bad(repeated(record));
        passages.emplace(std::move(record.id), std::move(record.text));
        return {};
      },
      bad));
  return passages;
}

Status check_judged_passages(const fs::path& qrels, const std::unordered_set<std::string>& absent,
                             const fs::path& corpus, const BadLine& bad) {
  if (absent.empty()) return {};
  return for_each_place(
      qrels.string(), PairFile::kQrels,
      [&](std::string_view, std::string_view passage_id) { return absent.contains(std::string(passage_id)); },
      [&](std::string_view query_id, std::string_view passage_id, const std::string& where) -> Status {
        return bad({Error::Code::kBadInput,
                    fmt::format("judges passage \"{}\" for query \"{}\", which {} lacks", passage_id, query_id,
                                corpus.filename().string()),
                    where, "use judgements and passages of the same data set"});
      });
}

Result<Qrels> read_split(const fs::path& folder, const std::string& split, const BadLine& bad) {
  Result<Qrels> qrels = with_layout(read_qrels(find_collection(folder, split).qrels.string(), bad));
  if (!qrels.ok() && qrels.error().code == Error::Code::kNotFound)
    if (const std::string splits = splits_of(folder / "qrels"); !splits.empty())
      qrels.error().fix = fmt::format("this data set has the splits {}", splits);
  return qrels;
}

}  // namespace rerank::evaluation
