// rerank rank: the passages of a file by their relevance to one query.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/try.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/passages.h"
#include "cli/progress.h"
#include "cli/progressive.h"
#include "cli/terminal.h"
#include "io/json_text.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string query, passages;
  std::size_t top_n = 0;
  bool json = false, show_reasoning = false, progressive = false;
  ProgressiveOptions progressive_options;
};

struct Ranking {
  std::vector<PassageRecord> passages;
  std::vector<RankedPassage> order;
};

Status check_query(const std::string& query) {
  if (const std::size_t bad = first_invalid_utf8(query); bad != std::string::npos)
    return Error{Error::Code::kBadInput, fmt::format("is not UTF-8 at byte {}", bad), "--query",
                 "give the query in UTF-8"};
  if (query.find_first_not_of(" \t\r\n") == std::string::npos)
    return Error{Error::Code::kBadInput, "is empty", "--query", "say what the passages should be about"};
  return {};
}

Result<std::vector<RankedPassage>> rank_progressively(const Options& options, const Engine& engine,
                                                      std::span<const std::string_view> texts) {
  RERANK_ASSIGN(ProgressiveRanking found, engine.rank_progressively(options.query, texts, options.top_n,
                                                                    options.model.score, options.progressive_options));
  fmt::print(stderr, "rerank: {}\n", work_saved(found, texts.size()));
  return std::move(found.ranking);
}

Result<Ranking> rank_passages(const Options& options, const Engine& engine, std::vector<PassageRecord> passages) {
  std::vector<std::string_view> texts;
  texts.reserve(passages.size());
  for (const PassageRecord& passage : passages) texts.push_back(passage.text);
  if (options.progressive) {
    RERANK_ASSIGN(std::vector<RankedPassage> order, rank_progressively(options, engine, texts));
    return Ranking{std::move(passages), std::move(order)};
  }
  // Only reasoning takes so long that somebody has to see it go on.
  ProgressBar bar(false);
  ScoreOptions score_options = options.model.score;
  std::size_t done = 0;
  score_options.on_score = [&](std::size_t, const Result<Score>&) {
    ++done;
    return true;
  };
  score_options.on_tokens = [&](std::uint64_t new_tokens) {
    bar.update(done, static_cast<double>(done) / static_cast<double>(texts.size()), new_tokens);
    return true;
  };
  RERANK_ASSIGN(std::vector<RankedPassage> order, engine.rank(options.query, texts, options.top_n, score_options));
  return Ranking{std::move(passages), std::move(order)};
}

std::string for_programs(const Ranking& ranking, bool float32, bool reasoning) {
  std::string text;
  for (std::size_t rank = 0; rank < ranking.order.size(); ++rank) {
    const auto& [index, score] = ranking.order[rank];
    const PassageRecord& passage = ranking.passages[index];
    text += fmt::format("{{\"rank\":{},\"index\":{},", rank + 1, index);
    if (!passage.id.empty()) text += fmt::format("\"id\":{},", passage.id);
    text += fmt::format("\"score\":{},{}\"text\":{}}}\n", io::json_number(score.value, float32),
                        reasoning ? reasoning_members(score) + "," : "", io::json_string(passage.text));
  }
  return text;
}

// What names a passage to people: its id without quotes, or its line.
std::string label(const PassageRecord& passage) {
  constexpr std::size_t kWidestLabel = 24;
  if (passage.id.empty()) return fmt::format("line {}", passage.line);
  const bool quoted = passage.id.front() == '"';
  return excerpt(quoted ? passage.id.substr(1, passage.id.size() - 2) : passage.id, kWidestLabel);
}

// The reasoning below its passage, as indented lines.
std::string reasoning_for_people(const Score& score, std::size_t columns, bool colour) {
  constexpr std::size_t kIndent = 4, kFewestColumns = 20;
  const std::string shown = score.reasoning + (score.finished ? "" : " [cut]");
  std::string text;
  for (const std::string& line : wrap(shown, std::max(kFewestColumns, columns > kIndent ? columns - kIndent : 0)))
    text +=
        fmt::format("{}{}{}{}\n", std::string(kIndent, ' '), colour ? "\x1b[2m" : "", line, colour ? "\x1b[0m" : "");
  return text;
}

