// rerank score: a score for each (query, passage) pair of a JSONL stream, in input order.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/earlier_scores.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/score_window.h"
#include "cli/window_output.h"
#include "io/json_text.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string input, output = "-";
  OnError on_error = OnError::kFail;
  bool quiet = false, resume = false;
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

// How a score is written.
struct LineForm {
  bool float32, reasoning;

  LineForm(const Options& options, const Engine& engine)
      : float32(scores_are_float32(options.model, engine.info())), reasoning(writes_reasoning(engine.info())) {}

  // "score":X, or "scores":[X, ...] of several cutoff layers; with a line end.
  std::string line(std::size_t index, const Score& score) const {
    std::vector<std::string> values;
    for (const double value : score.layer_values) values.push_back(io::json_number(value, float32));
    const std::string scores = values.empty() ? fmt::format("\"score\":{}", io::json_number(score.value, float32))
                                              : fmt::format("\"scores\":[{}]", fmt::join(values, ","));
    return fmt::format("{{\"index\":{},{}{}}}\n", index, scores, reasoning ? "," + reasoning_members(score) : "");
  }
};

// Reads a window, scores it, writes it, until the input ends.
class Job {
 public:
  // Leaves out the records that are in `earlier`.
  Job(const Options& options, const Engine& engine, const EarlierScores& earlier, io::JsonlReader& input,
      io::OutputFile& output)
      : options_(options),
        engine_(engine),
        earlier_(earlier),
        input_(input),
        bar_(options.quiet),
        bad_(options.on_error, bar_),
        form_(options, engine),
        written_(output, bad_),
        window_(form_.reasoning ? ScoreWindow::largest() : ScoreWindow()),
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

  std::size_t scores_written() const { return written_.lines_written(); }

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
      if (earlier_.has(index)) continue;
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
    written_.begin(pairs_.size());
    std::size_t done = 0;
    std::uint64_t window_tokens = 0;
    const auto show = [&] {
      std::optional<double> fraction;
      const std::size_t line = done > 0 ? pairs_[done - 1].line_number : lines_done_;
      if (lines_ > 0) fraction = static_cast<double>(line) / static_cast<double>(lines_);
      bar_.update(scored_ + done, fraction, new_tokens_ + window_tokens);
    };
    show();
    ScoreOptions options = options_.model.score;
    options.on_score = [&](std::size_t pair_idx, const Result<Score>& score) {
      written_.put(pair_idx, line_of(pairs_[pair_idx], score));
      written_.flush();
      return written_.ok() && !interrupted();
    };
    options.on_tokens = [&](std::uint64_t new_tokens) {
      window_tokens = new_tokens;
      show();
      return !interrupted();
    };
    RERANK_ASSIGN(const std::vector<Result<Score>> scores,
                  engine_.score_each(views, options, [&](std::size_t pairs_done) {
                    done = pairs_done;
                    show();
                  }));
    for (std::size_t pair_idx = 0; pair_idx < scores.size(); ++pair_idx)
      if (!form_.reasoning) written_.put(pair_idx, line_of(pairs_[pair_idx], scores[pair_idx]));
    if (!form_.reasoning) window_.scored(views.size(), wall_seconds() - start);
    scored_ += done;
    new_tokens_ += window_tokens;
    lines_done_ = pairs_.back().line_number;
    return written_.end();
  }

  Result<std::string> line_of(const PairRecord& pair, const Result<Score>& score) const {
    if (score.ok()) return form_.line(pair.index, score.value());
    Error error = score.error();
    error.where = input_.where(pair.line_number);
    return error;
  }

  const Options& options_;
  const Engine& engine_;
  const EarlierScores& earlier_;
  io::JsonlReader& input_;
  ProgressBar bar_;
  BadRecords bad_;
  LineForm form_;
  WindowOutput written_;
  ScoreWindow window_;
  std::vector<PairRecord> pairs_;  // the window
  std::size_t records_ = 0;        // read so far, bad ones too
  std::size_t scored_ = 0;
  std::uint64_t new_tokens_ = 0;
  std::size_t lines_done_ = 0;
  std::size_t lines_;  // of the whole input; 0 where nobody needs to know, or can
  bool at_end_ = false;
};

