// Finds a model that Hugging Face tools have already downloaded. Nothing here uses the network.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "rerank/error.h"

namespace rerank::cli {

// True for "OWNER/NAME" in the characters that the hub allows.
bool is_hub_name(std::string_view name);

// The folder of the local cache, by huggingface_hub's rules: HF_HUB_CACHE, else HF_HOME/hub, else
// XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub.
std::filesystem::path hub_cache_folder();

// The folder with the files of revision "main" of a downloaded model: CACHE/models--OWNER--NAME/snapshots/COMMIT, where
// refs/main holds COMMIT. kNotFound, with the command that downloads it, when it is not there.
Result<std::filesystem::path> find_in_hub_cache(std::string_view name);

// What --model names: a folder as it is, or else a hub name in the local cache.
Result<std::filesystem::path> locate_model(const std::string& model);

}  // namespace rerank::cli