std::string for_people(const Ranking& ranking, std::size_t columns, bool colour, bool show_reasoning) {
  std::size_t label_width = 0;
  for (const RankedPassage& ranked : ranking.order)
    label_width = std::max(label_width, display_width(label(ranking.passages[ranked.index])));
  const std::size_t rank_width = fmt::format("{}", ranking.order.size()).size();
  constexpr std::size_t kScoreWidth = 9, kFewestTextColumns = 20;
  const std::size_t before_text = rank_width + 2 + kScoreWidth + 2 + label_width + 2;
  const std::size_t text_columns = std::max(kFewestTextColumns, columns > before_text ? columns - before_text : 0);
  const char *bold = colour ? "\x1b[1m" : "", *faint = colour ? "\x1b[2m" : "", *plain = colour ? "\x1b[0m" : "";

  std::string text;
  for (std::size_t rank = 0; rank < ranking.order.size(); ++rank) {
    const auto& [index, score] = ranking.order[rank];
    const PassageRecord& passage = ranking.passages[index];
    const std::string name = label(passage);
    text += fmt::format("{:>{}}  {}{:>{}.4f}{}  {}{}{}{}  {}\n", rank + 1, rank_width, bold, score.value, kScoreWidth,
                        plain, faint, name, std::string(label_width - display_width(name), ' '), plain,
                        excerpt(passage.text, text_columns));
    if (show_reasoning) text += reasoning_for_people(score, columns, colour);
  }
  return text;
}

Exit run_rank(const Options& options) {
  if (const Status query = check_query(options.query); !query.ok()) return fail(query.error());
  if (options.progressive && options.top_n == 0)
    return fail({Error::Code::kBadInput, "finds the best few", "--progressive", "say with --top-n how many"});
  Result<std::vector<PassageRecord>> passages = read_passages(options.passages);
  if (!passages.ok()) return fail(passages.error());
  const Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return fail_to_load(engine.error());
  const bool reasoning = writes_reasoning(engine.value().info());
  if (options.show_reasoning && !reasoning)
    return fail({Error::Code::kBadInput, fmt::format("{} models write none", engine.value().info().method),
                 "--show-reasoning", "leave it out, or use a model such as rank1"});
  const Result<Ranking> ranking = rank_passages(options, engine.value(), std::move(passages).value());
  if (!ranking.ok()) return fail(ranking.error());
  return print_answer(
      options.json ? for_programs(ranking.value(), scores_are_float32(options.model, engine.value().info()), reasoning)
                   : for_people(ranking.value(), terminal_columns(STDOUT_FILENO), colour_allowed(STDOUT_FILENO),
                                options.show_reasoning));
}

}  // namespace

void add_rank(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("rank", "Ranks passages by their relevance to a query");
  auto options = std::make_shared<Options>();
  command->add_option("--query", options->query, "What to look for")->type_name("TEXT")->required();
  command
      ->add_option("--passages", options->passages,
                   "A passage a line, or JSONL {\"id\"?,\"text\"}; - for stdin; blank lines are left out")
      ->type_name("FILE|-")
      ->required();
  command->add_option("-n,--top-n", options->top_n, "Only the best N [0: all]")->type_name("N");
  command->add_flag(
      "--json", options->json,
      "One JSON line a passage: {\"rank\",\"index\",\"id\"?,\"score\",\"text\"}; rank counts from 1, index "
      "is the passage's place in the file, from 0");
  command->add_flag("--show-reasoning", options->show_reasoning,
                    "Below each passage, what a model that reasons wrote about it; --json always has it");
  add_progressive_options(*command, options->progressive_options,
                          command->add_flag("--progressive", options->progressive,
                                            "layerwise, lightweight: score all at an early layer, and carry on only "
                                            "what may still be among the --top-n; says what that saved"));
  add_model_options(*command, options->model);
  command->footer(
      "Examples:\n"
      "  rerank rank --query \"what is a panda?\" --passages passages.txt --top-n 3\n"
      "  grep -h . notes/*.txt | rerank rank --query \"when is the review?\" --passages -\n"
      "  rerank rank --model BAAI/bge-reranker-v2-m3 --query \"什么是熊猫?\" --passages p.jsonl --json");
  command->callback([options, &program] { program.run = [options] { return run_rank(*options); }; });
}

}  // namespace rerank::cli
