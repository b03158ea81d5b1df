#include "hub/wanted_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/try.h"
#include "hub/names.h"
#include "io/json.h"

namespace rerank::hub {
namespace {

// What the engine reads where it is there, and what tells other programs how the tokenizer was meant.
constexpr std::array<std::string_view, 6> kBeside = {
    kTokenizer,          "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "chat_template.jinja",   "generation_config.json"};

bool has(const Repository& repository, std::string_view name) {
  return find(repository, name) != nullptr;
}

// The first file whose name ends so.
std::string first_ending(const Repository& repository, std::string_view ending) {
  for (const RemoteFile& file : repository.files)
    if (file.name.ends_with(ending)) return file.name;
  return {};
}

Error no_weights(const Repository& repository, const std::string& where) {
  if (const std::string pickled = first_ending(repository, ".bin"); !pickled.empty())
    return {Error::Code::kUnsupported,
            fmt::format("has {} but no safetensors; pickled weights can run code when they are read", pickled), where,
            "convert it on a machine where you trust it: docs/models.md has the commands"};
  for (const std::string_view other : {".gguf", ".onnx", ".h5", ".msgpack"})
    if (const std::string file = first_ending(repository, other); !file.empty())
      return {Error::Code::kUnsupported, fmt::format("has {}, but no model.safetensors", file), where,
              "look for the repository that it was converted from"};
  if (const std::string file = first_ending(repository, ".safetensors"); !file.empty())
    return {Error::Code::kUnsupported, fmt::format("has {}, but neither {} nor {}", file, kWeights, kIndex), where,
            "download it by hand, and rename the file to model.safetensors"};
  return {Error::Code::kNotFound, "has no weights", where, "is it the repository of a model?"};
}

}  // namespace

Result<std::vector<std::string>> wanted_files(const Repository& repository, const std::string& where) {
  std::vector<std::string> names;
  if (has(repository, kConfig)) {
    names.emplace_back(kConfig);
    for (const std::string_view name : kBeside)
      if (has(repository, name)) names.emplace_back(name);
    if (has(repository, kWeights)) {
      names.emplace_back(kWeights);
      return names;
    }
    if (has(repository, kIndex)) {
      names.emplace_back(kIndex);
      return names;
    }
  }
  if (has(repository, kAdapterConfig) && has(repository, kAdapterWeights))
    return std::vector<std::string>{std::string(kAdapterConfig), std::string(kAdapterWeights)};
  if (!has(repository, kConfig))
    return Error{Error::Code::kNotFound, "has no config.json, so it is no checkpoint", where,
                 "is it the repository of a model?"};
  return no_weights(repository, where);
}

Result<std::vector<std::string>> shards_of(std::string_view index_json, const std::string& where) {
  RERANK_ASSIGN(const io::JsonDocument document, io::JsonDocument::parse(index_json, where));
  RERANK_ASSIGN(const io::Json map, document.root().get("weight_map"));
  RERANK_ASSIGN(const simdjson::dom::object members, map.object());
  std::set<std::string> shards;
  for (const simdjson::dom::key_value_pair member : members) {
    const io::Json value = map.member(member.value, member.key);
    RERANK_ASSIGN(const std::string_view shard, value.string());
    if (!is_file_name(shard) || !shard.ends_with(".safetensors"))
      return value.error(Error::Code::kCorrupt, "is not the plain name of a safetensors file");
    shards.emplace(shard);
  }
  if (shards.empty()) return map.error(Error::Code::kCorrupt, "names no tensor");
  return std::vector<std::string>(shards.begin(), shards.end());
}

}  // namespace rerank::hub
