// rerank eval-protocol: an evaluation that was published, made again with another model.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/protocol_report.h"
#include "cli/rerank_job.h"
#include "evaluation/protocol_data.h"
#include "evaluation/protocol_files.h"
#include "evaluation/protocol_result.h"
#include "evaluation/protocols.h"
#include "io/replace_file.h"

namespace rerank::cli {
namespace fs = std::filesystem;
namespace {

struct Options {
  ModelOptions model;
  std::string protocol, data, output, first_stage, split, prompts;
  std::vector<std::string> datasets;
  std::size_t queries = 0;
  bool no_prompts = false, resume = false, allow_mixed = false, json = false, quiet = false;
  std::vector<std::string> given;  // model options that the user has set
  OnError on_error = OnError::kFail;
};

// Errors that say which file to give.
struct Failure {
  Error error;
  bool is_model = false;
};

class Evaluation {
 public:
  Evaluation(const Options& options, const evaluation::Protocol& protocol)
      : options_(options), model_(options.model), bar_(options.quiet), bad_(options.on_error, bar_) {
    report_.protocol = &protocol;
    choice_.protocol = &protocol;
    choice_.folder = options.data;
    choice_.split = options.split;
    choice_.first_stage = options.first_stage;
    choice_.queries = options.queries;
    choice_.bad = [this](Error error) { return bad_.meet(std::move(error)); };
  }

  // The first error; nothing where all went well or the user has interrupted.
  std::optional<Failure> run() {
    if (Status status = prepare(); !status.ok()) return Failure{input_error(status.error())};
    for (const std::string& dataset : datasets_) {
      // The first data set is read before the model is loaded: a wrong file should not cost the wait.
      Result<evaluation::ProtocolData> data = evaluation::read_protocol_data(choice_, dataset);
      if (!data.ok()) return Failure{input_error(data.error())};
      if (!engine_)
        if (Status status = load(); !status.ok()) return Failure{status.error(), true};
      if (Status status = evaluate(data.value()); !status.ok()) return Failure{status.error()};
      if (interrupted()) return std::nullopt;
    }
    const fs::path file = fs::path(options_.output) / fmt::format("{}.json", report_.protocol->name);
    if (Status status = io::replace_file(file, protocol_json(report_)); !status.ok()) return Failure{status.error()};
    return std::nullopt;
  }

  const ProtocolReport& report() const { return report_; }

 private:
  bool is_given(const char* option) const {
    return std::find(options_.given.begin(), options_.given.end(), option) != options_.given.end();
  }
  void deviate(std::string how) { report_.deviations.push_back(std::move(how)); }

  // What can be checked before anything is read or loaded.
  Status prepare() {
    const evaluation::Protocol& protocol = *report_.protocol;
    if (!protocol.prompt_names.empty() && options_.prompts.empty() && !options_.no_prompts)
      return Error{Error::Code::kBadInput, fmt::format("{} puts a prompt around every query", protocol.name),
                   "--prompts",
                   "give the authors' prompts as JSON (docs/protocols.md), or leave them out with --no-prompts"};
    if (protocol.prompt_names.empty() && !options_.prompts.empty())
      return Error{Error::Code::kBadInput, fmt::format("{} has no prompts", protocol.name), "--prompts",
                   "leave it out"};
    if (!options_.prompts.empty()) {
      RERANK_ASSIGN(io::LineReader lines, io::LineReader::open(options_.prompts));
      RERANK_ASSIGN(prompts_, evaluation::read_prompts(std::move(lines)));
      choice_.prompts = &prompts_;
      report_.prompted = true;
    }
    datasets_ = options_.datasets;
    if (datasets_.empty()) {
      RERANK_ASSIGN(datasets_, evaluation::find_datasets(choice_));
    }
    set_up_model();
    if (options_.no_prompts && !protocol.prompt_names.empty()) deviate("queries without prompts");
    if (options_.queries != 0) deviate(fmt::format("only the first {} queries of each data set", options_.queries));
    if (!options_.split.empty() && options_.split != protocol.split) deviate(fmt::format("split {}", options_.split));
    std::error_code failed;
    fs::create_directories(options_.output, failed);
    if (failed)
      return Error{Error::Code::kBadInput, failed.message(), options_.output, "name a folder for the rankings"};
    return {};
  }

