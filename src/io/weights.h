// A checkpoint's tensors, walked like folders. Each is asked for once, by its name and with the shape we expect.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "rerank/error.h"

namespace rerank::io {

// One tensor, borrowed from the checkpoint, which must outlive it.
struct Tensor {
  std::string_view name;  // the whole path: "roberta.encoder.layer.3.attention.self.query.weight"
  Dtype dtype = Dtype::kF32;
  std::span<const std::size_t> shape;  // row-major
  std::span<const std::byte> bytes;    // as in the file, little-endian; aligned to one byte only
  std::string_view file_name;          // for errors: "model-00001-of-00002.safetensors"
  const MappedFile* file = nullptr;    // what `bytes` are mapped from; nullptr when they are part of the program

  std::size_t elements() const { return bytes.size() / bytes_of(dtype); }
  std::string where() const;  // "model.safetensors: classifier.dense.weight"
};

// Widens elements [first_element, first_element + out.size()) exactly. The tensor must be F32, F16 or BF16 and hold
// them.
void convert_to_f32(const Tensor& tensor, std::size_t first_element, std::span<float> out);

// Gives the memory of a tensor back to the system: for one that has been packed. Reading it again reads the file again.
void release(const Tensor& tensor);

// All tensors of a checkpoint, and which of them somebody has asked for. Filled once, then safe to read from many
// threads.
class WeightStore {
 public:
  // Takes in the tensors of one file. `bytes` is the whole file, `file` its mapping or nullptr for static memory; both
  // are borrowed. kCorrupt when a name is already there, with both files.
  Status add(std::string file_name, std::vector<TensorEntry> entries, std::span<const std::byte> bytes,
             const MappedFile* file);

  std::size_t size() const { return slots_.size(); }
  // All of them, of whatever dtype, sorted by name. Does not count as reading them.
  std::vector<Tensor> tensors() const;
  std::size_t total_bytes() const;
  // The file that holds a tensor; nullptr when there is no such tensor.
  const std::string* file_of(std::string_view name) const;

  // kUnsupported, listing the tensors that nobody asked for, unless `may_stay_unread(name)`.
  Status all_read(const std::function<bool(std::string_view)>& may_stay_unread) const;

 private:
  friend class WeightScope;
  struct Slot {
    TensorEntry entry;
    const std::string* file_name;
    std::span<const std::byte> bytes;
    const MappedFile* file;
    std::unique_ptr<std::atomic<bool>> read;
  };
  const Slot* find(std::string_view name) const;
  // "query.weight" -> names that end alike, for the help in an error.
  std::string similar_names(std::string_view name) const;

  std::vector<std::unique_ptr<const std::string>> file_names_;
  std::vector<Slot> slots_;  // sorted by name
};

// A path prefix into a WeightStore, which must outlive it. Cheap to copy.
class WeightScope {
 public:
  explicit WeightScope(const WeightStore& store) : store_(&store) {}

  // The scope below: scope("encoder").scope("layer.3").
  WeightScope scope(std::string_view name) const;

  // Is there such a tensor? Does not count as reading it.
  bool has(std::string_view name) const;

  // The tensor `name` below this scope, which counts as read from now on. kNotFound when it is not there, naming
  // similar ones; kCorrupt when its shape is another; kUnsupported when its dtype is none that convert_to_f32 takes.
  Result<Tensor> tensor(std::string_view name, std::initializer_list<std::size_t> shape) const;

  // The same for a tensor that must be of one dtype, such as packed integers.
  Result<Tensor> tensor(std::string_view name, std::initializer_list<std::size_t> shape, Dtype dtype) const;

  const std::string& path() const { return path_; }  // "roberta.encoder"; empty at the root

 private:
  WeightScope(const WeightStore& store, std::string path) : store_(&store), path_(std::move(path)) {}
  std::string full_name(std::string_view name) const;
  // Name and shape checked, nothing marked.
  Result<const WeightStore::Slot*> checked_slot(std::string_view name, std::span<const std::size_t> shape) const;

  const WeightStore* store_;
  std::string path_;
};

}  // namespace rerank::io
