#include "models/weight_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <set>

#include "base/checksum.h"
#include "base/parallel.h"
#include "base/siphash.h"
#include "base/try.h"
#include "io/safetensors_writer.h"

namespace rerank::models {
namespace fs = std::filesystem;
namespace {

// Of the layout of panels, the names below and the checksum. To be raised when one of them changes.
constexpr std::uint64_t kVersion = 1;

constexpr const char* kDeleteIt = "nothing: it is made again";

// A hash of everything that a packed weight comes from. Of the tensors themselves only the beginnings are read, which
// tell two trainings apart; whoever changes a file in the middle changes its time.
std::string identity(const io::Checkpoint& checkpoint, std::string_view how) {
  constexpr std::size_t kSample = 4096;
  SipHash hash({0, 0});
  hash.add_number(kVersion);
  hash.add_text(how);
  hash.add_text(simdjson::minify(checkpoint.config().element()));
  std::set<const io::MappedFile*> files;
  for (const io::Tensor& tensor : checkpoint.store().tensors()) {
    hash.add_text(tensor.name);
    hash.add_text(io::name_of(tensor.dtype));
    hash.add_text(io::shape_text(tensor.shape));
    const std::size_t sample = std::min(kSample, tensor.bytes.size());
    hash.add_text({reinterpret_cast<const char*>(tensor.bytes.data()), sample});
    if (!files.insert(tensor.file).second) continue;
    std::error_code ignored;
    hash.add_number(tensor.file->bytes().size());
    hash.add_number(
        static_cast<std::uint64_t>(fs::last_write_time(tensor.file->path(), ignored).time_since_epoch().count()));
  }
  const SipHash::Digest digest = hash.digest();
  return fmt::format("{:016x}{:016x}", digest[0], digest[1]);
}

std::string name_in_file(std::string_view name, std::size_t out, std::size_t in, kernels::WeightFormat format) {
  constexpr const char* kNames[kernels::kWeightFormats] = {"f32", "bf16", "int8", "int4", "w8a8"};
  return fmt::format("{} [{}, {}] {}", name, out, in, kNames[static_cast<std::size_t>(format)]);
}

std::string checksum_text(std::span<const std::byte> bytes) {
  return fmt::format("{:016x}", checksum(bytes));
}

}  // namespace

WeightCache::WeightCache(const fs::path& folder, const io::Checkpoint& checkpoint, std::string_view how, int threads)
    : path_(folder / fmt::format("{}.safetensors", identity(checkpoint, how))), threads_(threads) {
  std::error_code ignored;
  if (!fs::exists(path_, ignored)) return;
  if (const Status opened = open(); !opened.ok())
    remarks_.push_back(fmt::format("the weight cache was not used, and is made again: {}", opened.error().message()));
}

Status WeightCache::open() {
  RERANK_ASSIGN(io::MappedFile mapped, io::MappedFile::open(path_));
  const auto file = std::make_shared<const io::MappedFile>(std::move(mapped));
  const std::span<const std::byte> bytes = file->bytes();
  RERANK_ASSIGN(const auto entries, io::parse_safetensors_header(bytes, bytes.size(), file->path()));
  RERANK_ASSIGN(const auto metadata, io::parse_safetensors_metadata(bytes, bytes.size(), file->path()));
  std::vector<std::size_t> damaged(entries.size());
  parallel_for(entries.size(), threads_, [&](std::size_t i) {
    const io::TensorEntry& entry = entries[i];
    const auto expected = metadata.find(entry.name);
    damaged[i] = entry.dtype != io::Dtype::kU8 || entry.begin % kernels::kLineBytes != 0 ||
                 expected == metadata.end() ||
                 expected->second != checksum_text(bytes.subspan(entry.begin, entry.end - entry.begin));
  });
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (damaged[i] != 0)
      return Error{Error::Code::kCorrupt, fmt::format("{} is damaged", entries[i].name), file->path(), kDeleteIt};
  for (const io::TensorEntry& entry : entries)
    found_.emplace(entry.name, std::pair(std::shared_ptr<const std::byte>(file, bytes.data() + entry.begin),
                                         entry.end - entry.begin));
  return {};
}

Result<kernels::PackedWeight> WeightCache::find_or_pack(std::string_view name, std::size_t out, std::size_t in,
                                                        kernels::WeightFormat format, const Pack& pack) {
  const std::string full_name = name_in_file(name, out, in, format);
  const auto found = found_.find(full_name);
  if (found != found_.end() && found->second.second == kernels::PackedWeight::bytes_of(out, in, format)) {
    auto weight = kernels::PackedWeight::packed_before(out, in, format, found->second.first);
    kept_.emplace_back(full_name, weight);
    return weight;
  }
  packed_any_ = true;
  RERANK_ASSIGN(kernels::PackedWeight packed, pack());
  kept_.emplace_back(full_name, packed);
  return packed;
}

void WeightCache::save() {
  if (!packed_any_) {
    outcome_ = fmt::format("read {}", path_.string());
  } else if (const Status written = write(); written.ok()) {
    outcome_ = fmt::format("wrote {}", path_.string());
  } else {
    remarks_.push_back(fmt::format("the weight cache could not be written: {}", written.error().message()));
  }
}

Status WeightCache::write() const {
  std::error_code failed;
  fs::create_directories(path_.parent_path(), failed);  // where that fails, so does the file, which says why
  std::vector<io::TensorEntry> entries;
  io::SafetensorsMetadata metadata;
  std::vector<std::string> checksums(kept_.size());
  parallel_for(kept_.size(), threads_, [&](std::size_t i) { checksums[i] = checksum_text(kept_[i].second.data()); });
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    const auto& [name, weight] = kept_[i];
    entries.push_back({.name = name, .dtype = io::Dtype::kU8, .shape = {weight.data().size()}});
    metadata.emplace(name, checksums[i]);
  }
  static std::atomic<int> writers = 0;  // of this process
  const fs::path unfinished =
      path_.parent_path() / fmt::format(".{}.unfinished-{}-{}", path_.filename().string(), ::getpid(), writers++);
  const auto write_all = [&]() -> Status {
    RERANK_ASSIGN(auto writer, io::SafetensorsWriter::create(unfinished, entries, metadata));
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      RERANK_TRY(writer.write(i, 0, kept_[i].second.data()));
    }
    RERANK_TRY(writer.close_early());  // what the disk lost, the checksums find
    fs::rename(unfinished, path_, failed);
    if (failed) return Error{Error::Code::kIo, failed.message(), path_.string(), ""};
    return {};
  };
  Status written = write_all();
  if (!written.ok()) {
    std::error_code ignored;
    fs::remove(unfinished, ignored);
  }
  return written;
}

Result<kernels::PackedWeight> find_or_pack(WeightCache* cache, std::string_view name, std::size_t out, std::size_t in,
                                           kernels::WeightFormat format, const WeightCache::Pack& pack) {
  return cache == nullptr ? pack() : cache->find_or_pack(name, out, in, format, pack);
}

}  // namespace rerank::models
