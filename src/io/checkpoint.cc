#include "io/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <vector>

#include "base/try.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "io/system_error.h"

namespace rerank::io {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr const char* kDownloadAgain = "download the checkpoint again";

using Mappings = std::vector<std::unique_ptr<const MappedFile>>;

bool has_entry(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Names in the folder that end in `suffix`, sorted.
std::vector<std::string> names_ending_in(const fs::path& folder, std::string_view suffix) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (std::string_view(name).ends_with(suffix)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What to tell somebody who named a file instead of a model folder.
Error not_a_folder(const fs::path& path) {
  const std::string name = path.string();
  const std::string extension = path.extension().string();
  if (extension == ".gguf")
    return {Error::Code::kUnsupported, "is a GGUF file, expected a Hugging Face model folder", name,
            "use the checkpoint that it was converted from"};
  if (extension == ".safetensors" || extension == ".json" || extension == ".bin")
    return {Error::Code::kBadInput, "is a file, expected a Hugging Face model folder", name,
            fmt::format("give the folder that holds it: {}",
                        path.parent_path().empty() ? "." : path.parent_path().string())};
  return {Error::Code::kBadInput, "is a file, expected a Hugging Face model folder", name,
          "give a folder with config.json, model.safetensors and tokenizer.json"};
}

Status check_folder(const fs::path& folder) {
  const std::string name = folder.string();
  std::error_code code;
  const fs::file_status status = fs::status(folder, code);
  if (status.type() == fs::file_type::not_found)
    return Error{Error::Code::kNotFound, "there is no such model folder", name,
                 "check the path, or download the model into it: hf download NAME --local-dir FOLDER"};
  if (code) return system_error(code.value(), "open", name);
  if (!fs::is_directory(status)) return not_a_folder(folder);
  fs::directory_iterator listing(folder, code);
  if (code) return system_error(code.value(), "list", name);
  if (has_entry(folder / "config.json")) return {};
  if (const auto gguf = names_ending_in(folder, ".gguf"); !gguf.empty()) return not_a_folder(folder / gguf.front());
  return Error{Error::Code::kNotFound, "has no config.json, so it is no Hugging Face model folder", name,
               "give the folder that holds config.json, model.safetensors and tokenizer.json"};
}

Error no_weights(const fs::path& folder) {
  const std::string name = folder.string();
  if (!names_ending_in(folder, ".bin").empty())
    return {
        Error::Code::kUnsupported, "has pytorch_model.bin but no model.safetensors; pickled weights are not read", name,
        fmt::format("convert it once: python -c \"from transformers import AutoModelForSequenceClassification as M; "
                    "M.from_pretrained('{0}').save_pretrained('{0}', safe_serialization=True)\"",
                    name)};
  if (const auto others = names_ending_in(folder, ".safetensors"); !others.empty())
    return {Error::Code::kNotFound,
            fmt::format("has {} but neither {} nor {}", others.front(), kSingleFile, kIndexFile), name,
            "rename a single file to model.safetensors, or add the index of the shards"};
  if (const auto gguf = names_ending_in(folder, ".gguf"); !gguf.empty()) return not_a_folder(folder / gguf.front());
  return {Error::Code::kNotFound, "has no model.safetensors", name, "download the weights into this folder"};
}

// Maps one file of weights and takes its tensors in. Returns their names.
Result<std::vector<std::string>> add_file(const fs::path& path, WeightStore& weights, Mappings& mappings) {
  RERANK_ASSIGN(MappedFile opened, MappedFile::open(path));
  mappings.push_back(std::make_unique<const MappedFile>(std::move(opened)));
  const MappedFile* const file = mappings.back().get();
  RERANK_ASSIGN(std::vector<TensorEntry> entries,
                parse_safetensors_header(file->bytes(), file->bytes().size(), path.string()));
  std::vector<std::string> names;
  for (const TensorEntry& entry : entries) names.push_back(entry.name);
  RERANK_TRY(weights.add(path.string(), std::move(entries), file->bytes(), file));
  return names;
}

// Tensor name -> shard, as model.safetensors.index.json says.
Result<std::map<std::string, std::string>> read_index(const fs::path& path) {
  RERANK_ASSIGN(const MappedFile file, MappedFile::open(path));
  RERANK_ASSIGN(const JsonDocument document, JsonDocument::parse(file.text(), path.string()));
  RERANK_ASSIGN(const Json map, document.root().get("weight_map"));
  RERANK_ASSIGN(const simdjson::dom::object members, map.object());
  std::map<std::string, std::string> shard_of;
  for (const simdjson::dom::key_value_pair member : members) {
    const Json value = map.member(member.value, member.key);
    RERANK_ASSIGN(const std::string_view shard, value.string());
    // A shard lies beside its index: a path that leads elsewhere comes from no honest tool.
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find_first_of(std::string_view("/\\\0", 3)) != shard.npos)
      return value.error(Error::Code::kCorrupt, fmt::format("is \"{}\", expected the plain name of a file", shard),
                         kDownloadAgain);
    if (!shard_of.emplace(std::string(member.key), std::string(shard)).second)
      return value.error(Error::Code::kCorrupt, "the tensor stands twice in the index", kDownloadAgain);
  }
  if (shard_of.empty()) return map.error(Error::Code::kCorrupt, "names no tensor", kDownloadAgain);
  return shard_of;
}

// Every shard the index names, each checked against it in both directions.
Status add_shards(const fs::path& folder, WeightStore& weights, Mappings& mappings) {
  const std::string index_path = (folder / kIndexFile).string();
  RERANK_ASSIGN(const auto shard_of, read_index(index_path));
  std::vector<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.push_back(shard);
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());

  std::string missing;
  for (const std::string& shard : shards)
    if (!has_entry(folder / shard)) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", shard);
  if (!missing.empty())
    return Error{Error::Code::kNotFound,
                 fmt::format("{} shards are named, but these are not in the folder: {}", shards.size(), missing),
                 index_path, "download the missing shards"};

  for (const std::string& shard : shards) {
    RERANK_ASSIGN(const std::vector<std::string> names, add_file(folder / shard, weights, mappings));
    for (const std::string& name : names)
      if (!shard_of.contains(name))
        return Error{Error::Code::kCorrupt, fmt::format("the tensor is not in {}", kIndexFile),
                     fmt::format("{}: {}", (folder / shard).string(), name), kDownloadAgain};
  }
  for (const auto& [tensor, shard] : shard_of) {
    const std::string* const file = weights.file_of(tensor);
    if (file == nullptr)
      return Error{Error::Code::kCorrupt, fmt::format("tensor {} should be in {}, but is not", tensor, shard),
                   index_path, kDownloadAgain};
    if (*file != (folder / shard).string())
      return Error{Error::Code::kCorrupt, fmt::format("tensor {} should be in {}, but is in {}", tensor, shard, *file),
                   index_path, kDownloadAgain};
  }
  return {};
}

// What to tell somebody whose folder has no tokenizer.json.
Error no_tokenizer(const fs::path& folder) {
  std::string what = "has no tokenizer.json";
  std::string fix = "download the tokenizer files into this folder";
  for (const char* other : {"sentencepiece.bpe.model", "tokenizer.model", "spiece.model", "vocab.txt", "vocab.json"})
    if (has_entry(folder / other)) {
      what = fmt::format("has {}, but no tokenizer.json", other);
      fix = fmt::format(
          "make it once: python -c \"from transformers import AutoTokenizer as T; "
          "T.from_pretrained('{0}', use_fast=True).save_pretrained('{0}')\"",
          folder.string());
      break;
    }
  return {Error::Code::kNotFound, what, folder.string(), fix};
}

Result<JsonDocument> parse_config(std::string_view text, const std::string& file) {
  RERANK_ASSIGN(JsonDocument document, JsonDocument::parse(text, file));
  if (!document.root().is_object()) return document.root().expected("an object");
  return document;
}

}  // namespace

