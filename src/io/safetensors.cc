#include "io/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/try.h"
#include "io/json.h"

namespace rerank::io {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation
constexpr std::string_view kMetadata = "__metadata__";
constexpr const char* kFetchAgain = "the file is damaged or was not copied to its end: copy or download it again";
constexpr const char* kWriteAgain = "write the file again with safetensors.torch.save_file";

struct DtypeRow {
  Dtype dtype;
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array kDtypes = {
    DtypeRow{Dtype::kF64, "F64", 8},   DtypeRow{Dtype::kF32, "F32", 4}, DtypeRow{Dtype::kF16, "F16", 2},
    DtypeRow{Dtype::kBF16, "BF16", 2}, DtypeRow{Dtype::kI64, "I64", 8}, DtypeRow{Dtype::kU64, "U64", 8},
    DtypeRow{Dtype::kI32, "I32", 4},   DtypeRow{Dtype::kU32, "U32", 4}, DtypeRow{Dtype::kI16, "I16", 2},
    DtypeRow{Dtype::kU16, "U16", 2},   DtypeRow{Dtype::kI8, "I8", 1},   DtypeRow{Dtype::kU8, "U8", 1},
    DtypeRow{Dtype::kBool, "BOOL", 1}};

const DtypeRow& row_of(Dtype dtype) {
  return kDtypes[static_cast<std::size_t>(dtype)];
}

Error corrupt(std::string what, const std::string& where, const char* fix) {
  return {Error::Code::kCorrupt, std::move(what), where, fix};
}

Result<Dtype> parse_dtype(const Json& json) {
  RERANK_ASSIGN(const std::string_view name, json.string());
  for (const DtypeRow& row : kDtypes)
    if (row.name == name) return row.dtype;
  std::string known;
  for (const DtypeRow& row : kDtypes) known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  return json.error(Error::Code::kUnsupported, fmt::format("is \"{}\", expected one of {}", name, known),
                    "save the checkpoint with a dtype of that list");
}

Result<std::vector<std::size_t>> parse_sizes(const Json& json) {
  RERANK_ASSIGN(const simdjson::dom::array array, json.array());
  std::vector<std::size_t> sizes;
  for (const simdjson::dom::element element : array) {
    const Json item = json.item(element, sizes.size());
    RERANK_ASSIGN(const std::int64_t size, item.integer());
    if (size < 0) return item.error(Error::Code::kCorrupt, fmt::format("is {}, expected 0 or more", size), kWriteAgain);
    sizes.push_back(static_cast<std::size_t>(size));
  }
  return sizes;
}

// Bytes that a tensor of this shape takes; nothing when they do not fit into 64 bits.
std::optional<std::size_t> bytes_of_shape(std::span<const std::size_t> shape, Dtype dtype) {
  std::size_t bytes = bytes_of(dtype);
  for (const std::size_t size : shape)
    if (__builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
  return bytes;
}

// The three members of one tensor, each exactly once. Offsets still count from the data.
Result<TensorEntry> parse_entry(std::string_view name, const Json& json) {
  RERANK_ASSIGN(const simdjson::dom::object members, json.object());
  std::optional<Json> dtype, shape, offsets;
  for (const simdjson::dom::key_value_pair member : members) {
    std::optional<Json>* const slot = member.key == "dtype"          ? &dtype
                                      : member.key == "shape"        ? &shape
                                      : member.key == "data_offsets" ? &offsets
                                                                     : nullptr;
    if (slot == nullptr) continue;  // the reference ignores other members too
    if (slot->has_value())
      return json.error(Error::Code::kCorrupt, fmt::format("\"{}\" stands twice", member.key), kWriteAgain);
    *slot = json.member(member.value, member.key);
  }
  for (const auto& [slot, key] : {std::pair{&dtype, "dtype"}, {&shape, "shape"}, {&offsets, "data_offsets"}})
    if (!slot->has_value())
      return json.error(Error::Code::kCorrupt, fmt::format("\"{}\" is missing", key), kWriteAgain);

  TensorEntry entry{.name = std::string(name), .dtype = Dtype::kF32, .shape = {}};
  RERANK_ASSIGN(entry.dtype, parse_dtype(*dtype));
  RERANK_ASSIGN(entry.shape, parse_sizes(*shape));
  RERANK_ASSIGN(const std::vector<std::size_t> range, parse_sizes(*offsets));
  if (range.size() != 2)
    return offsets->error(Error::Code::kCorrupt, fmt::format("has {} numbers, expected [begin, end]", range.size()),
                          kWriteAgain);
  entry.begin = range[0];
  entry.end = range[1];
  return entry;
}

// Checks one entry against its own shape and against the data; `file_and_name` is where errors point.
Status check_entry(const TensorEntry& entry, std::size_t data_bytes, const std::string& file_and_name) {
  if (entry.begin > entry.end)
    return corrupt(fmt::format("data_offsets [{}, {}] run backwards", entry.begin, entry.end), file_and_name,
                   kWriteAgain);
  const auto bytes = bytes_of_shape(entry.shape, entry.dtype);
  if (!bytes)
    return corrupt(fmt::format("shape {} has more bytes than 64 bits can count", shape_text(entry.shape)),
                   file_and_name, kWriteAgain);
  if (entry.end - entry.begin != *bytes)
    return corrupt(
        fmt::format("data_offsets [{}, {}] hold {} bytes, expected {} for shape {} of {}", entry.begin, entry.end,
                    entry.end - entry.begin, *bytes, shape_text(entry.shape), name_of(entry.dtype)),
        file_and_name, kWriteAgain);
  if (entry.end > data_bytes)
    return corrupt(fmt::format("data_offsets [{}, {}] end behind the file, which holds {} bytes of data", entry.begin,
                               entry.end, data_bytes),
                   file_and_name, kFetchAgain);
  return {};
}

// Bytes of JSON behind the length field, or why the field cannot be true.
Result<std::size_t> header_length(std::span<const std::byte> head, std::size_t file_size, const std::string& file) {
  if (file_size < kLengthBytes || head.size() < kLengthBytes)
    return corrupt(
        fmt::format("has {} bytes, expected at least {} for the length of its header", file_size, kLengthBytes), file,
        kFetchAgain);
  std::uint64_t length = 0;
  for (std::size_t byte = 0; byte < kLengthBytes; ++byte)
    length |= std::to_integer<std::uint64_t>(head[byte]) << (8 * byte);
  if (length > kMaxHeaderBytes)
    return corrupt(fmt::format("claims a header of {} bytes, expected at most {}", length, kMaxHeaderBytes), file,
                   "this is no safetensors file, or it is damaged: copy or download it again");
  if (length > file_size - kLengthBytes || length > head.size() - kLengthBytes)
    return corrupt(fmt::format("claims a header of {} bytes, but only {} follow", length, file_size - kLengthBytes),
                   file, kFetchAgain);
  return static_cast<std::size_t>(length);
}

Result<JsonDocument> parse_json(std::span<const std::byte> head, std::size_t length, const std::string& file) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()) + kLengthBytes, length);
  return JsonDocument::parse(text, file + " header");
}

