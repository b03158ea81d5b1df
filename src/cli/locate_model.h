// What --model names: a folder, or a model of the Hugging Face hub, which is fetched when it is not in the local cache.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <string>
#include <string_view>

#include "hub/pull.h"
#include "hub/settings.h"
#include "rerank/error.h"

namespace rerank::cli {

// The options of every command that takes a model's name.
struct HubOptions {
  std::string revision = "main";  // a branch, a tag or a commit
  bool offline = false;           // the network is not asked, as with HF_HUB_OFFLINE
};

// Adds --revision and --offline under the heading `group`. `options` must outlive the parser.
void add_hub_options(CLI::App& command, HubOptions& options, const std::string& group);

// True for "OWNER/NAME" in the characters that the hub allows.
bool is_hub_name(std::string_view name);

// A folder as it is, or else a hub name: its folder in the cache, whole. What is missing there is fetched, said on
// stderr, unless the options or the environment forbid to ask the network: then kNotFound says how to fetch it.
Result<std::filesystem::path> locate_model(const std::string& model, const HubOptions& options = {});

// Fetches a model with a progress bar on stderr, and says what is fetched and from where.
Result<hub::Pulled> fetch_model(const hub::Settings& settings, const hub::ModelRevision& model, bool quiet);

}  // namespace rerank::cli