// What --resume finds; nothing without it.
Result<EarlierScores> read_earlier(const Options& options) {
  if (!options.resume) return EarlierScores();
  std::error_code error;
  for (const auto& [option, file] : {std::pair("--input", options.input), std::pair("--output", options.output)})
    if (file == "-")
      return Error{Error::Code::kBadInput, "--resume needs a file, which can be read again", option, "name one"};
  if (!std::filesystem::is_regular_file(options.input, error))
    return Error{Error::Code::kBadInput, "is no file that could be read again", options.input, "--resume needs one"};
  RERANK_TRY(refuse_input_as_output(options.output, {options.input}));
  RERANK_ASSIGN(const std::size_t records, count_records(options.input));
  return EarlierScores::read(options.output, records);
}

// That what is there already comes out the same again, where it took the least to compute.
Status check_earlier(const Options& options, const Engine& engine, const EarlierScores& earlier) {
  if (!earlier.sample()) return {};
  const auto& [index, line] = *earlier.sample();
  RERANK_ASSIGN(io::JsonlReader input, open_jsonl(options.input));
  Result<std::optional<io::JsonlObject>> record = input.next();
  for (std::size_t skipped = 0; skipped < index; ++skipped) record = input.next();
  const Error other{Error::Code::kBadInput, fmt::format("index {} has another score there than it gets now", index),
                    options.output,
                    "resume with the same input, model, options and kind of CPU, or name another --output"};
  if (!record.ok() || !record.value()) return other;
  const Result<PairRecord> pair = read_pair(*record.value(), index);
  if (!pair.ok()) return other;
  ScoreOptions score_options = options.model.score;
  score_options.on_tokens = [](std::uint64_t) { return !interrupted(); };
  const Pair view{pair.value().query, pair.value().passage};
  RERANK_ASSIGN(const std::vector<Result<Score>> scores, engine.score_each({&view, 1}, score_options));
  if (interrupted()) return {};
  if (!scores[0].ok() || LineForm(options, engine).line(index, scores[0].value()) != line + "\n") return other;
  return {};
}

// Where the scores go on, if not everything is done.
Exit say_interrupted(const Options& options, std::size_t scores) {
  const bool can_resume = options.input != "-" && options.output != "-";
  fmt::print(stderr, "rerank: interrupted, {} scores are written{}\n", scores,
             can_resume ? "; the same command with --resume goes on" : "");
  return Exit::kInterrupted;
}

Exit run_score(const Options& options) {
  // Before the model is loaded: a wrong file name should not cost the wait.
  Result<io::JsonlReader> input = open_jsonl(options.input);
  if (!input.ok()) return fail(input.error());
  const Result<EarlierScores> earlier = read_earlier(options);
  if (!earlier.ok()) return fail(earlier.error());
  const Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return fail_to_load(engine.error());

  catch_interrupts();
  if (const Status same = check_earlier(options, engine.value(), earlier.value()); !same.ok())
    return fail(same.error());
  Result<io::OutputFile> output =
      options.resume ? io::OutputFile::append(options.output) : open_output(options.output, {options.input});
  if (!output.ok()) return fail(output.error());
  Job job(options, engine.value(), earlier.value(), input.value(), output.value());
  const Status status = interrupted() ? Status() : job.run();
  const Status closed = output.value().close();
  if (!status.ok()) return fail(status.error());
  if (!closed.ok()) return fail(closed.error());
  if (interrupted()) return say_interrupted(options, earlier.value().size() + job.scores_written());
  const Status sorted = options.resume ? sort_scores(options.output) : Status();
  return sorted.ok() ? Exit::kDone : fail(sorted.error());
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
  command->add_flag("--resume", options->resume,
                    "Go on where an interrupted run stopped: pairs whose scores are in the --output file are left out");
  command->add_flag("-q,--quiet", options->quiet, "No progress bar");
  add_model_options(*command, options->model);
  command->footer(
      "With several --cutoff-layers a line has \"scores\":[...] in the order asked for instead of \"score\".\n"
      "Of a model that reasons it also has \"reasoning\", \"new_tokens\" and \"finished\", which is false where the "
      "text was cut at a limit; and \"cut_tokens\" where the passage did not fit and lost them.\n"
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
