#include "io/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/half.h"
#include "base/try.h"

namespace rerank::io {
namespace {

constexpr std::size_t kNamesInAnError = 20;

template <class Stored, class Widen>
void widen(const std::byte* from, std::span<float> out, Widen to_f32) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, from + i * sizeof(Stored), sizeof(Stored));
    out[i] = to_f32(stored);
  }
}

// How many dot-separated parts two names share at their ends.
std::size_t common_tail_parts(std::string_view a, std::string_view b) {
  std::size_t parts = 0;
  while (!a.empty() && !b.empty()) {
    const std::size_t dot_a = a.rfind('.'), dot_b = b.rfind('.');
    const std::string_view part_a = dot_a == a.npos ? a : a.substr(dot_a + 1);
    const std::string_view part_b = dot_b == b.npos ? b : b.substr(dot_b + 1);
    if (part_a != part_b) break;
    ++parts;
    a = dot_a == a.npos ? std::string_view() : a.substr(0, dot_a);
    b = dot_b == b.npos ? std::string_view() : b.substr(0, dot_b);
  }
  return parts;
}

Tensor borrow(const TensorEntry& entry, const std::string& file_name, std::span<const std::byte> bytes,
              const MappedFile* file) {
  return {.name = entry.name,
          .dtype = entry.dtype,
          .shape = entry.shape,
          .bytes = bytes,
          .file_name = file_name,
          .file = file};
}

}  // namespace

std::string Tensor::where() const {
  return fmt::format("{}: {}", file_name, name);
}

void convert_to_f32(const Tensor& tensor, std::size_t first_element, std::span<float> out) {
  const std::byte* const from = tensor.bytes.data() + first_element * bytes_of(tensor.dtype);
  if (tensor.dtype == Dtype::kF32)
    std::memcpy(out.data(), from, out.size_bytes());
  else if (tensor.dtype == Dtype::kF16)
    widen<std::uint16_t>(from, out, [](std::uint16_t bits) { return f16_to_f32(bits); });
  else
    widen<std::uint16_t>(from, out, [](std::uint16_t bits) { return bf16_to_f32(bits); });
}

void release(const Tensor& tensor) {
  if (tensor.file == nullptr) return;
  const auto offset = static_cast<std::size_t>(tensor.bytes.data() - tensor.file->bytes().data());
  tensor.file->drop(offset, tensor.bytes.size());
}

Status WeightStore::add(std::string file_name, std::vector<TensorEntry> entries, std::span<const std::byte> bytes,
                        const MappedFile* file) {
  file_names_.push_back(std::make_unique<const std::string>(std::move(file_name)));
  const std::string* const name = file_names_.back().get();
  for (TensorEntry& entry : entries) {
    if (const std::string* const other = file_of(entry.name); other != nullptr)
      return Error{Error::Code::kCorrupt, fmt::format("the tensor stands in {} as well", *other),
                   fmt::format("{}: {}", *name, entry.name), "download the checkpoint again into an empty folder"};
    const std::span<const std::byte> data = bytes.subspan(entry.begin, entry.end - entry.begin);
    slots_.push_back({std::move(entry), name, data, file, std::make_unique<std::atomic<bool>>(false)});
  }
  // Sorted only now: file_of() above searches the files before this one, and a file cannot repeat a name.
  std::sort(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) { return a.entry.name < b.entry.name; });
  return {};
}

std::vector<Tensor> WeightStore::tensors() const {
  std::vector<Tensor> all;
  for (const Slot& slot : slots_) all.push_back(borrow(slot.entry, *slot.file_name, slot.bytes, slot.file));
  return all;
}

std::size_t WeightStore::total_bytes() const {
  std::size_t total = 0;
  for (const Slot& slot : slots_) total += slot.bytes.size();
  return total;
}

const WeightStore::Slot* WeightStore::find(std::string_view name) const {
  const auto at = std::lower_bound(slots_.begin(), slots_.end(), name,
                                   [](const Slot& slot, std::string_view wanted) { return slot.entry.name < wanted; });
  return at != slots_.end() && at->entry.name == name ? &*at : nullptr;
}

const std::string* WeightStore::file_of(std::string_view name) const {
  const Slot* const slot = find(name);
  return slot == nullptr ? nullptr : slot->file_name;
}

