#include "cli/run_manifest.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "base/try.h"
#include "cli/file_hash.h"
#include "engine/embedded_model.h"
#include "io/json.h"
#include "io/replace_file.h"

namespace rerank::cli {
namespace fs = std::filesystem;
namespace {

using Object = nlohmann::ordered_json;

constexpr int kForm = 1;               // of the manifest
constexpr std::size_t kMostNamed = 6;  // differences in an error

std::string now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
}

Object to_json(const FileHash& hash) {
  Object json = {{"bytes", hash.bytes}, {"sha256", hash.sha256}};
  if (hash.of != FileHash::kAll) json["sha256_of"] = hash.of;
  if (hash.of == FileHash::kFolder) json["files"] = hash.files;
  return json;
}

bool belongs_to_model(const fs::path& file) {
  constexpr std::string_view kEndings[] = {".json", ".safetensors", ".jinja", ".model"};
  const std::string extension = file.extension().string();
  return std::find(std::begin(kEndings), std::end(kEndings), extension) != std::end(kEndings);
}

Result<Object> hash_folder(const fs::path& folder) {
  std::map<std::string, fs::path> files;  // in the order of their names, which is the same everywhere
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed))
    if (std::error_code ignored; entry->is_regular_file(ignored) && belongs_to_model(entry->path()))
      files.emplace(entry->path().filename().string(), entry->path());
  if (failed) return Error{Error::Code::kIo, failed.message(), folder.string(), ""};
  Object json = Object::object();
  for (const auto& [name, path] : files) {
    RERANK_ASSIGN(const FileHash hash, hash_sample(path));
    json[name] = to_json(hash);
  }
  return json;
}

Object hash_embedded() {
  const io::EmbeddedCheckpoint files = embedded_checkpoint();
  return {{"config.json", to_json(hash_sample(std::as_bytes(std::span(files.config_json))))},
          {"model.safetensors", to_json(hash_sample(files.safetensors))},
          {"tokenizer.json", to_json(hash_sample(std::as_bytes(std::span(files.tokenizer_json))))},
          {"tokenizer_config.json", to_json(hash_sample(std::as_bytes(std::span(files.tokenizer_config_json))))}};
}

template <class T>
Object optional_json(const std::optional<T>& value) {
  return value ? Object(*value) : Object(nullptr);
}

// As they were given: 0 and null stand for what the method has. Threads, memory and shared prefixes change no score.
Object settings_of(const ModelOptions& options) {
  const ScoreOptions& score = options.score;
  return {{"max_length", score.max_length},
          {"query_max_length", score.query_max_length},
          {"truncation", score.truncation == Truncation::kCard ? "card" : "flagembedding"},
          {"special_tokens_in_text", score.special_tokens_in_text},
          {"normalize", score.normalize},
          {"query_instruction", optional_json(score.query_instruction)},
          {"query_instruction_format", score.query_instruction_format},
          {"passage_instruction", optional_json(score.passage_instruction)},
          {"passage_instruction_format", score.passage_instruction_format},
          {"prompt", optional_json(score.prompt)},
          {"answer", options.engine.answer},
          {"cutoff_layers", score.cutoff_layers},
          {"compress_ratio", score.compress_ratio},
          {"compress_layers", score.compress_layers},
          {"heads", score.heads == Heads::kByLayer ? "by-layer" : "by-position"},
          {"attention_softcap", score.attention_softcap},
          {"top_logprobs", score.top_logprobs},
          {"readout", score.readout == Readout::kHighMinusLow ? "high-minus-low" : "expected-value"},
          {"max_new_tokens", optional_json(score.max_new_tokens)},
          {"think_budget", score.think_budget},
          {"verdict", score.verdict == Verdict::kOfficial ? "official"
                      : score.verdict == Verdict::kCard   ? "card"
                                                          : "forced"},
          {"rethink", score.rethink}};
}

Result<Object> decides(const RunFacts& facts) {
  Object model = {{"architecture", facts.info.architecture}};
  if (facts.model.model.empty()) {
    model["files"] = hash_embedded();
  } else {
    RERANK_ASSIGN(const fs::path folder, locate_model(facts.model));
    RERANK_ASSIGN(model["files"], hash_folder(folder));
  }
  if (!facts.model.engine.adapter.empty()) {
    RERANK_ASSIGN(const fs::path folder, locate_adapter(facts.model));
    RERANK_ASSIGN(model["adapter"], hash_folder(folder));
  }
  Object selection = Object::object(), data = Object::object();
  for (const auto& [name, value] : facts.selection) selection[name] = value;
  for (const auto& [role, path] : facts.data) {
    // A pipe has been read, and cannot be read again.
    if (std::error_code ignored; !fs::is_regular_file(path, ignored) && !fs::is_directory(path, ignored)) continue;
    RERANK_ASSIGN(const FileHash hash, hash_data(path));
    data[role] = to_json(hash);
  }
  return Object{{"rerank", RERANK_VERSION},          {"model", std::move(model)},
                {"method", facts.info.method},       {"dtype", facts.info.dtype},
                {"cpu_level", facts.info.cpu_level}, {"settings", settings_of(facts.model)},
                {"selection", std::move(selection)}, {"data", std::move(data)}};
}

// Every value under its path: "model.files.config.json.sha256".
using Values = std::map<std::string, std::string>;
Status flatten(const io::Json& json, const std::string& path, Values& values) {
  if (!json.is_object()) {
    values[path] = simdjson::minify(json.element());
    return {};
  }
  RERANK_ASSIGN(const simdjson::dom::object members, json.object());
  for (const auto& [name, value] : members)
    RERANK_TRY(
        flatten(json.member(value, name), path.empty() ? std::string(name) : fmt::format("{}.{}", path, name), values));
  return {};
}

