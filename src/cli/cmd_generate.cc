// rerank generate: what a causal language model writes after each prompt, greedily, with the probabilities if asked
// for.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/window_output.h"
#include "io/json_text.h"
#include "rerank/generate.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string input, output = "-";
  int logprobs = 0;
  std::vector<std::string> stop;
  OnError on_error = OnError::kFail;
  bool quiet = false;
};

constexpr const char* kForm = "{\"prompt\": TEXT}";
// Prompts that are read and written together: more than run at a time, so that none has to wait.
constexpr std::size_t kPromptsPerWindow = 2048;

struct Prompt {
  std::size_t index;        // of the record in the input, from 0
  std::size_t line_number;  // from 1; 0: of --prompt
  std::string text;
};

std::string line_of(std::size_t index, const GeneratedText& text, bool with_logprobs) {
  std::string logprobs;
  if (with_logprobs) {
    std::vector<std::string> steps;
    for (const std::vector<TokenProbability>& likeliest : text.logprobs) {
      std::vector<std::string> pairs;
      for (const TokenProbability& next : likeliest)
        pairs.push_back(fmt::format("[{},{}]", next.token, io::json_number(next.log_probability, false)));
      steps.push_back(fmt::format("[{}]", fmt::join(pairs, ",")));
    }
    logprobs = fmt::format("\"logprobs\":[{}],", fmt::join(steps, ","));
  }
  return fmt::format("{{\"index\":{},\"text\":{},\"token_ids\":[{}],{}\"finish\":\"{}\"}}\n", index,
                     io::json_string(text.text), fmt::join(text.token_ids, ","), logprobs,
                     text.stopped ? "stop" : "length");
}

// Reads a window of prompts, goes on with each, writes them, until the input ends.
class Job {
 public:
  // Without an input there is --prompt alone.
  Job(const Options& options, const TextGenerator& generator, std::optional<io::JsonlReader>& input,
      io::OutputFile& output)
      : options_(options),
        generator_(generator),
        input_(input),
        bar_(options.quiet, "prompts"),
        bad_(options.on_error, bar_),
        written_(output, bad_),
        lines_(bar_.enabled() && input ? count_lines(options.input) : 0) {}

  // The first error; all texts before it are written by then.
  Status run() {
    Status read;
    do {
      read = read_window();
      RERANK_TRY(generate_window());
    } while (read.ok() && !at_end_ && !interrupted());
    bad_.summarize("line");
    return read;
  }

 private:
  Status read_window() {
    prompts_.clear();
    if (!input_) {
      prompts_.push_back({0, 0, *options_.model.score.prompt});
      at_end_ = true;
      return {};
    }
    while (prompts_.size() < kPromptsPerWindow && !interrupted()) {
      const Result<std::optional<io::JsonlObject>> record = input_->next();
      if (record.ok() && !record.value()) {
        at_end_ = true;
        break;
      }
      const std::size_t index = records_++;
      const auto prompt = [&]() -> Result<Prompt> {
        RERANK_TRY(record);
        RERANK_ASSIGN(const std::string_view text, record.value()->json.string_at("prompt"));
        return Prompt{index, record.value()->line_number, std::string(text)};
      }();
      if (prompt.ok()) {
        prompts_.push_back(prompt.value());
      } else if (prompt.error().code != Error::Code::kBadInput) {
        return prompt.error();
      } else {
        RERANK_TRY(bad_.meet(expecting(kForm, prompt.error())));
      }
    }
    return {};
  }

  Status generate_window() {
    if (prompts_.empty()) return {};
    std::vector<std::string_view> texts;
    for (const Prompt& prompt : prompts_) texts.push_back(prompt.text);
    written_.begin(prompts_.size());
    std::size_t done = 0;
    std::uint64_t window_tokens = 0;

    GenerateOptions options;
    options.max_new_tokens = options_.model.score.max_new_tokens.value_or(options.max_new_tokens);
    options.logprobs = options_.logprobs;
    options.stop = options_.stop;
    options.special_tokens_in_text = options_.model.score.special_tokens_in_text;
    options.on_done = [&](std::size_t prompt_idx, const Result<GeneratedText>& text) {
      ++done;
      written_.put(prompt_idx, line(prompts_[prompt_idx], text));
      written_.flush();
      return written_.ok() && !interrupted();
    };
    options.on_tokens = [&](std::uint64_t new_tokens) {
      window_tokens = new_tokens;
      std::optional<double> fraction;
      const std::size_t at = done > 0 ? prompts_[done - 1].line_number : lines_done_;
      if (lines_ > 0) fraction = static_cast<double>(at) / static_cast<double>(lines_);
      bar_.update(done_ + done, fraction, new_tokens_ + new_tokens);
      return !interrupted();
    };
    const auto generated = generator_.generate(texts, options);
    RERANK_TRY(generated);
    done_ += done;
    new_tokens_ += window_tokens;
    lines_done_ = prompts_.back().line_number;
    return written_.end();
  }

