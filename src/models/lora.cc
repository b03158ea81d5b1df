#include "models/lora.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/try.h"
#include "io/mapped_file.h"
#include "io/weights.h"
#include "models/load_weights.h"
#include "models/lora_config.h"

namespace rerank::models {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";

// What one tensor of the file is to one weight of the model.
enum class Role { kA, kB, kEmbeddingA, kEmbeddingB, kReplacement };
struct Place {
  std::string weight;  // "model.layers.3.self_attn.q_proj.weight"
  Role role;
};

// Everything the adapter does to one weight, [rows, columns].
struct Change {
  std::size_t rows = 0, columns = 0;
  bool is_vector = false;                 // the weight has one axis, [columns]
  std::optional<io::Tensor> replacement;  // [rows, columns]
  std::size_t rank = 0;                   // 0: no low-rank part
  std::vector<float> left;                // [rows, rank]: lora_B, or lora_embedding_A transposed
  std::vector<float> right;               // [rank, columns]: lora_A, or lora_embedding_B transposed
  float scale = 0;
  std::string where;  // for errors: file and tensor
  std::atomic<bool> used = false;
};
using Changes = std::map<std::string, Change, std::less<>>;

std::string shape_of(const Change& change) {
  const std::array<std::size_t, 2> shape = {change.rows, change.columns};
  return io::shape_text(std::span(shape).subspan(change.is_vector ? 1 : 0));
}

// "base_model.model.X.lora_A.weight" -> X.weight. A whole weight, "base_model.model.X.weight", is what modules_to_save
// and saved embeddings leave in the file; the wrappers that PEFT puts around X may still be in its name.
std::optional<Place> place_of(std::string_view name) {
  constexpr std::string_view kPrefix = "base_model.model.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());

  static constexpr std::pair<std::string_view, Role> kLowRank[] = {{".lora_A.weight", Role::kA},
                                                                   {".lora_B.weight", Role::kB},
                                                                   {".lora_embedding_A", Role::kEmbeddingA},
                                                                   {".lora_embedding_B", Role::kEmbeddingB}};
  for (const auto& [suffix, role] : kLowRank)
    if (name.ends_with(suffix))
      return Place{std::string(name.substr(0, name.size() - suffix.size())) + ".weight", role};
  if (name.find(".lora_") != name.npos || !(name.ends_with(".weight") || name.ends_with(".bias"))) return std::nullopt;

  std::string weight(name);
  for (const std::string_view wrapper : {".modules_to_save.", ".base_layer."})
    if (const std::size_t at = weight.find(wrapper); at != weight.npos) weight.erase(at, wrapper.size() - 1);
  return Place{std::move(weight), Role::kReplacement};
}

// [rows, columns] -> [columns, rows]
std::vector<float> transposed(const std::vector<float>& values, std::size_t rows, std::size_t columns) {
  std::vector<float> result(values.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) result[c * rows + r] = values[r * columns + c];
  return result;
}

// The tensors of one weight, before they are checked against each other.
using Parts = std::map<Role, io::Tensor>;

Status add_low_rank(const io::Tensor& a, const io::Tensor& b, bool embedding, std::size_t rank, Change& change) {
  if (a.shape.size() != 2 || a.shape[0] != rank || a.shape[1] == 0)
    return Error{Error::Code::kCorrupt,
                 fmt::format("shape is {}, expected [{}, columns] by {}", io::shape_text(a.shape), rank, kConfigFile),
                 a.where(), "do both files belong to one adapter?"};
  if (b.shape.size() != 2 || b.shape[1] != rank || b.shape[0] == 0)
    return Error{Error::Code::kCorrupt,
                 fmt::format("shape is {}, expected [rows, {}] by {}", io::shape_text(b.shape), rank, kConfigFile),
                 b.where(), "do both files belong to one adapter?"};
  change.rank = rank;
  change.rows = b.shape[0];
  change.columns = a.shape[1];
  change.left = to_f32(b);
  change.right = to_f32(a);
  if (embedding) {  // the table [vocabulary, hidden] is the transpose of B A
    std::swap(change.rows, change.columns);
    change.left = transposed(to_f32(a), rank, change.rows);
    change.right = transposed(to_f32(b), change.columns, rank);
  }
  return {};
}

Status add_replacement(const io::Tensor& tensor, Change& change) {
  const bool is_vector = tensor.shape.size() == 1;
  if ((!is_vector && tensor.shape.size() != 2) || tensor.elements() == 0)
    return Error{Error::Code::kUnsupported,
                 fmt::format("shape is {}, expected one or two axes", io::shape_text(tensor.shape)), tensor.where(),
                 "merge the adapter into the model with PEFT's merge_and_unload and load the result"};
  const std::size_t rows = is_vector ? 1 : tensor.shape[0], columns = tensor.shape.back();
  if (change.rank != 0 && (is_vector || rows != change.rows || columns != change.columns))
    return Error{Error::Code::kCorrupt,
                 fmt::format("shape is {}, but the low-rank change beside it is {}", io::shape_text(tensor.shape),
                             shape_of(change)),
                 tensor.where(), "save the adapter again"};
  change.is_vector = is_vector;
  change.rows = rows;
  change.columns = columns;
  change.replacement = tensor;
  return {};
}

Status fill(const std::string& weight, const Parts& parts, const LoraConfig& config, Change& change) {
  change.where = parts.begin()->second.where();
  const auto part = [&](Role role) {
    const auto at = parts.find(role);
    return at == parts.end() ? nullptr : &at->second;
  };
  const std::string_view module = std::string_view(weight).substr(0, weight.rfind('.'));
  for (const bool embedding : {false, true}) {
    const io::Tensor* const a = part(embedding ? Role::kEmbeddingA : Role::kA);
    const io::Tensor* const b = part(embedding ? Role::kEmbeddingB : Role::kB);
    if (a == nullptr && b == nullptr) continue;
    if (a == nullptr || b == nullptr)
      return Error{Error::Code::kCorrupt,
                   fmt::format("has no lora{}_{} beside it", embedding ? "_embedding" : "", a == nullptr ? "A" : "B"),
                   (a == nullptr ? b : a)->where(), "save the adapter again"};
    if (change.rank != 0)
      return Error{Error::Code::kCorrupt, "is changed both as a linear layer and as an embedding", change.where,
                   "save the adapter again"};
    RERANK_TRY(add_low_rank(*a, *b, embedding, config.rank_of(module), change));
    change.scale = config.scale_of(module);
  }
  if (const io::Tensor* const tensor = part(Role::kReplacement)) RERANK_TRY(add_replacement(*tensor, change));
  return {};
}

Status check_folder(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    return Error{Error::Code::kNotFound, "there is no such adapter folder", folder.string(),
                 fmt::format("give the folder that holds {} and {}", kConfigFile, kWeightsFile)};
  if (!fs::exists(folder / kWeightsFile, ignored) && fs::exists(folder / "adapter_model.bin", ignored))
    return Error{Error::Code::kUnsupported, "has adapter_model.bin; pickled weights are not read", folder.string(),
                 "load the adapter with PEFT and save it again with safe_serialization=True"};
  return {};
}

}  // namespace