Result<Values> flatten(const io::Json& json) {
  Values values;
  RERANK_TRY(flatten(json, "", values));
  return values;
}

std::vector<std::string> differences(const Values& before, const Values& now) {
  std::vector<std::string> lines;
  for (const auto& [path, value] : before) {
    const auto at = now.find(path);
    if (at == now.end())
      lines.push_back(fmt::format("{} was {}, is not there", path, value));
    else if (at->second != value)
      lines.push_back(fmt::format("{} was {}, is {}", path, value, at->second));
  }
  for (const auto& [path, value] : now)
    if (!before.contains(path)) lines.push_back(fmt::format("{} was not there, is {}", path, value));
  return lines;
}

constexpr const char* kHowToGoOn =
    "resume with the same model, settings and data, name another --output, or accept a file of mixed parts with "
    "--allow-mixed";

}  // namespace

std::string manifest_path(const std::string& output) {
  return output + ".manifest.json";
}

Result<RunManifest> RunManifest::describe(const std::string& output, const RunFacts& facts) {
  RunManifest manifest;
  manifest.output_ = output;
  RERANK_ASSIGN(const Object decided, decides(facts));
  // Paths and names are opaque bytes: what is no UTF-8 becomes U+FFFD.
  constexpr auto kReplace = Object::error_handler_t::replace;
  manifest.decides_ = decided.dump(-1, ' ', false, kReplace);
  Object others = {{"model", model_name(facts.model, facts.info)},
                   {"output", fs::path(output).filename().string()},
                   {"queries", facts.queries},
                   {"pairs", facts.pairs}};
  for (const auto& [role, path] : facts.data)
    if (std::error_code ignored; fs::exists(path, ignored)) others["paths"][role] = path.string();
  manifest.facts_ = others.dump(-1, ' ', false, kReplace);
  manifest.part_.started = now();
  manifest.part_.state = "running";
  manifest.part_.threads = facts.info.threads;
  return manifest;
}

Status RunManifest::resume(std::size_t queries_before, bool allow_mixed) {
  part_.queries_before = part_.queries_after = queries_before;
  std::error_code ignored;
  if (!fs::exists(output_, ignored) || fs::file_size(output_, ignored) == 0) return {};  // nothing to go on with
  const std::string path = manifest_path(output_);
  if (!fs::exists(path, ignored)) {
    part_.unknown_before = true;
    return {};
  }
  const auto compare = [&]() -> Status {
    std::ifstream stream(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    if (!stream) return Error{Error::Code::kBadInput, "cannot be read", path, ""};
    io::JsonParser parser, own_parser;
    RERANK_ASSIGN(const io::Json before, parser.parse(text, {path, Error::Code::kBadInput}));
    RERANK_ASSIGN(const io::Json form, before.get("manifest"));
    RERANK_ASSIGN(const std::int64_t number, form.integer());
    if (number != kForm)
      return form.error(Error::Code::kBadInput, fmt::format("is {}, expected {}", number, kForm),
                        "resume with the version that wrote it");
    RERANK_ASSIGN(const io::Json decided, before.get("decides"));
    RERANK_ASSIGN(const Values values, flatten(decided));
    RERANK_ASSIGN(const io::Json own, own_parser.parse(decides_, {"this run", Error::Code::kInternal}));
    RERANK_ASSIGN(const Values own_values, flatten(own));
    part_.differs = differences(values, own_values);
    RERANK_ASSIGN(const io::Json parts, before.get("parts"));
    RERANK_ASSIGN(const simdjson::dom::array list, parts.array());
    for (const simdjson::dom::element part : list) earlier_.push_back(simdjson::minify(part));
    return {};
  };
  Status compared = compare();
  if (!compared.ok()) {
    if (!allow_mixed) {
      if (compared.error().fix.empty()) compared.error().fix = "remove it, or go on with --allow-mixed";
      return compared;
    }
    part_.differs.push_back(compared.error().message());
  }
  if (part_.differs.empty() || allow_mixed) return {};
  const std::size_t named = std::min(kMostNamed, part_.differs.size());
  std::string what =
      fmt::format("the file was begun with something else: {}", fmt::join(std::span(part_.differs).first(named), "; "));
  if (named < part_.differs.size()) what += fmt::format("; and {} more", part_.differs.size() - named);
  return Error{Error::Code::kBadInput, std::move(what), path, kHowToGoOn};
}

Status RunManifest::begin() {
  return write();
}

Status RunManifest::end(const std::string& how, std::size_t queries_now) {
  part_.state = how;
  part_.ended = now();
  part_.queries_after = queries_now;
  return write();
}

Status RunManifest::write() const {
  std::error_code ignored;
  if (output_ == "-" || !fs::is_regular_file(output_, ignored)) return {};
  // Our own texts, and texts that simdjson has read: they parse.
  Object manifest = {{"manifest", kForm}};
  manifest.update(Object::parse(facts_));
  manifest["decides"] = Object::parse(decides_);
  Object& parts = manifest["parts"] = Object::array();
  for (const std::string& part : earlier_) parts.push_back(Object::parse(part));
  Object part = {{"state", part_.state}, {"started", part_.started}};
  if (!part_.ended.empty()) part["ended"] = part_.ended;
  part["threads"] = part_.threads;
  part["queries_before"] = part_.queries_before;
  part["queries_after"] = part_.queries_after;
  if (part_.unknown_before) part["before"] = "lines that no manifest speaks of";
  if (!part_.differs.empty()) part["differs"] = part_.differs;
  parts.push_back(std::move(part));
  return io::replace_file(manifest_path(output_),
                          manifest.dump(2, ' ', false, Object::error_handler_t::replace) + "\n");
}

}  // namespace rerank::cli