  Result<std::string> line(const Prompt& prompt, const Result<GeneratedText>& text) const {
    if (text.ok()) return line_of(prompt.index, text.value(), options_.logprobs > 0);
    Error error = text.error();
    error.where = prompt.line_number == 0 ? "--prompt" : input_->where(prompt.line_number);
    return error;
  }

  const Options& options_;
  const TextGenerator& generator_;
  std::optional<io::JsonlReader>& input_;
  ProgressBar bar_;
  BadRecords bad_;
  WindowOutput written_;
  std::vector<Prompt> prompts_;  // the window
  std::size_t records_ = 0;      // read so far, bad ones too
  std::size_t done_ = 0;
  std::uint64_t new_tokens_ = 0;
  std::size_t lines_done_ = 0;
  std::size_t lines_;  // of the whole input; 0 where nobody needs to know, or can
  bool at_end_ = false;
};

Exit run_generate(const Options& options) {
  const bool one_prompt = options.model.score.prompt.has_value();
  if (one_prompt != options.input.empty())
    return fail({Error::Code::kBadInput, "give one of them", "--prompt, --prompt-file, --input", "see --help"});
  if (options.model.model.empty())
    return fail({Error::Code::kBadInput, "is missing: the embedded model writes no text", "--model", "name one"});
  std::optional<io::JsonlReader> input;
  if (!one_prompt) {
    Result<io::JsonlReader> opened = open_jsonl(options.input);
    if (!opened.ok()) return fail(opened.error());
    input = std::move(opened).value();
  }
  const Result<TextGenerator> generator = load_generator(options.model);
  if (!generator.ok()) return fail_to_load(generator.error());
  Result<io::OutputFile> output = open_output(options.output, {options.input});
  if (!output.ok()) return fail(output.error());

  catch_interrupts();
  const Status status = Job(options, generator.value(), input, output.value()).run();
  const Status closed = output.value().close();
  if (!status.ok()) return fail(status.error());
  if (!closed.ok()) return fail(closed.error());
  return interrupted() ? Exit::kInterrupted : Exit::kDone;
}

}  // namespace

void add_generate(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("generate", "Writes on after prompts, with any causal language model");
  auto options = std::make_shared<Options>();
  command->add_option("-i,--input", options->input, "Prompts: JSONL {\"prompt\"}; - for stdin")->type_name("FILE|-");
  command
      ->add_option("-o,--output", options->output,
                   "JSONL {\"index\",\"text\",\"token_ids\",\"logprobs\",\"finish\"}; - for stdout [-]")
      ->type_name("FILE|-");
  command
      ->add_option("--logprobs", options->logprobs,
                   "The K likeliest tokens of each step with their log-probabilities, best first [0: none]")
      ->check(CLI::Range(0, 1 << 20).description(""))
      ->type_name("K");
  command->add_option("--stop", options->stop, "Ends a text where it says S; may be given several times")
      ->allow_extra_args(false)
      ->type_name("S");
  add_on_error(*command, options->on_error);
  command->add_flag("-q,--quiet", options->quiet, "No progress bar");
  add_model_options(*command, options->model);
  command->footer(
      "The prompt is --prompt, --prompt-file, or each line of --input. It is raw text: the tokenizer adds its own "
      "tokens,\n"
      "no chat template is applied. Greedy; at most --max-new-tokens tokens [256]. Of the model options, those about\n"
      "pairs play no part.\n"
      "Output: one JSON line a prompt. \"text\" ends before the stop string, \"token_ids\" holds its tokens too.\n"
      "\"logprobs\" is a list a step of [token id, log-probability], and is there if asked for. \"finish\" is \"stop\" "
      "(a\n"
      "stop string, or the end of the text) or \"length\".\n\n"
      "Examples:\n"
      "  rerank generate --model ./rank1-7b --prompt \"A giant panda eats\" --max-new-tokens 20\n"
      "  rerank generate --model ./rank1-7b --input prompts.jsonl --stop \"</think>\" --stop \"###\" --logprobs 5");
  command->callback([options, &program] { program.run = [options] { return run_generate(*options); }; });
}

}  // namespace rerank::cli
