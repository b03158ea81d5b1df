// Which files of a repository a checkpoint needs: one form of the weights, and no pictures.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hub/repository.h"
#include "rerank/error.h"

namespace rerank::hub {

inline constexpr std::string_view kConfig = "config.json";
inline constexpr std::string_view kTokenizer = "tokenizer.json";
inline constexpr std::string_view kWeights = "model.safetensors";
inline constexpr std::string_view kIndex = "model.safetensors.index.json";
inline constexpr std::string_view kAdapterConfig = "adapter_config.json";
inline constexpr std::string_view kAdapterWeights = "adapter_model.safetensors";

// The names of files to fetch first. Where the weights are in shards, kIndex is among them, and its shards
// (shards_of()) are to be fetched too. A repository without a model, but with a PEFT adapter, gives the adapter.
// kUnsupported where there are only weights in other formats, kNotFound where there are none; `where` names the
// repository in errors.
Result<std::vector<std::string>> wanted_files(const Repository& repository, const std::string& where);

// The shards that an index names, each once, sorted. kCorrupt for a name that is no plain file name; `where` names the
// index in errors.
Result<std::vector<std::string>> shards_of(std::string_view index_json, const std::string& where);

}  // namespace rerank::hub
