#include "io/safetensors_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <numeric>

#include "base/try.h"
#include "io/json_text.h"
#include "io/system_error.h"

namespace rerank::io {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t data_bytes(const TensorEntry& tensor) {
  return std::accumulate(tensor.shape.begin(), tensor.shape.end(), bytes_of(tensor.dtype), std::multiplies<>());
}

// The header with its length in front; gives each tensor its place.
std::string lay_out(std::vector<TensorEntry>& tensors, const SafetensorsMetadata& metadata) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const std::size_t a_bytes = bytes_of(tensors[a].dtype), b_bytes = bytes_of(tensors[b].dtype);
    return a_bytes != b_bytes ? a_bytes > b_bytes : tensors[a].name < tensors[b].name;
  });
  // transformers refuses a file that does not say which framework's layout its tensors have.
  std::string header = R"({"__metadata__":{"format":"pt")";
  for (const auto& [name, text] : metadata) header += fmt::format(",{}:{}", json_string(name), json_string(text));
  header += '}';
  std::size_t end = 0;
  for (const std::size_t index : order) {
    TensorEntry& tensor = tensors[index];
    tensor.begin = end;
    tensor.end = end += data_bytes(tensor);
    header += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", json_string(tensor.name),
                          name_of(tensor.dtype), fmt::join(tensor.shape, ","), tensor.begin, tensor.end);
  }
  header += '}';
  constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);
  header.resize((kLengthBytes + header.size() + kAlignment - 1) / kAlignment * kAlignment - kLengthBytes, ' ');
  std::string length;
  for (std::size_t byte = 0; byte < kLengthBytes; ++byte)
    length += static_cast<char>(header.size() >> (8 * byte) & 0xFF);
  header = length + header;
  for (TensorEntry& tensor : tensors) {
    tensor.begin += header.size();
    tensor.end += header.size();
  }
  return header;
}

}  // namespace

Result<SafetensorsWriter> SafetensorsWriter::create(const std::filesystem::path& path, std::vector<TensorEntry> tensors,
                                                    const SafetensorsMetadata& metadata) {
  const std::string header = lay_out(tensors, metadata);
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.is_open()) return system_error(errno, "create", path.string());
  SafetensorsWriter writer(std::move(file), path.string(), std::move(tensors));
  writer.file_bytes_ = header.size();
  for (const TensorEntry& tensor : writer.tensors_) writer.file_bytes_ = std::max(writer.file_bytes_, tensor.end);
  int reserved = 0;
  do {
    reserved = ::posix_fallocate(writer.file_.get(), 0, static_cast<off_t>(writer.file_bytes_));
  } while (reserved == EINTR);
  // Some file systems cannot reserve; there the disk is found full while writing.
  if (reserved != 0 && reserved != EOPNOTSUPP && reserved != EINVAL)
    return system_error(reserved, fmt::format("reserve {} bytes", writer.file_bytes_), writer.name_);
  RERANK_TRY(writer.write_at(0, std::as_bytes(std::span(header))));
  return writer;
}

Status SafetensorsWriter::write(std::size_t index, std::size_t offset, std::span<const std::byte> bytes) {
  return write_at(tensors_[index].begin + offset, bytes);
}

Status SafetensorsWriter::write_at(std::size_t position, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(errno, "write", name_);
    position += static_cast<std::size_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status SafetensorsWriter::close() {
  if (::fsync(file_.get()) != 0) return system_error(errno, "write", name_);
  return close_early();
}

Status SafetensorsWriter::close_early() {
  if (::close(file_.release()) != 0) return system_error(errno, "close", name_);
  return {};
}

}  // namespace rerank::io