  // The protocol's settings, where the user has set no others.
  void set_up_model() {
    const evaluation::Protocol& protocol = *report_.protocol;
    ScoreOptions& score = model_.score;
    const auto set = [this](const char* option, auto& target, auto value) {
      if (!is_given(option))
        target = value;
      else if (target != value)
        deviate(fmt::format("{} as given", option));
    };
    set("--max-length", score.max_length, protocol.max_length);
    set("--query-max-length", score.query_max_length, protocol.query_max_length);
    set("--top-logprobs", score.top_logprobs, protocol.top_logprobs);
    set("--readout", score.readout, protocol.readout);
    set("--verdict", score.verdict, protocol.verdict);
  }

  Status load() {
    RERANK_ASSIGN(Engine engine, load_engine(model_));
    engine_.emplace(std::move(engine));
    const ModelInfo& info = engine_->info();
    report_.info = info;
    report_.model = model_name(model_, info);
    ScoreOptions& score = model_.score;
    if (info.max_positions > 0 && score.max_length > info.max_positions && !is_given("--max-length")) {
      deviate(fmt::format("pairs of {} tokens, which is all that the model takes", info.max_positions));
      score.max_length = info.max_positions;
      if (score.query_max_length >= score.max_length) score.query_max_length = 0;
    }
    report_.settings = score;
    return {};
  }

  Status evaluate(evaluation::ProtocolData& data) {
    const evaluation::Protocol& protocol = *report_.protocol;
    FirstStage stage;
    stage.passages = std::move(data.passages);
    stage.pairs = data.pairs;
    for (evaluation::ProtocolQuery& query : data.queries)
      stage.queries.push_back({std::move(query.id), std::move(query.text), std::move(query.passage_ids)});

    std::string name = fmt::format("{}.{}.trec", protocol.name, data.dataset);
    std::replace(name.begin(), name.end(), '/', '-');
    const std::string output = (fs::path(options_.output) / name).string();
    const RerankTask task{model_,
                          stage,
                          output,
                          {{"run", data.files.first_stage},
                           {"corpus", data.files.corpus},
                           {"queries", data.files.queries},
                           {"qrels", data.files.qrels},
                           {"instructions", data.files.instructions},
                           {"prompts", options_.prompts}},
                          {{"protocol", std::string(protocol.name)}, {"split", data.split}},
                          options_.resume,
                          options_.allow_mixed};
    if (!options_.quiet)
      bar_.note(fmt::format("{}: {} queries, {} pairs", data.dataset, stage.queries.size(), data.pairs));
    const double begin = wall_seconds();
    RERANK_ASSIGN(EarlierRun earlier, find_earlier(task));
    catch_interrupts();
    RERANK_ASSIGN(const std::size_t done, rerank(task, *engine_, std::move(earlier), bar_, bad_));
    if (done < stage.queries.size()) return {};
    // From the file, so that a resumed evaluation is the same.
    RERANK_ASSIGN(const evaluation::Run reranked, evaluation::read_run(output));
    ProtocolDatasetReport dataset;
    dataset.row = {data.dataset, stage.queries.size(), data.pairs, {}, evaluation::measure(protocol, data, reranked)};
    const bool has_scores = std::any_of(
        data.first_stage.rankings.begin(), data.first_stage.rankings.end(), [](const evaluation::Ranking& ranking) {
          return std::any_of(ranking.passages.begin(), ranking.passages.end(),
                             [](const evaluation::ScoredPassage& passage) { return passage.score != 0; });
        });
    if (has_scores) dataset.row.first_stage = evaluation::measure(protocol, data, data.first_stage);
    dataset.split = data.split;
    dataset.output = output;
    dataset.first_stage = data.files.first_stage.string();
    dataset.judged = data.qrels.queries.size();
    dataset.dropped_identical = data.dropped_identical;
    dataset.dropped_excluded = data.dropped_excluded;
    dataset.seconds = wall_seconds() - begin;
    report_.datasets.push_back(std::move(dataset));
    return {};
  }

