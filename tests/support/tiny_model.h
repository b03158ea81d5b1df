// What every self-made checkpoint of the tests is: a Hugging Face folder of a few kilobytes with seeded random weights,
// to be broken by tests at will.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace rerank::testing {

struct TinyModel {
  std::map<std::string, std::string> config;  // key -> JSON value
  struct Tensor {
    std::vector<std::size_t> shape;
    std::vector<float> values;
  };
  std::map<std::string, Tensor> tensors;
  std::string tokenizer_json;
  std::map<std::string, std::string> tokenizer_config;  // key -> JSON value; no file when empty

  // Where a model is written; it is removed when the object goes.
  struct Folder {
    std::filesystem::path path;
    Folder() = default;
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  };
  // Writes the folder anew.
  void write(Folder& folder) const {
    std::string name = (std::filesystem::temp_directory_path() / "rerank_tiny_XXXXXX").string();
    folder.path = mkdtemp(name.data());
    std::ofstream(folder.path / "config.json") << config_json();
    std::ofstream(folder.path / "tokenizer.json") << tokenizer_json;
    if (!tokenizer_config.empty()) std::ofstream(folder.path / "tokenizer_config.json") << object(tokenizer_config);
    std::ofstream(folder.path / "model.safetensors", std::ios::binary) << safetensors();
  }

  std::string config_json() const { return object(config); }

  static std::string object(const std::map<std::string, std::string>& members) {
    std::string text = "{";
    for (const auto& [key, value] : members)
      text += fmt::format("{}\"{}\": {}", text.size() == 1 ? "" : ", ", key, value);
    return text + "}";
  }

  std::string safetensors() const {
    std::string header = "{", data;
    for (const auto& [name, tensor] : tensors) {
      const std::size_t begin = data.size();
      data.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
      header += fmt::format(R"({}"{}": {{"dtype": "F32", "shape": [{}], "data_offsets": [{}, {}]}})",
                            header.size() == 1 ? "" : ", ", name, fmt::join(tensor.shape, ", "), begin, data.size());
    }
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const std::uint64_t size = header.size();
    return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header + data;
  }

  void add(const std::string& name, std::vector<std::size_t> shape, float scale, float offset = 0) {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    std::mt19937 random(static_cast<unsigned>(std::hash<std::string>{}(name)));
    std::normal_distribution<float> normal(offset, scale);
    Tensor tensor{std::move(shape), std::vector<float>(count)};
    for (float& value : tensor.values) value = normal(random);
    tensors[name] = std::move(tensor);
  }

  void add_linear(const std::string& name, std::size_t out, std::size_t in, bool bias = true) {
    add(name + ".weight", {out, in}, 0.3f);
    if (bias) add(name + ".bias", {out}, 0.1f);
  }
};

}  // namespace rerank::testing
