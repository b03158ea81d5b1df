// Any two files give a LoRA adapter or an Error; an adapter that is taken says which weights it changes and merges into
// every row of those whose shape it accepts, without reading outside of its file.
//
// An input is the length of adapter_config.json in two bytes, the lower one first, that file, and then
// adapter_model.safetensors.
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "models/lora.h"

namespace {

// One folder for all inputs of a process; in memory where there is such a place, which is 20 times faster than a disk.
class Folder {
 public:
  Folder() {
    std::error_code ignored;
    const std::filesystem::path memory = "/dev/shm";
    const bool in_memory = std::filesystem::is_directory(memory, ignored);
    path_ = ((in_memory ? memory : std::filesystem::temp_directory_path()) / "rerank-lora-fuzz-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  void write(const char* name, std::span<const std::uint8_t> bytes) const {
    std::ofstream file(path_ + "/" + name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) std::abort();
  }

 private:
  std::string path_;
};

void check(const rerank::Error& error) {
  if (error.what.empty() || error.where.empty()) std::abort();
}

// A model that the seeds have adapters for.
struct Weight {
  const char* name;
  std::vector<std::size_t> shape;
};
const Weight kModel[] = {{"layer.q.weight", {4, 3}}, {"layer.v.weight", {3, 5}}, {"embed.weight", {6, 3}},
                         {"head.weight", {1, 3}},    {"norm.weight", {3}},       {"norm.bias", {3}}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::span<const std::uint8_t> files(data + 2, size - 2);
  const std::size_t config_size = std::min<std::size_t>(data[0] + 256u * data[1], files.size());
  static const Folder folder;
  folder.write("adapter_config.json", files.first(config_size));
  folder.write("adapter_model.safetensors", files.subspan(config_size));

  const auto adapter = rerank::models::LoraAdapter::open(folder.path());
  if (!adapter.ok()) {
    check(adapter.error());
    return 0;
  }
  for (const Weight& weight : kModel) {
    const bool touched = adapter.value().touches(weight.name);
    if (adapter.value().replaces(weight.name) && !touched) std::abort();
    if (const auto match = adapter.value().match(weight.name, weight.shape); !match.ok()) {
      if (!touched) std::abort();
      check(match.error());
      continue;
    }
    const std::size_t rows = weight.shape.size() == 1 ? 1 : weight.shape[0];
    std::vector<float> values(weight.shape.back(), 1.0f);
    for (std::size_t row = 0; row < rows; ++row) adapter.value().add_to_row(weight.name, row, values);
    const bool unchanged = std::all_of(values.begin(), values.end(), [](float value) { return value == 1.0f; });
    if (!touched && !unchanged) std::abort();
  }
  if (const auto used = adapter.value().all_used([](std::string_view) { return false; }); !used.ok())
    check(used.error());
  return 0;
}
