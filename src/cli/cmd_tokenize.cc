// rerank tokenize: the token ids that a model's tokenizer gives. No weights are read.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <string>

#include "base/try.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/model_options.h"
#include "io/output.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string input;
  bool no_special = false;
};

constexpr const char* kForm = "{\"id\": STRING or NUMBER, \"text\": TEXT[, \"text_pair\": TEXT]}";

Result<std::string> tokenize(const ModelTokenizer& tokenizer, const io::Json& record, const Options& options) {
  RERANK_ASSIGN(const std::string id, read_id(record));
  RERANK_ASSIGN(const std::string_view first, record.string_at("text"));
  std::optional<std::string_view> second;
  if (const auto text_pair = record.find("text_pair")) {
    RERANK_ASSIGN(second, text_pair->string());
  }
  Result<TokenIds> tokens =
      tokenizer.encode(first, second, !options.no_special, options.model.score.special_tokens_in_text);
  if (!tokens.ok()) {
    tokens.error().where = record.where();
    return std::move(tokens.error());
  }
  return fmt::format("{{\"id\":{},\"ids\":[{}],\"type_ids\":[{}]}}\n", id, fmt::join(tokens.value().ids, ","),
                     fmt::join(tokens.value().type_ids, ","));
}

Status tokenize_all(const Options& options, const ModelTokenizer& tokenizer, io::JsonlReader& input,
                    io::OutputFile& output) {
  while (true) {
    const Result<std::optional<io::JsonlObject>> record = input.next();
    if (!record.ok()) return expecting(kForm, record.error());
    if (!record.value()) return {};
    Result<std::string> line = tokenize(tokenizer, record.value()->json, options);
    if (!line.ok()) return expecting(kForm, std::move(line.error()));
    RERANK_TRY(output.write(line.value()));
  }
}

Exit run_tokenize(const Options& options) {
  Result<io::JsonlReader> input = open_jsonl(options.input);
  if (!input.ok()) return fail(input.error());
  const Result<ModelTokenizer> tokenizer = load_tokenizer(options.model);
  if (!tokenizer.ok()) return fail_to_load(tokenizer.error());
  Result<io::OutputFile> output = io::OutputFile::open("-");
  if (!output.ok()) return fail(output.error());
  const Status status = tokenize_all(options, tokenizer.value(), input.value(), output.value());
  const Status closed = output.value().close();
  if (!status.ok()) return fail(status.error());
  return closed.ok() ? Exit::kDone : fail(closed.error());
}

}  // namespace

void add_tokenize(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("tokenize", "Turns texts into the token ids of a model, untruncated");
  auto options = std::make_shared<Options>();
  command
      ->add_option("-i,--input", options->input,
                   "Texts: JSONL {\"id\",\"text\"[,\"text_pair\"]}, id a string or a number; - for stdin")
      ->type_name("FILE|-")
      ->required();
  command->add_flag("--no-special", options->no_special, "Without the special tokens of the model's template");
  add_model_options(*command, options->model);
  command->footer(
      "Only --model and --no-special-in-text matter of the model options: nothing is cut, and no weights are read.\n"
      "Output: one JSON line a text, {\"id\",\"ids\",\"type_ids\"}.\n\n"
      "Examples:\n"
      "  echo '{\"id\":1,\"text\":\"a panda\"}' | rerank tokenize --input -\n"
      "  rerank tokenize --model ./bge-reranker-base --input texts.jsonl --no-special | jq '.ids | length'");
  command->callback([options, &program] { program.run = [options] { return run_tokenize(*options); }; });
}

}  // namespace rerank::cli
