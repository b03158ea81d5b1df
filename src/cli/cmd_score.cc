// rerank score: a score for each (query, passage) pair of a JSONL stream, in input order.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/score_window.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string input, output = "-";
  OnError on_error = OnError::kFail;
  bool quiet = false;
};

struct PairRecord {
  std::size_t index;        // of the record in the input, from 0
  std::size_t line_number;  // from 1
  std::string query, passage;
};

constexpr const char* kForm = "{\"query\": TEXT, \"passage\": TEXT}";

Result<PairRecord> read_pair(const io::JsonlObject& record, std::size_t index) {
  RERANK_ASSIGN(const std::string_view query, record.json.string_at("query"));
  RERANK_ASSIGN(const std::string_view passage, record.json.string_at("passage"));
  return PairRecord{index, record.line_number, std::string(query), std::string(passage)};
}

// Reads a window, scores it, writes it, until the input ends.
class Job {
 public:
  Job(const Options& options, const Engine& engine, io::JsonlReader& input, io::OutputFile& output)
      : options_(options),
        engine_(engine),
        input_(input),
        output_(output),
        bar_(options.quiet),
        bad_(options.on_error, bar_),
        float32_(scores_are_float32(options.model, engine.info())),
        lines_(bar_.enabled() ? count_lines(options.input) : 0) {}

  // The first error; all scores before it are written by then.
  Status run() {
    Status read;
    do {
      read = read_window();
      RERANK_TRY(score_window());
    } while (read.ok() && !at_end_ && !interrupted());
    bad_.summarize("line");
    return read;
  }

 private:
  Status read_window() {
    pairs_.clear();
    std::size_t bytes = 0;
    while (!window_.full(pairs_.size(), bytes) && !interrupted()) {
      RERANK_ASSIGN(std::optional<PairRecord> pair, next_pair());
      if (!pair) {
        at_end_ = true;
        break;
      }
      bytes += pair->query.size() + pair->passage.size();
      pairs_.push_back(std::move(*pair));
    }
    return {};
  }

  // The next good record, or nothing at the end.
  Result<std::optional<PairRecord>> next_pair() {
    while (true) {
      const Result<std::optional<io::JsonlObject>> record = input_.next();
      if (record.ok() && !record.value()) return std::optional<PairRecord>();
      const std::size_t index = records_++;
      Result<PairRecord> pair = record.ok() ? read_pair(*record.value(), index) : record.error();
      if (pair.ok()) return std::optional<PairRecord>(std::move(pair).value());
      if (pair.error().code != Error::Code::kBadInput) return std::move(pair.error());
      RERANK_TRY(bad_.meet(expecting(kForm, std::move(pair.error()))));
    }
  }

  Status score_window() {
    if (pairs_.empty()) return {};
    std::vector<Pair> views;
    views.reserve(pairs_.size());
    for (const PairRecord& pair : pairs_) views.push_back({pair.query, pair.passage});

    const double start = wall_seconds();
    const auto progress = [&](std::size_t done) {
      std::optional<double> fraction;
      const std::size_t line = done > 0 ? pairs_[done - 1].line_number : lines_done_;
      if (lines_ > 0) fraction = static_cast<double>(line) / static_cast<double>(lines_);
      bar_.update(scored_ + done, fraction);
    };
    progress(0);
    RERANK_ASSIGN(const std::vector<Result<Score>> scores, engine_.score_each(views, options_.model.score, progress));
    window_.scored(views.size(), wall_seconds() - start);
    scored_ += views.size();
    lines_done_ = pairs_.back().line_number;
    return write(scores);
  }

  // "score":X, or "scores":[X, ...] of several cutoff layers.
  std::string score_members(const Score& score) const {
    if (score.layer_values.empty()) return fmt::format("\"score\":{}", json_number(score.value, float32_));
    std::vector<std::string> values;
    for (const double value : score.layer_values) values.push_back(json_number(value, float32_));
    return fmt::format("\"scores\":[{}]", fmt::join(values, ","));
  }

  Status write(const std::vector<Result<Score>>& scores) {
    std::string text;
    Status bad;
    for (std::size_t pair_idx = 0; pair_idx < scores.size() && bad.ok(); ++pair_idx) {
      const PairRecord& pair = pairs_[pair_idx];
      if (scores[pair_idx].ok()) {
        text += fmt::format("{{\"index\":{},{}}}\n", pair.index, score_members(scores[pair_idx].value()));
      } else {
        Error error = scores[pair_idx].error();
        error.where = input_.where(pair.line_number);
        bad = bad_.meet(std::move(error));
      }
    }
    RERANK_TRY(output_.write(text));
    RERANK_TRY(output_.flush());
    return bad;
  }

  const Options& options_;
  const Engine& engine_;
  io::JsonlReader& input_;
  io::OutputFile& output_;
  ProgressBar bar_;
  BadRecords bad_;
  bool float32_;
  ScoreWindow window_;
  std::vector<PairRecord> pairs_;  // the window
  std::size_t records_ = 0;        // read so far, bad ones too
  std::size_t scored_ = 0;
  std::size_t lines_done_ = 0;
  std::size_t lines_;  // of the whole input; 0 where nobody needs to know, or can
  bool at_end_ = false;
};

Exit run_score(const Options& options) {
  // Before the model is loaded: a wrong file name should not cost the wait.
  Result<io::JsonlReader> input = open_jsonl(options.input);
  if (!input.ok()) return fail(input.error());
  const Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return fail_to_load(engine.error());
  Result<io::OutputFile> output = open_output(options.output, {options.input});
  if (!output.ok()) return fail(output.error());

  catch_interrupts();
  Status status = Job(options, engine.value(), input.value(), output.value()).run();
  const Status closed = output.value().close();
  if (!status.ok()) return fail(status.error());
  if (!closed.ok()) return fail(closed.error());
  return interrupted() ? Exit::kInterrupted : Exit::kDone;
}

}  // namespace

void add_score(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("score", "Scores (query, passage) pairs, in input order");
  auto options = std::make_shared<Options>();
  command->add_option("-i,--input", options->input, "Pairs: JSONL {\"query\",\"passage\"}; - for stdin")
      ->type_name("FILE|-")
      ->required();
  command->add_option("-o,--output", options->output, "Scores: JSONL {\"index\",\"score\"}; - for stdout [-]")
      ->type_name("FILE|-");
  add_on_error(*command, options->on_error);
  command->add_flag("-q,--quiet", options->quiet, "No progress bar");
  add_model_options(*command, options->model);
  command->footer(
      "With several --cutoff-layers a line has \"scores\":[...] in the order asked for instead of \"score\".\n"
      "\"index\" counts the records of the input from 0; blank lines are not records. Output is written every few "
      "seconds.\nA pair with an empty text gets the score that the reference program gives it. Invalid UTF-8 and lone "
      "surrogates are bad lines.\n\n"
      "Examples:\n"
      "  rerank score --input pairs.jsonl --output scores.jsonl\n"
      "  rerank score --model BAAI/bge-reranker-v2-m3 --normalize --input - < pairs.jsonl\n"
      "  rerank score --model BAAI/bge-reranker-v2-minicpm-layerwise --cutoff-layers 8,28 --input pairs.jsonl\n"
      "  rerank score --input pairs.jsonl --on-error skip | jq .score");
  command->callback([options, &program] { program.run = [options] { return run_score(*options); }; });
}

}  // namespace rerank::cli