// `entries` sorted by offset must cover [0, data_bytes) exactly.
Status check_cover(std::span<const TensorEntry> entries, std::size_t data_bytes, const std::string& file) {
  std::size_t covered = 0;
  std::string before = "the header";
  for (const TensorEntry& entry : entries) {
    if (entry.begin != covered)
      return corrupt(fmt::format("data begin at {}, expected {} where {} ends: tensors {}", entry.begin, covered,
                                 before, entry.begin < covered ? "overlap" : "leave a hole"),
                     fmt::format("{}: {}", file, entry.name), kWriteAgain);
    covered = entry.end;
    before = entry.name;
  }
  if (covered != data_bytes)
    return corrupt(fmt::format("has {} bytes of data, but the tensors end at {}", data_bytes, covered), file,
                   kFetchAgain);
  return {};
}

}  // namespace

std::size_t bytes_of(Dtype dtype) {
  return row_of(dtype).bytes;
}
std::string_view name_of(Dtype dtype) {
  return row_of(dtype).name;
}
bool is_float(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16;
}

std::string shape_text(std::span<const std::size_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Result<std::vector<TensorEntry>> parse_safetensors_header(std::span<const std::byte> head, std::size_t file_size,
                                                          const std::string& file) {
  RERANK_ASSIGN(const std::size_t length, header_length(head, file_size, file));
  RERANK_ASSIGN(const JsonDocument document, parse_json(head, length, file));
  const Json& root = document.root();
  RERANK_ASSIGN(const simdjson::dom::object members, root.object());

  const std::size_t data_begin = kLengthBytes + length, data_bytes = file_size - data_begin;
  std::vector<TensorEntry> entries;
  for (const simdjson::dom::key_value_pair member : members) {
    if (member.key == kMetadata) continue;
    RERANK_ASSIGN(TensorEntry entry, parse_entry(member.key, root.member(member.value, member.key)));
    RERANK_TRY(check_entry(entry, data_bytes, fmt::format("{}: {}", file, entry.name)));
    entries.push_back(std::move(entry));
  }

  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
  const auto twin = std::adjacent_find(entries.begin(), entries.end(),
                                       [](const TensorEntry& a, const TensorEntry& b) { return a.name == b.name; });
  if (twin != entries.end())
    return corrupt("the tensor stands twice in the header", fmt::format("{}: {}", file, twin->name), kWriteAgain);

  // Empty tensors share their offset with a neighbour: the end decides which comes first.
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  RERANK_TRY(check_cover(entries, data_bytes, file));
  for (TensorEntry& entry : entries) {
    entry.begin += data_begin;
    entry.end += data_begin;
  }
  return entries;
}

Result<SafetensorsMetadata> parse_safetensors_metadata(std::span<const std::byte> head, std::size_t file_size,
                                                       const std::string& file) {
  RERANK_ASSIGN(const std::size_t length, header_length(head, file_size, file));
  RERANK_ASSIGN(const JsonDocument document, parse_json(head, length, file));
  SafetensorsMetadata metadata;
  const auto found = document.root().find(kMetadata);
  if (!found) return metadata;
  RERANK_ASSIGN(const simdjson::dom::object members, found->object());
  for (const simdjson::dom::key_value_pair member : members) {
    RERANK_ASSIGN(const std::string_view value, found->member(member.value, member.key).string());
    metadata.emplace(member.key, value);
  }
  return metadata;
}

}  // namespace rerank::io
