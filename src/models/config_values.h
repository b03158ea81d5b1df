// Values of config.json, believed only within bounds. No published model comes near them; a file that does is broken or
// hostile.
#pragma once

#include <cstddef>
#include <string_view>

#include "io/json.h"
#include "rerank/error.h"

namespace rerank::models {

inline constexpr std::size_t kMostLayers = 1 << 10, kWidest = 1 << 18, kMostHeads = 1 << 12, kMostRows = 1 << 26;

// 1 .. `most`; else kCorrupt.
Result<std::size_t> read_size(const io::Json& config, std::string_view key, std::size_t most);
// The same where the key may be absent.
Result<std::size_t> read_size_or(const io::Json& config, std::string_view key, std::size_t most, std::size_t fallback);
// A finite number of at least `least`; else kCorrupt.
Result<float> read_number(const io::Json& config, std::string_view key, double least);

}  // namespace rerank::models
