// rerank models: the published checkpoints that run here, and which of them fit this machine.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/memory.h"
#include "cli/catalogue.h"
#include "cli/command.h"
#include "cli/locate_model.h"
#include "cli/output.h"

namespace rerank::cli {
namespace {

struct Options {
  bool json = false;
};

struct NamedPrecision {
  const char* name;
  Precision precision;
};
// The most exact first.
constexpr std::array<NamedPrecision, 4> kPrecisions = {
    {{"f32", Precision::kF32}, {"bf16", Precision::kBf16}, {"int8", Precision::kInt8}, {"int4", Precision::kInt4}}};

constexpr double kGigabyte = 1e9;
// What the system and other programs keep.
constexpr double kShareForUs = 0.9;

double gigabytes(std::uint64_t bytes) {
  return static_cast<double>(bytes) / kGigabyte;
}

// What the weights can be held as: integers stay integers.
std::vector<NamedPrecision> precisions_of(const CatalogueEntry& entry) {
  std::vector<NamedPrecision> list;
  for (const NamedPrecision& choice : kPrecisions)
    if (entry.stored != Precision::kInt4 || choice.precision == Precision::kInt4) list.push_back(choice);
  return list;
}

bool fits(const CatalogueEntry& entry, Precision precision, std::uint64_t memory) {
  return static_cast<double>(memory_bytes(entry, precision)) <= kShareForUs * static_cast<double>(memory);
}

// The most exact precision that fits, or "no".
const char* best_fit(const CatalogueEntry& entry, std::uint64_t memory) {
  for (const auto& [name, precision] : precisions_of(entry))
    if (fits(entry, precision, memory)) return name;
  return "no";
}

bool in_cache(const CatalogueEntry& entry) {
  return hub::find_in_cache(hub::cache_folder(), {std::string(entry.name), "main"}).ok();
}

std::string for_people(std::uint64_t memory) {
  std::size_t widest = 0;
  for (const CatalogueEntry& entry : catalogue()) widest = std::max(widest, entry.name.size());
  std::string text =
      fmt::format("{:<{}}  {:<13}  {:>7}  {:>6}  {:>6}  {:>6}  {:>6}  {:<5}  {:<6}  {:<16}  {}\n", "model", widest,
                  "method", "size GB", "f32", "bf16", "int8", "int4", "fits", "cached", "languages", "licence");
  for (const CatalogueEntry& entry : catalogue()) {
    text += fmt::format("{:<{}}  {:<13}  {:>7.2f}", entry.name, widest, entry.method, gigabytes(download_bytes(entry)));
    for (const NamedPrecision& choice : kPrecisions) {
      const bool possible = choice.precision == Precision::kInt4 || entry.stored != Precision::kInt4;
      text += possible ? fmt::format("  {:>6.1f}", gigabytes(memory_bytes(entry, choice.precision)))
                       : fmt::format("  {:>6}", "-");
    }
    text += fmt::format("  {:<5}  {:<6}  {:<16}  {}\n", best_fit(entry, memory), in_cache(entry) ? "yes" : "no",
                        entry.languages, entry.licence);
  }
  return text + fmt::format(
                    "\nf32 to int4: GB of memory that scoring takes, computed from the shapes; int8 and int4 by "
                    "`rerank quantize`, or published so (awq).\nfits: the most exact of them in {:.1f} GB, which this "
                    "machine has. Fetch one with: rerank pull NAME\n",
                    gigabytes(memory));
}

std::string for_programs(std::uint64_t memory) {
  std::string text;
  for (const CatalogueEntry& entry : catalogue()) {
    nlohmann::ordered_json needed = nlohmann::ordered_json::object(), fitting = nlohmann::ordered_json::array();
    for (const auto& [name, precision] : precisions_of(entry)) {
      needed[name] = memory_bytes(entry, precision);
      if (fits(entry, precision, memory)) fitting.push_back(name);
    }
    const nlohmann::ordered_json json = {{"model", entry.name},
                                         {"method", entry.method},
                                         {"parameters", entry.parameters},
                                         {"download_bytes", download_bytes(entry)},
                                         {"memory_bytes", needed},
                                         {"fits", fitting},
                                         {"cached", in_cache(entry)},
                                         {"languages", entry.languages},
                                         {"licence", entry.licence}};
    text += json.dump() + "\n";
  }
  return text;
}

}  // namespace

void add_models(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("models", "Lists published models that run here, and what fits this machine");
  auto options = std::make_shared<Options>();
  command->add_flag("--json", options->json, "One JSON object a model, sizes in bytes");
  command->footer(
      "Sizes and memory are computed from the models' shapes, not asked from the hub. Other models of the same\n"
      "architectures run too: docs/models.md.\n\n"
      "Examples:\n"
      "  rerank models\n"
      "  rerank models --json | jq -r 'select(.fits | length > 0) | .model'");
  command->callback([options, &program] {
    program.run = [options] {
      const std::uint64_t memory = usable_memory();
      return print_answer(options->json ? for_programs(memory) : for_people(memory));
    };
  });
}

}  // namespace rerank::cli
