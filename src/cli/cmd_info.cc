// rerank info: what the model is and how it would run here.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/output.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;
  bool json = false;
};

constexpr double kMebibyte = 1 << 20;

std::string stored_as(const ModelInfo& info) {
  std::string text;
  if (!info.quantization.empty())
    text = fmt::format(", linear layers as integers of {} bits ({})", info.quantization == "awq" ? 4 : 8,
                       info.quantization);
  if (!info.vocabulary_quantization.empty())
    text += fmt::format(", the vocabulary's product of 8 ({})", info.vocabulary_quantization);
  return text;
}

std::string for_people(const ModelInfo& info) {
  std::string text;
  const auto row = [&](const char* name, const std::string& value) { text += fmt::format("{:<14}{}\n", name, value); };
  row("model", info.name);
  row("architecture", info.architecture);
  row("method", fmt::format("{} ({})", info.method, info.method_reason));
  row("dtype", info.dtype);
  row("CPU level", info.cpu_level);
  row("threads", fmt::format("{}", info.threads));
  row("layers", info.loaded_layers == info.layers
                    ? fmt::format("{}", info.layers)
                    : fmt::format("{}, of which {} are loaded", info.layers, info.loaded_layers));
  if (!info.cutoff_layers.empty()) row("cutoff layers", fmt::format("{}", fmt::join(info.cutoff_layers, ",")));
  const std::string kv_heads = info.kv_heads == info.heads ? "" : fmt::format(" (keys and values {})", info.kv_heads);
  row("sizes", fmt::format("hidden {}, heads {}{}, ffn {}", info.hidden, info.heads, kv_heads, info.ffn));
  row("vocabulary", fmt::format("{} tokens", info.vocabulary));
  row("longest pair", fmt::format("{} tokens", info.max_positions));
  row("parameters", fmt::format("{:.1f} million", static_cast<double>(info.parameters) / 1e6));
  row("checkpoint",
      fmt::format("{:.1f} MiB{}", static_cast<double>(info.checkpoint_bytes) / kMebibyte, stored_as(info)));
  row("in memory", fmt::format("{:.1f} MiB", static_cast<double>(info.packed_bytes) / kMebibyte));
  if (!info.weight_cache.empty()) row("weight cache", info.weight_cache);
  return text;
}

std::string for_programs(const ModelInfo& info) {
  const nlohmann::ordered_json json = {{"name", info.name},
                                       {"architecture", info.architecture},
                                       {"method", info.method},
                                       {"method_reason", info.method_reason},
                                       {"dtype", info.dtype},
                                       {"cpu_level", info.cpu_level},
                                       {"threads", info.threads},
                                       {"layers", info.layers},
                                       {"loaded_layers", info.loaded_layers},
                                       {"cutoff_layers", info.cutoff_layers},
                                       {"hidden", info.hidden},
                                       {"heads", info.heads},
                                       {"kv_heads", info.kv_heads},
                                       {"ffn", info.ffn},
                                       {"vocabulary", info.vocabulary},
                                       {"max_positions", info.max_positions},
                                       {"parameters", info.parameters},
                                       {"quantization", info.quantization},
                                       {"vocabulary_quantization", info.vocabulary_quantization},
                                       {"checkpoint_bytes", info.checkpoint_bytes},
                                       {"packed_bytes", info.packed_bytes},
                                       {"weight_cache", info.weight_cache}};
  return json.dump() + "\n";
}

Exit run_info(const Options& options) {
  const Result<Engine> engine = load_engine(options.model);
  if (!engine.ok()) return fail_to_load(engine.error());
  ModelInfo info = engine.value().info();
  info.name = model_name(options.model, info);
  return print_answer(options.json ? for_programs(info) : for_people(info));
}

}  // namespace

void add_info(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("info", "Shows what a model is and how it would run on this machine");
  auto options = std::make_shared<Options>();
  command->add_flag("--json", options->json, "One JSON object");
  add_model_options(*command, options->model);
  command->footer(
      "Examples:\n"
      "  rerank info\n"
      "  rerank info --model BAAI/bge-reranker-v2-m3 --dtype bf16\n"
      "  rerank info --model ./my-reranker --json | jq .max_positions");
  command->callback([options, &program] { program.run = [options] { return run_info(*options); }; });
}

}  // namespace rerank::cli