struct LoraAdapter::State {
  io::MappedFile file;
  std::string name;                      // the file's, for errors
  std::vector<io::TensorEntry> entries;  // what the replacements borrow
  std::string base_model;
  Changes changes;

  const Change* find(std::string_view weight) const {
    const auto at = changes.find(weight);
    return at == changes.end() ? nullptr : &at->second;
  }
  std::string other_model() const {
    return base_model.empty() ? "was this adapter trained on this model?"
                              : fmt::format("this adapter was trained on {}", base_model);
  }
};

LoraAdapter::LoraAdapter(std::unique_ptr<State> state) : state_(std::move(state)) {}
LoraAdapter::LoraAdapter(LoraAdapter&&) noexcept = default;
LoraAdapter& LoraAdapter::operator=(LoraAdapter&&) noexcept = default;
LoraAdapter::~LoraAdapter() = default;

Result<LoraAdapter> LoraAdapter::open(const fs::path& folder) {
  RERANK_TRY(check_folder(folder));
  RERANK_ASSIGN(const LoraConfig config, read_lora_config(folder / kConfigFile));
  RERANK_ASSIGN(io::MappedFile file, io::MappedFile::open(folder / kWeightsFile));
  const std::string name = file.path();
  RERANK_ASSIGN(std::vector<io::TensorEntry> entries,
                io::parse_safetensors_header(file.bytes(), file.bytes().size(), name));
  std::unique_ptr<State> state(new State{std::move(file), name, std::move(entries), config.base_model, {}});

  std::map<std::string, Parts> parts_of;
  for (const io::TensorEntry& entry : state->entries) {
    const io::Tensor tensor{.name = entry.name,
                            .dtype = entry.dtype,
                            .shape = entry.shape,
                            .bytes = state->file.bytes().subspan(entry.begin, entry.end - entry.begin),
                            .file_name = state->name,
                            .file = &state->file};
    if (!io::is_float(tensor.dtype))
      return Error{Error::Code::kUnsupported,
                   fmt::format("dtype is {}, expected F32, F16 or BF16", io::name_of(tensor.dtype)), tensor.where(),
                   "save the adapter in one of these"};
    std::optional<Place> place = place_of(tensor.name);
    if (!place)
      return Error{Error::Code::kUnsupported,
                   "is none of lora_A.weight, lora_B.weight, lora_embedding_A, lora_embedding_B or a whole weight or "
                   "bias below base_model.model",
                   tensor.where(), "save the adapter with PEFT's save_pretrained"};
    if (!parts_of[place->weight].emplace(place->role, tensor).second)
      return Error{Error::Code::kCorrupt, fmt::format("another tensor replaces {} as well", place->weight),
                   tensor.where(), "save the adapter again"};
  }
  if (parts_of.empty()) return Error{Error::Code::kCorrupt, "holds no tensor", state->name, "save the adapter again"};
  for (const auto& [weight, parts] : parts_of) RERANK_TRY(fill(weight, parts, config, state->changes[weight]));
  return LoraAdapter(std::move(state));
}

