#include "cli/query_stats.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/try.h"
#include "cli/whole_lines.h"
#include "io/json_text.h"
#include "io/jsonl.h"
#include "io/system_error.h"

namespace rerank::cli {
namespace {

namespace fs = std::filesystem;

// Cuts off what an interruption left of a line.
Status cut_torn_line(const std::string& path) {
  std::error_code failed;
  if (!fs::exists(path, failed)) return {};
  RERANK_ASSIGN(const std::uint64_t end, for_each_whole_line(path, [](const WholeLine&) { return Status(); }));
  fs::resize_file(path, end, failed);
  if (failed) return io::system_error(failed.value(), "cut", path);
  return {};
}

Result<std::uint64_t> count_at(const io::Json& object, std::string_view key) {
  RERANK_ASSIGN(const io::Json value, object.get(key));
  const Result<std::int64_t> count = value.integer();
  if (!count.ok() || count.value() < 0) return value.expected("a whole number from 0");
  return static_cast<std::uint64_t>(count.value());
}

Result<double> seconds_at(const io::Json& object, std::string_view key) {
  RERANK_ASSIGN(const io::Json value, object.get(key));
  const Result<double> seconds = value.number();
  if (!seconds.ok() || seconds.value() < 0) return value.expected("a number from 0");
  return seconds.value();
}

Result<QueryStats> parse(const io::Json& object) {
  QueryStats stats;
  RERANK_ASSIGN(const std::string_view query_id, object.string_at("query"));
  stats.query_id = query_id;
  RERANK_ASSIGN(stats.passages, count_at(object, "passages"));
  RERANK_ASSIGN(stats.seconds, seconds_at(object, "seconds"));
  RERANK_ASSIGN(stats.tokens, count_at(object, "tokens"));
  RERANK_ASSIGN(stats.cut_tokens, count_at(object, "cut_tokens"));
  RERANK_ASSIGN(stats.new_tokens, count_at(object, "new_tokens"));
  if (object.find("tokens_computed")) {
    QueryStats::Alone alone;
    RERANK_ASSIGN(alone.cpu_seconds, seconds_at(object, "cpu_seconds"));
    RERANK_ASSIGN(alone.tokens_computed, count_at(object, "tokens_computed"));
    stats.alone = alone;
  }
  return stats;
}

}  // namespace

std::string query_stats_path(const std::string& output) {
  return output + ".stats.jsonl";
}

Result<QueryStatsWriter> QueryStatsWriter::open(const std::string& output, bool resume) {
  std::error_code ignored;
  if (output == "-" || !fs::is_regular_file(output, ignored)) return QueryStatsWriter(std::nullopt);
  const std::string path = query_stats_path(output);
  if (resume) RERANK_TRY(cut_torn_line(path));
  RERANK_ASSIGN(io::OutputFile file, resume ? io::OutputFile::append(path) : io::OutputFile::open(path));
  return QueryStatsWriter(std::optional<io::OutputFile>(std::move(file)));
}

Status QueryStatsWriter::write(const QueryStats& stats) {
  if (!file_) return {};
  std::string line = fmt::format(
      R"({{"query":{},"passages":{},"seconds":{:.6f},"tokens":{},"cut_tokens":{},"new_tokens":{})",
      io::json_string(stats.query_id), stats.passages, stats.seconds, stats.tokens, stats.cut_tokens, stats.new_tokens);
  if (stats.alone)
    line += fmt::format(R"(,"cpu_seconds":{:.6f},"tokens_computed":{})", stats.alone->cpu_seconds,
                        stats.alone->tokens_computed);
  RERANK_TRY(file_->write(line + "}\n"));
  return file_->flush();
}

Status QueryStatsWriter::close() {
  return file_ ? file_->close() : Status();
}

Result<std::vector<QueryStats>> read_query_stats(const std::string& ranking_file, const evaluation::Run& run,
                                                 const evaluation::BadLine& bad) {
  std::vector<QueryStats> all;
  const std::string path = query_stats_path(ranking_file);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return all;
  // What an id is after it went through JSON -> how many passages its ranking has.
  std::unordered_map<std::string, std::size_t> passages, position;
  for (const evaluation::Ranking& ranking : run.rankings) {
    const std::string quoted = io::json_string(ranking.query_id);
    passages.emplace(quoted, ranking.passages.size());
  }
  RERANK_ASSIGN(io::JsonlReader reader, io::JsonlReader::open(path));
  while (true) {
    Result<std::optional<io::JsonlObject>> line = reader.next();
    if (!line.ok()) {
      if (line.error().code != Error::Code::kBadInput) return std::move(line.error());
      RERANK_TRY(bad(std::move(line.error())));
      continue;
    }
    if (!line.value()) return all;
    Result<QueryStats> stats = parse(line.value()->json);
    if (!stats.ok()) {
      RERANK_TRY(bad(std::move(stats.error())));
      continue;
    }
    const std::string quoted = io::json_string(stats.value().query_id);
    const auto ranked = passages.find(quoted);
    if (ranked == passages.end() || ranked->second != stats.value().passages) {
      RERANK_TRY(bad({Error::Code::kBadInput,
                      fmt::format("is about {} passages of query \"{}\", and {} has {}", stats.value().passages,
                                  stats.value().query_id, ranking_file,
                                  ranked == passages.end() ? "none" : std::to_string(ranked->second)),
                      reader.where(line.value()->line_number),
                      "it is from another run: delete the file, or make both again"}));
      continue;
    }
    const auto [at, is_new] = position.emplace(quoted, all.size());
    if (is_new)
      all.push_back(std::move(stats).value());
    else
      all[at->second] = std::move(stats).value();
  }
}

}  // namespace rerank::cli