  const Options& options_;
  ModelOptions model_;
  ProgressBar bar_;
  BadRecords bad_;
  evaluation::ProtocolChoice choice_;
  evaluation::Texts prompts_;
  std::vector<std::string> datasets_;
  std::optional<Engine> engine_;
  ProtocolReport report_;
};

Exit run_protocol(const Options& options) {
  const Result<const evaluation::Protocol*> protocol = evaluation::find_protocol(options.protocol);
  if (!protocol.ok()) return fail(protocol.error());
  Evaluation evaluation(options, *protocol.value());
  if (const std::optional<Failure> failure = evaluation.run())
    return failure->is_model ? fail_to_load(failure->error) : fail(failure->error);
  if (interrupted()) {
    fmt::print(stderr, "rerank: interrupted, {} data sets are done; the same command with --resume goes on\n",
               evaluation.report().datasets.size());
    return Exit::kInterrupted;
  }
  return print_answer(options.json ? protocol_json(evaluation.report()) : protocol_text(evaluation.report()));
}

std::string list_of_protocols() {
  std::string text;
  for (const evaluation::Protocol& protocol : evaluation::protocols())
    text += fmt::format("  {:<24}{}\n", protocol.name, protocol.title);
  return text;
}

}  // namespace

void add_eval_protocol(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("eval-protocol", "Makes a published evaluation again, with any model");
  auto options = std::make_shared<Options>();
  command->add_option("protocol", options->protocol, "Which one, see below")->type_name("NAME")->required();
  command->add_option("--data", options->data, "A folder of data sets, each in a folder of its name, or one data set")
      ->type_name("DIR")
      ->required();
  command
      ->add_option("-o,--output", options->output,
                   "A folder for the new rankings, PROTOCOL.DATASET.trec, and for the report, PROTOCOL.json")
      ->type_name("DIR")
      ->required();
  command
      ->add_option("--datasets", options->datasets, "Only these, divided by commas [those of the protocol in --data]")
      ->delimiter(',')
      ->type_name("LIST");
  command
      ->add_option("--first-stage", options->first_stage,
                   "The rankings to rerank, below --data: such as {dataset}/run.bm25.txt [where the protocol has them]")
      ->type_name("PATTERN");
  command->add_option("--split", options->split, "Judgements to use [the protocol's]")->type_name("NAME");
  command->add_option("--queries", options->queries, "Only the first N of the protocol's queries [0: all]")
      ->type_name("N");
  CLI::Option* prompts =
      command->add_option("--prompts", options->prompts, "rank1-beir, bright: the prompts as JSON, {DATASET: TEXT}")
          ->type_name("FILE");
  command->add_flag("--no-prompts", options->no_prompts, "rank1-beir, bright: queries as they are")->excludes(prompts);
  command->add_flag("--resume", options->resume, "Go on with the rankings that --output holds");
  command->add_flag(
      "--allow-mixed", options->allow_mixed,
      "With --resume: go on although model, settings or data differ from those that a ranking was begun with");
  add_on_error(*command, options->on_error);
  command->add_flag("--json", options->json, "One JSON object with all measures");
  command->add_flag("-q,--quiet", options->quiet, "No progress bar");
  add_model_options(*command, options->model);
  command->footer(
      "Protocols:\n" + list_of_protocols() +
      "\nQueries, passages, their texts, lengths, scores and measures are the protocol's; model options that "
      "are given\ncount instead, and the report says so.\n\n"
      "Examples:\n"
      "  rerank eval-protocol lb-beir --data beir --output lb --model lightblue/lb-reranker-0.5B-v1.0\n"
      "  rerank eval-protocol lb-beir --data beir --output lb --datasets scifact --first-stage "
      "{dataset}/run.bm25.txt\n"
      "  rerank eval-protocol bright --data bright --prompts prompts.json --output out --json | jq .mean");
  command->callback([options, command, &program] {
    for (const char* name : {"--max-length", "--query-max-length", "--top-logprobs", "--readout", "--verdict"})
      if (command->count(name) > 0) options->given.emplace_back(name);
    program.run = [options] { return run_protocol(*options); };
  });
}

}  // namespace rerank::cli
