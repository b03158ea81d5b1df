#include "cli/catalogue.h"

#include <array>

namespace rerank::cli {
namespace {

constexpr std::uint64_t kEverythingElse = std::uint64_t{256} << 20;

constexpr std::string_view kCross = "cross-encoder", kReasons = "reasoning";
constexpr std::string_view kEnglish = "English", kMultilingual = "multilingual", kTwo = "Chinese, English";
constexpr std::string_view kApache = "Apache-2.0", kMit = "MIT", kGemma = "Gemma";

constexpr CatalogueEntry cross(std::string_view name, std::uint64_t parameters, std::uint64_t table,
                               std::string_view languages, std::string_view licence) {
  return {name, kCross, parameters, table, false, true, Precision::kF32, languages, licence};
}

constexpr CatalogueEntry rank1(std::string_view name, std::uint64_t parameters, std::uint64_t table, bool tied,
                               Precision stored, std::string_view licence) {
  return {name, kReasons, parameters, table, true, tied, stored, kEnglish, licence};
}

// Parameters follow from the shapes in each config.json.
constexpr std::array kCatalogue = {
    cross("cross-encoder/ms-marco-TinyBERT-L2-v2", 4'386'049, 3'972'352, kEnglish, kApache),
    cross("cross-encoder/ms-marco-MiniLM-L2-v2", 15'615'745, 11'917'056, kEnglish, kApache),
    cross("cross-encoder/ms-marco-MiniLM-L4-v2", 19'164'673, 11'917'056, kEnglish, kApache),
    cross("cross-encoder/ms-marco-MiniLM-L6-v2", 22'713'601, 11'917'056, kEnglish, kApache),
    cross("cross-encoder/ms-marco-MiniLM-L12-v2", 33'360'385, 11'917'056, kEnglish, kApache),
    cross("BAAI/bge-reranker-base", 278'044'417, 192'396'288, kTwo, kMit),
    cross("BAAI/bge-reranker-large", 559'891'457, 256'528'384, kTwo, kMit),
    cross("BAAI/bge-reranker-v2-m3", 567'755'777, 264'392'704, kMultilingual, kApache),
    CatalogueEntry{"BAAI/bge-reranker-v2-gemma", "yes-logit", 2'506'172'416, 524'288'000, false, true, Precision::kF32,
                   kMultilingual, kApache},
    CatalogueEntry{"BAAI/bge-reranker-v2-minicpm-layerwise", "layerwise", 2'724'956'928, 282'822'912, false, true,
                   Precision::kF32, kMultilingual, kApache},
    CatalogueEntry{"BAAI/bge-reranker-v2.5-gemma2-lightweight", "lightweight", 9'241'831'424, 917'504'000, false, true,
                   Precision::kF32, kMultilingual, kGemma},
    CatalogueEntry{"lightblue/lb-reranker-0.5B-v1.0", "expectation", 494'032'768, 136'134'656, true, true,
                   Precision::kBf16, "95 languages", kApache},
    rank1("jhu-clsp/rank1-0.5b", 494'032'768, 136'134'656, true, Precision::kBf16, kMit),
    rank1("jhu-clsp/rank1-1.5b", 1'543'714'304, 233'373'696, true, Precision::kBf16, kMit),
    rank1("jhu-clsp/rank1-3b", 3'085'938'688, 311'164'928, true, Precision::kBf16, kMit),
    rank1("jhu-clsp/rank1-7b", 7'615'616'512, 544'997'376, false, Precision::kBf16, kMit),
    rank1("jhu-clsp/rank1-7b-awq", 7'615'616'512, 544'997'376, false, Precision::kInt4, kMit),
    rank1("jhu-clsp/rank1-llama3-8b", 8'030'261'248, 525'336'576, false, Precision::kBf16, kMit),
    rank1("jhu-clsp/rank1-llama3-8b-awq", 8'030'261'248, 525'336'576, false, Precision::kInt4, kMit),
    rank1("jhu-clsp/rank1-14b", 14'770'033'664, 778'567'680, false, Precision::kBf16, kMit),
    rank1("jhu-clsp/rank1-14b-awq", 14'770'033'664, 778'567'680, false, Precision::kInt4, kMit),
    rank1("jhu-clsp/rank1-mistral-2501-24b", 23'572'403'200, 671'088'640, false, Precision::kBf16, kMit),
    rank1("jhu-clsp/rank1-mistral-2501-24b-awq", 23'572'403'200, 671'088'640, false, Precision::kInt4, kMit),
    rank1("jhu-clsp/rank1-32b", 32'763'876'352, 778'567'680, false, Precision::kBf16, kMit),
    rank1("jhu-clsp/rank1-32b-awq", 32'763'876'352, 778'567'680, false, Precision::kInt4, kMit),
};

// With the scales of groups of 128 weights.
double bits_of(Precision precision) {
  switch (precision) {
    case Precision::kF32:
      return 32;
    case Precision::kBf16:
      return 16;
    case Precision::kInt8:
      return 8.2;
    case Precision::kInt4:
      return 4.2;
  }
  return 32;
}

std::uint64_t bytes(std::uint64_t numbers, double bits) {
  return static_cast<std::uint64_t>(static_cast<double>(numbers) * bits / 8);
}

// Tables are never integers, nor are vocabularies in what is published.
double bits_of_tables(Precision precision) {
  return precision == Precision::kF32 ? 32 : 16;
}

// `rerank quantize` makes integers of 8 bits of a vocabulary that is read.
double bits_of_vocabulary(const CatalogueEntry& entry, Precision precision) {
  const bool made_here =
      entry.stored != Precision::kInt4 && precision != Precision::kF32 && precision != Precision::kBf16;
  return made_here ? bits_of(Precision::kInt8) : bits_of_tables(precision);
}

// Numbers in linear layers: those that are neither the table nor a vocabulary of its own.
std::uint64_t linear_numbers(const CatalogueEntry& entry) {
  return entry.parameters - entry.table - (entry.tied ? 0 : entry.table);
}

}  // namespace

std::span<const CatalogueEntry> catalogue() {
  return kCatalogue;
}

std::uint64_t download_bytes(const CatalogueEntry& entry) {
  return bytes(linear_numbers(entry), bits_of(entry.stored)) +
         bytes(entry.parameters - linear_numbers(entry), bits_of_tables(entry.stored));
}

std::uint64_t memory_bytes(const CatalogueEntry& entry, Precision precision) {
  std::uint64_t sum = kEverythingElse + bytes(linear_numbers(entry), bits_of(precision));
  if (entry.reads_vocabulary) sum += bytes(entry.table, bits_of_vocabulary(entry, precision));
  if (entry.method == kReasons) sum += kReasoningBytes;
  return sum;
}

}  // namespace rerank::cli
