// The published checkpoints that this program is made for, with what there is to know before one is fetched.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace rerank::cli {

// How the numbers of a checkpoint are stored, and what its linear layers can be held as here.
enum class Precision { kF32, kBf16, kInt8, kInt4 };

struct CatalogueEntry {
  std::string_view name;    // on the hub
  std::string_view method;  // as in --method
  std::uint64_t parameters = 0;
  std::uint64_t table = 0;        // of these, in the table of word (and position) embeddings
  bool reads_vocabulary = false;  // scores come from the whole vocabulary, not from a head of its own or a row of it
  bool tied = true;               // and that is the same table
  Precision stored = Precision::kF32;
  std::string_view languages, licence;
};

// All of them, families together, small ones first.
std::span<const CatalogueEntry> catalogue();

// About how many bytes the checkpoint's files are.
std::uint64_t download_bytes(const CatalogueEntry& entry);

// About how many bytes of memory scoring takes: weights, and 256 MiB for everything else. Rows of the embedding table
// that no text asks for stay on the disk. Integers are what `rerank quantize` makes, or what the checkpoint holds.
// Reasoning models need memory for keys and values beside it: kReasoningBytes are counted for that.
std::uint64_t memory_bytes(const CatalogueEntry& entry, Precision precision);

inline constexpr std::uint64_t kReasoningBytes = std::uint64_t{1} << 30;

}  // namespace rerank::cli
