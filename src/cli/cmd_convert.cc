// rerank convert: rankings, judgements, queries and passages from one file form into another.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/try.h"
#include "cli/bad_records.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "evaluation/dataset.h"
#include "evaluation/forms.h"
#include "evaluation/trec.h"
#include "io/packed_output.h"

namespace rerank::cli {
namespace {

using evaluation::Form;
using evaluation::TextReader;

struct Options {
  std::string run, qrels, topics, corpus, output, to;
  OnError on_error = OnError::kFail;
};

class Conversion {
 public:
  explicit Conversion(const Options& options) : options_(options), bar_(true), bad_(options.on_error, bar_) {}

  Status run() {
    RERANK_TRY(check());
    const evaluation::BadLine meet = [this](Error error) { return bad_.meet(std::move(error)); };
    if (!options_.run.empty()) {
      RERANK_ASSIGN(const evaluation::Run run, as_input(evaluation::read_run(options_.run, meet)));
      evaluation::RunTexts texts;
      if (!options_.topics.empty() || !options_.corpus.empty()) {
        RERANK_ASSIGN(texts, read_texts(run, meet));
      }
      RERANK_TRY(open());
      const std::string name = std::filesystem::path(options_.run).stem().string();
      RERANK_TRY(evaluation::write_run(run, form_, name, texts, take()));
    } else if (!options_.qrels.empty()) {
      RERANK_ASSIGN(const evaluation::Qrels qrels, as_input(evaluation::read_qrels(options_.qrels, meet)));
      RERANK_TRY(open());
      RERANK_TRY(evaluation::write_qrels(qrels, form_, take()));
    } else {
      RERANK_TRY(convert_texts(meet));
    }
    bad_.summarize("line");
    return output_->close();
  }

 private:
  Status check() {
    const bool is_run = !options_.run.empty();
    const auto given = [](const std::string& file) { return file.empty() ? 0 : 1; };
    if (is_run ? !options_.qrels.empty() : given(options_.qrels) + given(options_.topics) + given(options_.corpus) != 1)
      return Error{Error::Code::kBadInput, "needs one of --run, --qrels, --topics and --corpus", "",
                   "--topics and --corpus beside --run give the texts for --to rank_llm"};
    const auto forms = is_run                    ? evaluation::run_forms()
                       : !options_.qrels.empty() ? evaluation::qrels_forms()
                                                 : evaluation::text_forms(kind());
    const std::optional<Form> form = evaluation::parse_form(options_.to);
    if (!form || std::find(forms.begin(), forms.end(), options_.to) == forms.end())
      return Error{Error::Code::kBadInput, fmt::format("\"{}\" is no form of these", options_.to), "--to",
                   fmt::format("there are {}", fmt::join(forms, ", "))};
    form_ = *form;
    return {};
  }

  TextReader::Kind kind() const {
    return options_.topics.empty() ? TextReader::Kind::kPassages : TextReader::Kind::kQueries;
  }

  Status open() {
    RERANK_ASSIGN(io::OutputFile file,
                  open_output(options_.output, {options_.run, options_.qrels, options_.topics, options_.corpus}));
    output_.emplace(std::move(file), io::packing_of(options_.output));
    return {};
  }

  evaluation::TakeText take() {
    return [this](std::string_view text) { return output_->write(text); };
  }

  Result<evaluation::RunTexts> read_texts(const evaluation::Run& run, const evaluation::BadLine& meet) {
    evaluation::RunTexts texts;
    if (!options_.topics.empty()) {
      RERANK_ASSIGN(const auto queries, as_input(evaluation::read_queries(options_.topics, meet)));
      for (const evaluation::Query& query : queries) texts.queries.emplace(query.id, query.text);
    }
    if (!options_.corpus.empty()) {
      std::unordered_set<std::string> wanted;
      for (const evaluation::Ranking& ranking : run.rankings)
        for (const evaluation::ScoredPassage& passage : ranking.passages) wanted.insert(passage.passage_id);
      RERANK_ASSIGN(texts.passages, as_input(evaluation::read_passages(options_.corpus, wanted, meet)));
    }
    return texts;
  }

  // One in memory at a time, whatever the size of the file.
  Status convert_texts(const evaluation::BadLine& meet) {
    const std::string& file = options_.topics.empty() ? options_.corpus : options_.topics;
    RERANK_ASSIGN(TextReader reader, as_input(TextReader::open(file, kind())));
    RERANK_TRY(open());
    evaluation::TextWriter writer(form_, kind(), take());
    RERANK_TRY(writer.begin());
    return evaluation::for_each_passage(
        std::move(reader),
        [&](const evaluation::TextRecord& record) -> Status {
          Status status = writer.write(record);
          if (status.ok() || status.error().code != Error::Code::kBadInput) return status;
          return meet(std::move(status.error()));
        },
        meet);
  }

  const Options& options_;
  ProgressBar bar_;
  BadRecords bad_;
  Form form_ = Form::kTrec;
  std::optional<io::PackedOutput> output_;
};

}  // namespace

void add_convert(CLI::App& app, Program& program) {
  CLI::App* command =
      app.add_subcommand("convert", "Writes rankings, judgements, queries or passages in another file form");
  auto options = std::make_shared<Options>();
  command->add_option("--run", options->run, "A ranking, in any form that run and eval read")->type_name("FILE");
  command->add_option("--qrels", options->qrels, "Judgements")->type_name("FILE");
  command->add_option("--topics", options->topics, "Queries")->type_name("FILE");
  command->add_option("--corpus", options->corpus, "Passages, or a folder of texts")->type_name("FILE|DIR");
  command->add_option("--to", options->to, "The form to write, see below")->type_name("FORM")->required();
  command
      ->add_option("-o,--output", options->output,
                   "The new file, packed where its name ends in .gz or .zst; - for stdout")
      ->type_name("FILE|-")
      ->required();
  add_on_error(*command, options->on_error);
  command->footer(
      fmt::format("Forms:\n"
                  "  --run      {}\n  --qrels    {}\n  --topics   {}\n  --corpus   {}\n"
                  "beir and flagembedding are the files of these folders: JSONL for texts, TSV or JSONL for "
                  "judgements. rank_llm has\n"
                  "the texts that --topics and --corpus give. What a form cannot hold is an error.\n\n"
                  "Examples:\n"
                  "  rerank convert --run bm25.trec --to json --output bm25.json\n"
                  "  rerank convert --run bm25.trec --topics queries.jsonl --corpus corpus.jsonl --to rank_llm "
                  "--output requests.jsonl\n"
                  "  rerank convert --corpus collection.tsv.gz --to beir --output corpus.jsonl.zst\n"
                  "  rerank convert --qrels qrels.txt --to beir --output qrels/test.tsv",
                  fmt::join(evaluation::run_forms(), " "), fmt::join(evaluation::qrels_forms(), " "),
                  fmt::join(evaluation::text_forms(TextReader::Kind::kQueries), " "),
                  fmt::join(evaluation::text_forms(TextReader::Kind::kPassages), " ")));
  command->callback([options, &program] {
    program.run = [options] {
      Conversion conversion(*options);
      const Status status = conversion.run();
      return status.ok() ? Exit::kDone : fail(status.error());
    };
  });
}

}  // namespace rerank::cli