struct Checkpoint::State {
  std::string name;
  JsonDocument config;
  Mappings mappings;
  WeightStore weights;
  Result<std::string_view> tokenizer_json, tokenizer_config_json;
  std::optional<std::string_view> generation_config_json, chat_template_jinja;
};

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Result<Checkpoint> Checkpoint::open(const fs::path& folder) {
  RERANK_TRY(check_folder(folder));
  RERANK_ASSIGN(const MappedFile config_file, MappedFile::open(folder / "config.json"));
  RERANK_ASSIGN(JsonDocument config, parse_config(config_file.text(), config_file.path()));

  Mappings mappings;
  WeightStore weights;
  // transformers, too, prefers the single file where both are there.
  if (has_entry(folder / kSingleFile)) {
    RERANK_TRY(add_file(folder / kSingleFile, weights, mappings));
  } else if (has_entry(folder / kIndexFile)) {
    RERANK_TRY(add_shards(folder, weights, mappings));
  } else {
    return no_weights(folder);
  }

  const auto text_of = [&](const char* file_name) -> Result<std::string_view> {
    RERANK_ASSIGN(MappedFile file, MappedFile::open(folder / file_name));
    mappings.push_back(std::make_unique<const MappedFile>(std::move(file)));
    return mappings.back()->text();
  };
  Result<std::string_view> tokenizer =
      has_entry(folder / "tokenizer.json") ? text_of("tokenizer.json") : no_tokenizer(folder);
  Result<std::string_view> tokenizer_config = text_of("tokenizer_config.json");
  const auto optional_text_of = [&](const char* file_name) -> Result<std::optional<std::string_view>> {
    if (!has_entry(folder / file_name)) return std::optional<std::string_view>();
    RERANK_ASSIGN(const std::string_view text, text_of(file_name));
    return std::optional(text);
  };
  RERANK_ASSIGN(const auto generation_config, optional_text_of("generation_config.json"));
  RERANK_ASSIGN(const auto chat_template, optional_text_of("chat_template.jinja"));
  return Checkpoint(std::unique_ptr<State>(new State{folder.string(), std::move(config), std::move(mappings),
                                                     std::move(weights), std::move(tokenizer),
                                                     std::move(tokenizer_config), generation_config, chat_template}));
}

