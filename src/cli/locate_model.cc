#include "cli/locate_model.h"

#include <fmt/format.h>

#include <CLI/Validators.hpp>
#include <memory>

#include "base/process.h"
#include "base/try.h"
#include "cli/progress.h"
#include "hub/names.h"

namespace rerank::cli {
namespace {

namespace fs = std::filesystem;

// The name may have been meant as a path: say both.
Error not_here_either(Error error) {
  if (error.code == Error::Code::kNotFound) error.what = "is no folder here; " + error.what;
  return error;
}

}  // namespace

void add_hub_options(CLI::App& command, HubOptions& options, const std::string& group) {
  command
      .add_option("--revision", options.revision,
                  "Branch, tag or commit of a model that is named by its hub name [main]")
      ->type_name("REVISION")
      ->group(group);
  command
      .add_flag("--offline", options.offline,
                "Ask no network: a model that is not in the local Hugging Face cache is an error [HF_HUB_OFFLINE]")
      ->group(group);
}

bool is_hub_name(std::string_view name) {
  return hub::is_model_name(name);
}

Result<fs::path> locate_model(const std::string& model, const HubOptions& options) {
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) return fs::path(model);
  if (fs::exists(model, ignored))
    return Error{Error::Code::kUnsupported, "is a file, expected a model folder", model,
                 "name the folder that holds config.json, model.safetensors and tokenizer.json"};
  if (!is_hub_name(model))
    return Error{Error::Code::kNotFound, "no such folder", model,
                 "give a model folder, or a hub name such as BAAI/bge-reranker-v2-m3"};
  hub::Settings settings = hub::settings_from_environment();
  settings.offline = settings.offline || options.offline;
  const hub::ModelRevision wanted{model, options.revision};
  if (auto folder = hub::find_in_cache(settings.cache, wanted); folder.ok()) return folder;
  Result<hub::Pulled> pulled = fetch_model(settings, wanted, false);
  if (!pulled.ok()) return not_here_either(std::move(pulled.error()));
  return std::move(pulled).value().folder;
}

Result<hub::Pulled> fetch_model(const hub::Settings& settings, const hub::ModelRevision& model, bool quiet) {
  ProgressBar bar(quiet, "bytes");
  double began = 0;
  hub::PullHooks hooks;
  if (!quiet) hooks.on_note = [&](const std::string& text) { bar.note(text); };
  hooks.on_plan = [&](std::size_t files, std::uint64_t bytes) {
    began = wall_seconds();
    if (!quiet)
      bar.note(fmt::format("fetching {} from {}: {} file{}, {}, into {}", model.name, settings.endpoint, files,
                           files == 1 ? "" : "s", bytes_text(bytes), settings.cache.string()));
  };
  hooks.on_progress = [&](std::uint64_t done, std::uint64_t bytes) {
    bar.update(done, bytes == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(bytes));
  };
  RERANK_ASSIGN(hub::Pulled pulled, hub::pull(settings, model, hooks));
  bar.clear();
  if (began > 0 && !quiet)
    bar.note(fmt::format("fetched {} in {:.1f} s", bytes_text(pulled.bytes), wall_seconds() - began));
  return pulled;
}

}  // namespace rerank::cli