bool LoraAdapter::touches(std::string_view name) const {
  return state_->find(name) != nullptr;
}

bool LoraAdapter::replaces(std::string_view name) const {
  const Change* const change = state_->find(name);
  return change != nullptr && change->replacement.has_value();
}

Status LoraAdapter::match(std::string_view name, std::span<const std::size_t> shape) const {
  const auto at = state_->changes.find(name);
  if (at == state_->changes.end()) return {};
  Change& change = at->second;
  const bool same = change.is_vector ? shape.size() == 1 && shape[0] == change.columns
                                     : shape.size() == 2 && shape[0] == change.rows && shape[1] == change.columns;
  if (!same)
    return Error{Error::Code::kCorrupt,
                 fmt::format("is for a weight {}, the model's is {}", shape_of(change), io::shape_text(shape)),
                 change.where, state_->other_model()};
  change.used = true;
  return {};
}

void LoraAdapter::add_to_row(std::string_view name, std::size_t row, std::span<float> values) const {
  const Change* const change = state_->find(name);
  if (change == nullptr) return;
  if (change->replacement) io::convert_to_f32(*change->replacement, row * change->columns, values);

  // A stretch of columns at a time, so that sums stay in the fastest cache.
  std::array<float, 512> sums;
  const float* const left = change->left.data() + row * change->rank;
  for (std::size_t begin = 0; begin < values.size() && change->rank > 0; begin += sums.size()) {
    const std::size_t count = std::min(sums.size(), values.size() - begin);
    std::fill_n(sums.begin(), count, 0.0f);
    for (std::size_t k = 0; k < change->rank; ++k) {
      const float* const right = change->right.data() + k * change->columns + begin;
      for (std::size_t i = 0; i < count; ++i) sums[i] += left[k] * right[i];
    }
    for (std::size_t i = 0; i < count; ++i) values[begin + i] += change->scale * sums[i];
  }
}

Status LoraAdapter::all_used(const std::function<bool(std::string_view)>& may_stay_unused) const {
  constexpr std::size_t kNamesInAnError = 10;
  std::string names;
  std::size_t count = 0;
  for (const auto& [weight, change] : state_->changes) {
    if (change.used || may_stay_unused(weight)) continue;
    if (count++ < kNamesInAnError) names += fmt::format("{}{}", names.empty() ? "" : ", ", weight);
  }
  if (count == 0) return {};
  if (count > kNamesInAnError) names += fmt::format(" and {} more", count - kNamesInAnError);
  return Error{Error::Code::kUnsupported,
               fmt::format("changes {} weights that the model does not use: {}", count, names), state_->name,
               state_->other_model()};
}

}  // namespace rerank::models