Status WeightStore::all_read(const std::function<bool(std::string_view)>& may_stay_unread) const {
  std::string names;
  const std::string* file_name = nullptr;
  std::size_t count = 0;
  for (const Slot& slot : slots_) {
    if (slot.read->load() || may_stay_unread(slot.entry.name)) continue;
    if (count++ < kNamesInAnError)
      names += fmt::format("{}{} {}", count == 1 ? "" : ", ", slot.entry.name, shape_text(slot.entry.shape));
    if (file_name == nullptr) file_name = slot.file_name;
  }
  if (count == 0) return {};
  if (count > kNamesInAnError) names += fmt::format(" and {} more", count - kNamesInAnError);
  return Error{Error::Code::kUnsupported,
               fmt::format("this architecture does not use {} of its tensors: {}", count, names), *file_name,
               "does config.json belong to these weights?"};
}

std::string WeightStore::similar_names(std::string_view name) const {
  constexpr std::size_t kMostNames = 3;
  std::size_t best = 0;
  std::vector<std::string_view> names;
  for (const Slot& slot : slots_) {
    const std::size_t parts = common_tail_parts(slot.entry.name, name);
    if (parts == 0 || parts < best) continue;
    if (parts > best) names.clear();
    best = parts;
    if (names.size() < kMostNames) names.push_back(slot.entry.name);
  }
  std::string text;
  for (const std::string_view similar : names) text += fmt::format("{}{}", text.empty() ? "" : ", ", similar);
  return text;
}

WeightScope WeightScope::scope(std::string_view name) const {
  return WeightScope(*store_, full_name(name));
}

bool WeightScope::has(std::string_view name) const {
  return store_->find(full_name(name)) != nullptr;
}

std::string WeightScope::full_name(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

Result<const WeightStore::Slot*> WeightScope::checked_slot(std::string_view name,
                                                           std::span<const std::size_t> shape) const {
  const std::string wanted = full_name(name);
  const WeightStore::Slot* const slot = store_->find(wanted);
  if (slot == nullptr) {
    const std::string similar = store_->similar_names(wanted);
    const std::string where = store_->file_names_.empty() ? "" : *store_->file_names_.front();
    return Error{Error::Code::kNotFound, fmt::format("tensor {} {} is missing", wanted, shape_text(shape)), where,
                 similar.empty() ? "does config.json belong to these weights?"
                                 : fmt::format("names that end alike: {}", similar)};
  }
  if (!std::equal(shape.begin(), shape.end(), slot->entry.shape.begin(), slot->entry.shape.end()))
    return Error{Error::Code::kCorrupt,
                 fmt::format("shape is {}, expected {}", shape_text(slot->entry.shape), shape_text(shape)),
                 fmt::format("{}: {}", *slot->file_name, wanted), "does config.json belong to these weights?"};
  return slot;
}

Result<Tensor> WeightScope::tensor(std::string_view name, std::initializer_list<std::size_t> shape) const {
  RERANK_ASSIGN(const WeightStore::Slot* slot, checked_slot(name, {shape.begin(), shape.size()}));
  const Tensor tensor = borrow(slot->entry, *slot->file_name, slot->bytes, slot->file);
  if (!is_float(tensor.dtype))
    return Error{Error::Code::kUnsupported,
                 fmt::format("dtype is {}, expected F32, F16 or BF16", name_of(tensor.dtype)), tensor.where(),
                 "save the model in one of these with transformers' save_pretrained"};
  slot->read->store(true);
  if (tensor.file != nullptr)
    tensor.file->will_need(static_cast<std::size_t>(tensor.bytes.data() - tensor.file->bytes().data()),
                           tensor.bytes.size());
  return tensor;
}

Result<Tensor> WeightScope::tensor(std::string_view name, std::initializer_list<std::size_t> shape, Dtype dtype) const {
  RERANK_ASSIGN(const WeightStore::Slot* slot, checked_slot(name, {shape.begin(), shape.size()}));
  const Tensor tensor = borrow(slot->entry, *slot->file_name, slot->bytes, slot->file);
  if (tensor.dtype != dtype)
    return Error{Error::Code::kUnsupported,
                 fmt::format("dtype is {}, expected {}", name_of(tensor.dtype), name_of(dtype)), tensor.where(), ""};
  slot->read->store(true);
  return tensor;
}

}  // namespace rerank::io
