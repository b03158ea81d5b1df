// Packed weights in a file, which the next process maps instead of packing them again.
//
// It is a safetensors file: a tensor of bytes for each weight, under the names of the layers that it holds, with its
// shape and format; the metadata hold a checksum of each. Its name says by a hash which checkpoint it was made from,
// and how. Nothing is believed: a file that is not as it was written is as good as none.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/checkpoint.h"
#include "kernels/packed_weight.h"
#include "rerank/error.h"

namespace rerank::models {

class WeightCache {
 public:
  // The file in `folder` for weights of `checkpoint`, which must be a folder's. `how` is all else that decides which
  // weights are asked for, and what becomes of them. Reads the whole file once, on up to `threads` threads.
  WeightCache(const std::filesystem::path& folder, const io::Checkpoint& checkpoint, std::string_view how, int threads);

  // The weight `name` from the file, or what pack() makes of it.
  using Pack = std::function<Result<kernels::PackedWeight>()>;
  Result<kernels::PackedWeight> find_or_pack(std::string_view name, std::size_t out, std::size_t in,
                                             kernels::WeightFormat format, const Pack& pack);

  // Once all weights were asked for: writes them, unless all of them came from the file. It gets its name when it is
  // complete, so several processes may do so at a time.
  void save();

  // What came of it: "read FILE", "wrote FILE", or empty where it could not be written.
  const std::string& outcome() const { return outcome_; }
  // Why the file was not used, or could not be written.
  const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  Status open();
  Status write() const;

  std::filesystem::path path_;
  int threads_;
  std::map<std::string, std::pair<std::shared_ptr<const std::byte>, std::size_t>, std::less<>> found_;  // with its size
  std::vector<std::pair<std::string, kernels::PackedWeight>> kept_;
  bool packed_any_ = false;
  std::string outcome_;
  std::vector<std::string> remarks_;
};

// The same where there may be no cache.
Result<kernels::PackedWeight> find_or_pack(WeightCache* cache, std::string_view name, std::size_t out, std::size_t in,
                                           kernels::WeightFormat format, const WeightCache::Pack& pack);

}  // namespace rerank::models
