#include "engine/pair_encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace rerank {
namespace {

// Consecutive pairs that one worker encodes: they mostly share their query, which is then encoded once.
constexpr std::size_t kPairsPerEncoding = 32;
// Fewer of long texts: tokenizing a megabyte takes longer than a micro-batch, and others wait for the worker.
constexpr std::size_t kBytesPerEncoding = std::size_t{256} << 10;

// Where each worker's pairs begin, and the end.
std::vector<std::size_t> split_for_encoding(std::span<const Pair> pairs) {
  std::vector<std::size_t> begins = {0};
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i - begins.back() == kPairsPerEncoding || bytes > kBytesPerEncoding) {
      begins.push_back(i);
      bytes = 0;
    }
    bytes += pairs[i].query.size() + pairs[i].passage.size();
  }
  if (!pairs.empty()) begins.push_back(pairs.size());
  return begins;
}

}  // namespace

std::vector<Result<scoring::EncodedPair>> encode_pairs(std::span<const Pair> pairs, const scoring::PairEncoder& encoder,
                                                       WorkerPool& workers, const std::stop_token& stop) {
  std::vector<Result<scoring::EncodedPair>> encoded(pairs.size(), Result<scoring::EncodedPair>(scoring::EncodedPair{}));
  const std::vector<std::size_t> begins = split_for_encoding(pairs);
  workers.run(begins.size() - 1, [&](std::size_t part_idx, kernels::Workspace&) {
    const std::size_t first = begins[part_idx];
    Result<scoring::EncodedQuery> query = scoring::EncodedQuery{};
    for (std::size_t i = first; i < begins[part_idx + 1]; ++i) {
      if (stop.stop_requested()) {
        encoded[i] = at_pair(i, stopped());
        continue;
      }
      if (i == first || pairs[i].query != pairs[i - 1].query) query = encoder.encode_query(pairs[i].query);
      if (query.ok()) {
        encoded[i] = encoder.encode(query.value(), pairs[i].passage);
      } else {
        encoded[i] = query.error();
      }
      if (!encoded[i].ok()) encoded[i].error().where = fmt::format("pair {}, {}", i, encoded[i].error().where);
    }
  });
  return encoded;
}

std::vector<Result<PairTokens>> lengths_of(std::span<const Result<scoring::EncodedPair>> encoded) {
  std::vector<Result<PairTokens>> lengths;
  lengths.reserve(encoded.size());
  for (const auto& pair : encoded) {
    if (pair.ok()) {
      lengths.emplace_back(PairTokens{static_cast<std::uint32_t>(pair.value().ids.size()), pair.value().cut_tokens});
    } else {
      lengths.emplace_back(pair.error());
    }
  }
  return lengths;
}

Error not_finite(std::size_t pair_idx, double score) {
  return Error{Error::Code::kCorrupt, fmt::format("the score is {}", score), fmt::format("pair {}", pair_idx),
               "the checkpoint's weights are broken, or too large for bf16: try --dtype f32"};
}

Error at_pair(std::size_t pair_idx, const Error& error) {
  return Error{error.code, error.what, fmt::format("pair {}", pair_idx), error.fix};
}

void renumber_pair(Error& error, std::size_t from, std::size_t to) {
  const std::string name = fmt::format("pair {}", from);
  if (error.where == name || error.where.starts_with(name + ","))
    error.where = fmt::format("pair {}{}", to, error.where.substr(name.size()));
}

Error stopped() {
  return Error{Error::Code::kBadInput, "not scored: the call was stopped before", "", ""};
}

double sigmoid(double logit) {
  return 1 / (1 + std::exp(-logit));
}

}  // namespace rerank
