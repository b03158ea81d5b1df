// A Hugging Face model folder as it is: configuration, weights in one file or in shards, tokenizer.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/json.h"
#include "io/weights.h"
#include "rerank/error.h"

namespace rerank::io {

// The files of a checkpoint that is part of the program.
struct EmbeddedCheckpoint {
  std::string_view name;  // for errors
  std::string_view config_json;
  std::span<const std::byte> safetensors;
  std::string_view tokenizer_json;
  std::string_view tokenizer_config_json;
};

// Move-only; moving keeps everything that was borrowed from it valid. Reading is safe from many threads.
class Checkpoint {
 public:
  // Maps the folder's files and checks everything that can be checked without knowing the architecture: config.json is
  // a JSON object, every header is sound, the index and its shards tell the same story. A tokenizer may be missing.
  // kNotFound, kCorrupt, kUnsupported (GGUF, pytorch_model.bin) or kIo, each with a way to mend it.
  static Result<Checkpoint> open(const std::filesystem::path& folder);

  // The same from memory that outlives the checkpoint.
  static Result<Checkpoint> from_memory(const EmbeddedCheckpoint& files);

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::string& name() const;  // the folder as it was given
  const Json& config() const;       // the root of config.json, an object

  // The texts of these files. kNotFound when there are none; says how to make a tokenizer.json from what is there.
  Result<std::string_view> tokenizer_json() const;
  Result<std::string_view> tokenizer_config_json() const;
  // The same of files that a checkpoint may do without.
  std::optional<std::string_view> generation_config_json() const;
  std::optional<std::string_view> chat_template_jinja() const;

  WeightScope weights() const;       // the root of all tensor names
  const WeightStore& store() const;  // counts and sizes
  // kUnsupported, listing every tensor that was never asked for, unless `may_stay_unread(name)`.
  Status all_read(const std::function<bool(std::string_view)>& may_stay_unread) const;

 private:
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rerank::io
