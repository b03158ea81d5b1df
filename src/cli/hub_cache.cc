#include "cli/hub_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "base/try.h"

namespace rerank::cli {
namespace {

namespace fs = std::filesystem;

// An environment variable that is set to nothing counts as not set, as in huggingface_hub.
std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_name_part(std::string_view part) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !part.empty() && part.front() != '.' && part.front() != '-' && std::all_of(part.begin(), part.end(), allowed);
}

// A commit name becomes part of a path, so it must not be able to lead out of the cache.
bool is_commit_name(std::string_view text) {
  return is_name_part(text) && text.size() <= 64;
}

std::string how_to_download(std::string_view name) {
  return fmt::format("download it with: huggingface-cli download {}", name);
}

}  // namespace

bool is_hub_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  return slash != std::string_view::npos && is_name_part(name.substr(0, slash)) && is_name_part(name.substr(slash + 1));
}

fs::path hub_cache_folder() {
  if (const std::string folder = environment("HF_HUB_CACHE"); !folder.empty()) return folder;
  if (const std::string home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "huggingface" / "hub";
  return fs::path(environment("HOME")) / ".cache" / "huggingface" / "hub";
}

Result<fs::path> find_in_hub_cache(std::string_view name) {
  const std::size_t slash = name.find('/');
  const fs::path repository =
      hub_cache_folder() / fmt::format("models--{}--{}", name.substr(0, slash), name.substr(slash + 1));
  std::error_code ignored;
  if (!fs::is_directory(repository, ignored))
    return Error{
        Error::Code::kNotFound,
        fmt::format("is no folder here, and not in the local Hugging Face cache {}", hub_cache_folder().string()),
        std::string(name), how_to_download(name)};
  std::string commit;
  std::ifstream(repository / "refs" / "main") >> commit;
  const fs::path snapshot = repository / "snapshots" / commit;
  if (!is_commit_name(commit) || !fs::is_directory(snapshot, ignored))
    return Error{Error::Code::kNotFound, "holds no complete download of the revision \"main\"", repository.string(),
                 how_to_download(name)};
  return snapshot;
}

Result<fs::path> locate_model(const std::string& model) {
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) return fs::path(model);
  if (fs::exists(model, ignored))
    return Error{Error::Code::kUnsupported, "is a file, expected a model folder", model,
                 "name the folder that holds config.json, model.safetensors and tokenizer.json"};
  if (is_hub_name(model)) return find_in_hub_cache(model);
  return Error{Error::Code::kNotFound, "no such folder", model,
               "give a model folder, or a hub name such as BAAI/bge-reranker-v2-m3"};
}

}  // namespace rerank::cli
