// The header of a safetensors file: which tensor lies where. Nothing in it is believed before it is checked.
//
// Layout: 8 bytes little-endian header length N, N bytes of JSON {"name": {"dtype", "shape", "data_offsets"}}, then the
// data that the offsets count from. Source: https://github.com/huggingface/safetensors, "Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"

namespace rerank::io {

enum class Dtype : std::uint8_t { kF64, kF32, kF16, kBF16, kI64, kU64, kI32, kU32, kI16, kU16, kI8, kU8, kBool };

std::size_t bytes_of(Dtype dtype);
std::string_view name_of(Dtype dtype);  // as the file spells it: "BF16"
bool is_float(Dtype dtype);             // one that convert_to_f32 widens: F32, F16, BF16

struct TensorEntry {
  std::string name;
  Dtype dtype;
  std::vector<std::size_t> shape;  // row-major; empty for a scalar
  std::size_t begin = 0, end = 0;  // bytes of the whole file, not of the data behind the header
};

// "[2, 1024]"
std::string shape_text(std::span<const std::size_t> shape);

// Reads the header and checks every claim in it; the tensors come back in the order of their data.
//   head       the beginning of the file: the header at least, or all of the file
//   file_size  bytes of the file; >= head.size()
//   file       its name, for errors
// What comes back covers the data without hole or overlap: every entry has begin <= end <= file_size and
// end - begin == product(shape) * bytes_of(dtype), and no name stands twice. Otherwise kCorrupt, or kUnsupported for a
// dtype that is not in the list above; the error names file and tensor, found and expected.
Result<std::vector<TensorEntry>> parse_safetensors_header(std::span<const std::byte> head, std::size_t file_size,
                                                          const std::string& file);

// The "__metadata__" of the same header, texts by name; empty where there are none.
using SafetensorsMetadata = std::map<std::string, std::string, std::less<>>;
Result<SafetensorsMetadata> parse_safetensors_metadata(std::span<const std::byte> head, std::size_t file_size,
                                                       const std::string& file);

}  // namespace rerank::io
