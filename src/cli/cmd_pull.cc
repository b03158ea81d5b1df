// rerank pull: fetches models from the Hugging Face hub into the local cache.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/locate_model.h"
#include "cli/output.h"

namespace rerank::cli {
namespace {

struct Options {
  std::vector<std::string> names;
  HubOptions hub;
  int retries = hub::Settings().retries;
  bool json = false, quiet = false;
};

std::string for_programs(const std::string& name, const HubOptions& options, const hub::Pulled& pulled) {
  const nlohmann::ordered_json json = {{"model", name},           {"revision", options.revision},
                                       {"commit", pulled.commit}, {"folder", pulled.folder.string()},
                                       {"files", pulled.files},   {"fetched", pulled.fetched},
                                       {"bytes", pulled.bytes}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Exit run_pull(const Options& options) {
  hub::Settings settings = hub::settings_from_environment();
  settings.offline = settings.offline || options.hub.offline;
  settings.retries = options.retries;
  for (const std::string& name : options.names) {
    const Result<hub::Pulled> pulled = fetch_model(settings, {name, options.hub.revision}, options.quiet);
    if (!pulled.ok()) return fail(pulled.error());
    const Exit printed = print_answer(options.json ? for_programs(name, options.hub, pulled.value())
                                                   : pulled.value().folder.string() + "\n");
    if (printed != Exit::kDone) return printed;
  }
  return Exit::kDone;
}

}  // namespace

void add_pull(CLI::App& app, Program& program) {
  CLI::App* command = app.add_subcommand("pull", "Fetches models from the Hugging Face hub");
  auto options = std::make_shared<Options>();
  command->add_option("NAME", options->names, "OWNER/NAME on the hub; several may be given")->required();
  add_hub_options(*command, options->hub, "Options");
  command
      ->add_option("--retries", options->retries,
                   "Times that a request is made anew, one after the other, when nothing comes [5]")
      ->check(CLI::Range(0, 100).description(""))
      ->type_name("N");
  command->add_flag("--json", options->json, "One JSON object a model");
  command->add_flag("-q,--quiet", options->quiet, "No progress bar and no notes");
  command->footer(
      "Fetches what a checkpoint needs: configuration, tokenizer, safetensors. What is in the cache already is not\n"
      "fetched again; what was cut goes on where it stopped; every file is held against its checksum. Prints the "
      "folder.\n"
      "The cache is huggingface_hub's: what one has fetched, the other finds.\n\n"
      "  HF_TOKEN           for private and gated models (else the token file of a login)\n"
      "  HF_HUB_CACHE       where models are kept (else HF_HOME/hub, else ~/.cache/huggingface/hub)\n"
      "  HF_ENDPOINT        another hub, such as a mirror\n"
      "  HF_HUB_OFFLINE=1   ask no network\n"
      "  HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE   the way there\n\n"
      "Exit codes: 0 done, 1 no such model, revision or file, 3 no access, no network, no space, a wrong checksum.\n\n"
      "Examples:\n"
      "  rerank pull BAAI/bge-reranker-v2-m3\n"
      "  rerank pull BAAI/bge-reranker-v2-m3 --revision 953dc6f6f85a1b2dbfca4c34a2796e7dde08d41e\n"
      "  HF_ENDPOINT=https://hub.example.org rerank pull our/reranker --json");
  command->callback([options, &program] { program.run = [options] { return run_pull(*options); }; });
}

}  // namespace rerank::cli