Result<Checkpoint> Checkpoint::from_memory(const EmbeddedCheckpoint& files) {
  const std::string name(files.name), weights_name = name + "/model.safetensors";
  RERANK_ASSIGN(JsonDocument config, parse_config(files.config_json, name + "/config.json"));
  RERANK_ASSIGN(std::vector<TensorEntry> entries,
                parse_safetensors_header(files.safetensors, files.safetensors.size(), weights_name));
  WeightStore weights;
  RERANK_TRY(weights.add(weights_name, std::move(entries), files.safetensors, nullptr));
  return Checkpoint(std::unique_ptr<State>(new State{
      name, std::move(config), {}, std::move(weights), files.tokenizer_json, files.tokenizer_config_json, {}, {}}));
}

const std::string& Checkpoint::name() const {
  return state_->name;
}
const Json& Checkpoint::config() const {
  return state_->config.root();
}
Result<std::string_view> Checkpoint::tokenizer_json() const {
  return state_->tokenizer_json;
}
Result<std::string_view> Checkpoint::tokenizer_config_json() const {
  return state_->tokenizer_config_json;
}
std::optional<std::string_view> Checkpoint::generation_config_json() const {
  return state_->generation_config_json;
}
std::optional<std::string_view> Checkpoint::chat_template_jinja() const {
  return state_->chat_template_jinja;
}
WeightScope Checkpoint::weights() const {
  return WeightScope(state_->weights);
}
const WeightStore& Checkpoint::store() const {
  return state_->weights;
}

Status Checkpoint::all_read(const std::function<bool(std::string_view)>& may_stay_unread) const {
  return state_->weights.all_read(may_stay_unread);
}

}  // namespace rerank::io
