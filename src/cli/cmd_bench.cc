// rerank bench: speed on a workload, with the figures of the peers' benchmark beside which it is read.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/try.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/percentile.h"
#include "engine/matrix_peak.h"
#include "io/json_text.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string workload, scores;
  std::size_t queries = 2, repeat = 3;  // the defaults of the peers' benchmark
  bool peak = false;
};

constexpr const char* kForm = "{\"query\": TEXT, \"passages\": [TEXT, ...]}";

struct Query {
  std::string text;
  std::vector<std::string> passages;
};

// The scores of each query, in the workload's order.
using Scores = std::vector<std::vector<Score>>;

struct Figures {
  double load_seconds = 0;                                        // from the start of the process to the first score
  double wall_seconds = std::numeric_limits<double>::infinity();  // of the best repeat
  double cpu_seconds = std::numeric_limits<double>::infinity();   // of the best repeat, all threads
  std::vector<double> latencies;                                  // seconds of each call in all repeats, rising
  double peak = 0;                                                // operations a second; 0: not measured
  Scores scores;
  Work work;  // of one pass
};

Result<Query> read_query(const io::Json& record) {
  Query query;
  RERANK_ASSIGN(query.text, record.string_at("query"));
  RERANK_ASSIGN(const io::Json passages, record.get("passages"));
  RERANK_ASSIGN(const simdjson::dom::array list, passages.array());
  std::size_t passage_idx = 0;
  for (const simdjson::dom::element element : list) {
    RERANK_ASSIGN(const std::string_view passage, passages.item(element, passage_idx++).string());
    query.passages.emplace_back(passage);
  }
  return query;
}

Result<std::vector<Query>> read_workload(const Options& options) {
  RERANK_ASSIGN(io::JsonlReader reader, open_jsonl(options.workload));
  std::vector<Query> workload;
  while (options.queries == 0 || workload.size() < options.queries) {
    const Result<std::optional<io::JsonlObject>> record = reader.next();
    if (!record.ok()) return expecting(kForm, record.error());
    if (!record.value()) break;
    Result<Query> query = read_query(record.value()->json);
    if (!query.ok()) return expecting(kForm, std::move(query.error()));
    if (!query.value().passages.empty()) workload.push_back(std::move(query).value());
  }
  if (workload.empty())
    return Error{Error::Code::kBadInput, "holds no pair", options.workload, fmt::format("each line is {}", kForm)};
  return workload;
}

Result<std::vector<Score>> score_query(const Engine& engine, const Query& query, const ScoreOptions& options) {
  std::vector<Pair> pairs;
  pairs.reserve(query.passages.size());
  for (const std::string& passage : query.passages) pairs.push_back({query.text, passage});
  return engine.score(pairs, options);
}

// Each query is a call of its own; what it took is added to `latencies`.
Result<Scores> score_all(const Engine& engine, const std::vector<Query>& workload, const ScoreOptions& options,
                         std::vector<double>& latencies) {
  Scores scores;
  for (const Query& query : workload) {
    const double begin = wall_seconds();
    RERANK_ASSIGN(std::vector<Score> of_query, score_query(engine, query, options));
    latencies.push_back(wall_seconds() - begin);
    scores.push_back(std::move(of_query));
  }
  return scores;
}

Work difference(const Work& after, const Work& before) {
  return {after.tokens_given - before.tokens_given,
          after.tokens_computed - before.tokens_computed,
          after.flops - before.flops,
          after.flops_given - before.flops_given,
          after.new_tokens - before.new_tokens,
          after.passes - before.passes,
          after.kv_bytes_read - before.kv_bytes_read,
          after.shared_tokens - before.shared_tokens,
          after.preemptions - before.preemptions,
          after.repeated_pairs - before.repeated_pairs,
          after.cache_hits - before.cache_hits,
          after.cache_misses - before.cache_misses};
}

