// rerank quantize: writes a smaller checkpoint, and how exact it is, layer by layer.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/locate_model.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "rerank/quantize.h"

namespace rerank::cli {
namespace {

struct Options {
  std::string model, out;
  HubOptions hub;
  QuantizeOptions quantize;
  bool json = false, quiet = false;
};

constexpr double kMebibyte = 1 << 20;

std::string for_people(const Options& options, const QuantizeReport& report) {
  std::size_t widest = 0, quantized = 0;
  for (const QuantizedLayer& layer : report.layers) {
    widest = std::max(widest, layer.name.size());
    quantized += layer.kept.empty();
  }
  std::string text = fmt::format("{:<{}}  {:>14}  error\n", "layer", widest, "shape");
  const auto add = [&](const QuantizedLayer& layer, const char* remark) {
    text += fmt::format("{:<{}}  {:>14}  ", layer.name, widest, fmt::format("[{}, {}]", layer.out, layer.in));
    text += layer.kept.empty() ? fmt::format("{:.3f} %{}\n", 100 * layer.error, remark)
                               : fmt::format("stays as it is: {}\n", layer.kept);
  };
  for (std::size_t i = 0; i < report.layers.size(); ++i) add(report.layers[i], i == report.worst ? "  the worst" : "");
  if (report.vocabulary) add(*report.vocabulary, "  the vocabulary, int8");
  const auto before = static_cast<double>(report.bytes_before), after = static_cast<double>(report.bytes_after);
  return text + fmt::format("\n{}: {}, {} of {} layers, {:.1f} MiB -> {:.1f} MiB ({:.0f} %), mean error {:.3f} %\n",
                            options.out, report.dtype, quantized, report.layers.size(), before / kMebibyte,
                            after / kMebibyte, 100 * after / before, 100 * report.mean_error);
}

nlohmann::ordered_json json_of(const QuantizedLayer& layer) {
  nlohmann::ordered_json json = {{"name", layer.name}, {"shape", {layer.out, layer.in}}};
  if (layer.kept.empty()) {
    json["error"] = layer.error;
  } else {
    json["kept"] = layer.kept;
  }
  return json;
}

std::string for_programs(const Options& options, const QuantizeReport& report) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const QuantizedLayer& layer : report.layers) layers.push_back(json_of(layer));
  const nlohmann::ordered_json json = {
      {"model", options.model},
      {"out", options.out},
      {"architecture", report.architecture},
      {"dtype", report.dtype},
      {"bytes_before", report.bytes_before},
      {"bytes_after", report.bytes_after},
      {"mean_error", report.mean_error},
      {"worst", report.layers[report.worst].name},
      {"layers", std::move(layers)},
      {"vocabulary", report.vocabulary ? json_of(*report.vocabulary) : nlohmann::ordered_json()}};
  // File names are opaque bytes: what is no UTF-8 becomes U+FFFD.
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

// What is wrong with the new folder or the disk is no fault of the model.
Exit refuse(const Error& error) {
  return error.code == Error::Code::kIo ? fail(error) : fail_to_load(error);
}

Exit run_quantize(Options options) {
  const Result<std::filesystem::path> folder = locate_model(options.model, options.hub);
  if (!folder.ok()) return fail_to_load(folder.error());
  catch_interrupts();
  ProgressBar bar(options.quiet, "layers");
  options.quantize.progress = [&](double fraction, std::size_t layers_done) {
    bar.update(layers_done, fraction);
    return !interrupted();
  };
  const Result<QuantizeReport> report = quantize(folder.value(), options.out, options.quantize);
  bar.clear();
  if (!report.ok()) {
    const Exit exit = refuse(report.error());
    return interrupted() ? Exit::kInterrupted : exit;
  }
  return print_answer(options.json ? for_programs(options, report.value()) : for_people(options, report.value()));
}

}  // namespace

void add_quantize(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("quantize", "Writes a smaller checkpoint: linear layers of 8 or 4 bits");
  auto options = std::make_shared<Options>();
  command->add_option("MODEL", options->model, "A model folder, or a hub name")->required();
  command->add_option("OUT", options->out, "The folder to write; it must not exist, or be empty")->required();
  command->add_option("--dtype", options->quantize.dtype, "int8, or int4: AWQ's format, which other programs load too")
      ->required()
      ->check(CLI::IsMember({"int8", "int4"}));
  command
      ->add_option("--vocabulary", options->quantize.vocabulary,
                   "What becomes of the product with the vocabulary: int8, or keep it as it is [int8 where scores or "
                   "tokens come from all of it]")
      ->check(CLI::IsMember({"int8", "keep"}));
  command->add_option("--threads", options->quantize.threads, "Threads [0: one for each CPU]")
      ->check(CLI::Range(0, 1024));
  add_hub_options(*command, options->hub, "Model options");
  command->add_flag("--json", options->json, "The report as one JSON object");
  command->add_flag("-q,--quiet", options->quiet, "No progress bar");
  command->footer(
      "The error of a layer is the root mean square of what its weights are off by, over that of its weights.\n"
      "Embeddings, norms and other heads stay as they are. OUT appears when it is complete.\n\n"
      "Examples:\n"
      "  rerank quantize jhu-clsp/rank1-7b rank1-7b-int4 --dtype int4\n"
      "  rerank quantize jhu-clsp/rank1-7b for-others-too --dtype int4 --vocabulary keep\n"
      "  rerank quantize BAAI/bge-reranker-v2-gemma gemma-int8 --dtype int8\n"
      "  rerank quantize ./my-reranker smaller --dtype int8 --json | jq .mean_error");
  command->callback([options, &program] { program.run = [options] { return run_quantize(*options); }; });
}

}  // namespace rerank::cli