Result<Figures> measure(const Engine& engine, const std::vector<Query>& workload, const Options& options,
                        double process_start) {
  Figures figures;
  const Pair first{workload.front().text, workload.front().passages.front()};
  RERANK_TRY(engine.score({&first, 1}, options.model.score));
  figures.load_seconds = wall_seconds() - process_start;
  RERANK_ASSIGN(figures.scores, score_all(engine, workload, options.model.score, figures.latencies));  // warm-up
  figures.latencies.clear();
  for (std::size_t round = 0; round < options.repeat; ++round) {
    const Work before = engine.work();
    const double wall = wall_seconds(), cpu = process_cpu_seconds();
    RERANK_ASSIGN(figures.scores, score_all(engine, workload, options.model.score, figures.latencies));
    figures.wall_seconds = std::min(figures.wall_seconds, wall_seconds() - wall);
    figures.cpu_seconds = std::min(figures.cpu_seconds, process_cpu_seconds() - cpu);
    figures.work = difference(engine.work(), before);
  }
  std::sort(figures.latencies.begin(), figures.latencies.end());
  if (options.peak) {
    RERANK_ASSIGN(figures.peak, measure_matrix_peak(options.model.engine));
  }
  return figures;
}

double rounded(double value, double steps) {
  return std::round(value * steps) / steps;
}

std::string report(const Figures& figures, const ModelInfo& info, const std::string& checkpoint) {
  std::size_t pairs = 0, tokens = 0;
  for (const std::vector<Score>& of_query : figures.scores)
    for (const Score& score : of_query) {
      ++pairs;
      tokens += score.tokens;
    }
  const auto count = static_cast<double>(pairs);
  nlohmann::ordered_json json = {
      {"peer", "rerank.cpp"},
      {"dtype", info.dtype},
      {"batch", nullptr},
      {"checkpoint", checkpoint},
      {"pairs", pairs},
      {"tokens", tokens},
      {"pairs_s", rounded(count / figures.wall_seconds, 100)},
      {"cpu_s", rounded(100 * figures.cpu_seconds / count, 1000)},
      {"tokens_s", std::llround(static_cast<double>(tokens) / figures.wall_seconds)},
      {"peak_rss_mib", peak_rss_bytes() >> 20},
      {"cpu_level", info.cpu_level},
      {"threads", info.threads},
      {"load_s", rounded(figures.load_seconds, 1000)},
      {"latency_p50_s", rounded(percentile(figures.latencies, 0.5), 1e5)},
      {"latency_p99_s", rounded(percentile(figures.latencies, 0.99), 1e5)},
      {"calls", figures.latencies.size()},
  };
  json["tokens_computed"] = figures.work.tokens_computed;
  if (figures.work.repeated_pairs > 0) json["repeated_pairs"] = figures.work.repeated_pairs;
  if (figures.work.cache_hits + figures.work.cache_misses > 0) {
    json["cache_hits"] = figures.work.cache_hits;
    json["cache_misses"] = figures.work.cache_misses;
  }
  if (figures.work.flops_given > 0) {
    json["gflops_s"] = std::llround(figures.work.flops / figures.wall_seconds / 1e9);
    json["flops_saved"] = rounded(1 - figures.work.flops / figures.work.flops_given, 1000);
  }
  if (figures.peak > 0) {
    json["peak_gflops_s"] = std::llround(figures.peak / 1e9);
    json["peak_share"] = rounded(figures.work.flops / figures.wall_seconds / figures.peak, 1000);
  }
  if (figures.work.passes > 0) {
    const auto passes = static_cast<double>(figures.work.passes);
    const auto kv_bytes = static_cast<double>(figures.work.kv_bytes_read);
    const double bytes = passes * static_cast<double>(info.packed_bytes) + kv_bytes;
    json["new_tokens"] = figures.work.new_tokens;
    json["new_tokens_s"] = rounded(static_cast<double>(figures.work.new_tokens) / figures.wall_seconds, 100);
    json["passes"] = figures.work.passes;
    json["weight_bytes"] = info.packed_bytes;
    json["kv_bytes_a_pass"] = std::llround(kv_bytes / passes);
    json["gb_s"] = rounded(bytes / figures.wall_seconds / 1e9, 100);
    json["shared_tokens"] = figures.work.shared_tokens;
    json["preemptions"] = figures.work.preemptions;
  }
  return json.dump() + "\n";
}

// One JSON list a query.
Status write_scores(const Scores& scores, const std::string& file, bool float32) {
  RERANK_ASSIGN(io::OutputFile output, io::OutputFile::open(file));
  for (const std::vector<Score>& of_query : scores) {
    std::vector<std::string> numbers;
    for (const Score& score : of_query) numbers.push_back(io::json_number(score.value, float32));
    RERANK_TRY(output.write(fmt::format("[{}]\n", fmt::join(numbers, ", "))));
  }
  return output.close();
}

Exit run_bench(const Options& options, double process_start) {
  const Result<std::vector<Query>> workload = read_workload(options);
  if (!workload.ok()) return fail(workload.error());
  const Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return fail_to_load(engine.error());
  const Result<Figures> figures = measure(engine.value(), workload.value(), options, process_start);
  if (!figures.ok()) return fail(figures.error());
  if (!options.scores.empty()) {
    const Status written =
        write_scores(figures.value().scores, options.scores, scores_are_float32(options.model, engine.value().info()));
    if (!written.ok()) return fail(written.error());
  }
  const ModelInfo& info = engine.value().info();
  return print_answer(report(figures.value(), info, model_name(options.model, info)));
}

}  // namespace

void add_bench(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("bench", "Measures speed on a workload");
  auto options = std::make_shared<Options>();
  command->add_option("-w,--workload", options->workload, "JSONL {\"query\",\"passages\":[TEXT,...]}; - for stdin")
      ->type_name("FILE|-")
      ->required();
  command->add_option("--queries", options->queries, "Only the first N rows, 0: all [2]")->type_name("N");
  command->add_option("--repeat", options->repeat, "Timed passes after a warm-up pass; the best counts [3]")
      ->check(CLI::Range(1, 1'000'000).description(""))
      ->type_name("N");
  command->add_flag("--peak", options->peak,
                    "Measures a bare product in cache as well, for a second: peak_gflops_s, and peak_share of it");
  command->add_option("--scores", options->scores, "Writes the scores here, one JSON list a query")->type_name("FILE");
  command->add_flag("--ignore-stop", options->model.score.ignore_stop,
                    "reasoning: each pair writes --max-new-tokens tokens, whatever they say");
  add_model_options(*command, options->model);
  command->footer(
      "One JSON line: pairs_s and tokens_s per second of wall time, cpu_s CPU seconds per 100 pairs (all of the best\n"
      "pass; tokenization counts), tokens of all pairs, peak_rss_mib, load_s from the start of the process to the "
      "first\n"
      "score, latency_p50_s and latency_p99_s of the calls (a query is one), tokens_computed of the best pass (fewer "
      "than\n"
      "tokens where pairs share their beginning), gflops_s and flops_saved: the share of the operations that sharing,\n"
      "the last layer of tokens that nobody reads, cutoff layers and compression\n"
      "spare. Models that reason add new_tokens and new_tokens_s, passes through the model, weight_bytes that a pass\n"
      "reads at least once, kv_bytes_a_pass (keys and values, on average), gb_s of both together, shared_tokens of\n"
      "prompts, and preemptions: pairs that were computed again because memory ran short.\n\n"
      "Examples:\n"
      "  rerank bench --workload workload.jsonl\n"
      "  rerank bench --model BAAI/bge-reranker-v2-m3 --dtype bf16 --threads 2 --workload workload.jsonl --repeat 5\n"
      "  rerank bench --model jhu-clsp/rank1-7b-awq --workload workload.jsonl --max-new-tokens 64 --ignore-stop");
  command->callback(
      [options, &program] { program.run = [options, &program] { return run_bench(*options, program.started); }; });
}

}  // namespace rerank::cli
