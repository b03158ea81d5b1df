#include "models/config_values.h"

#include <fmt/format.h>

#include "base/try.h"

namespace rerank::models {

Result<std::size_t> read_size(const io::Json& config, std::string_view key, std::size_t most) {
  RERANK_ASSIGN(const io::Json value, config.get(key));
  RERANK_ASSIGN(const std::int64_t number, value.integer());
  if (number < 1 || static_cast<std::size_t>(number) > most)
    return value.error(Error::Code::kCorrupt, fmt::format("is {}, expected 1 to {}", number, most));
  return static_cast<std::size_t>(number);
}

Result<std::size_t> read_size_or(const io::Json& config, std::string_view key, std::size_t most, std::size_t fallback) {
  if (!config.find(key)) return fallback;
  return read_size(config, key, most);
}

Result<float> read_number(const io::Json& config, std::string_view key, double least) {
  RERANK_ASSIGN(const io::Json value, config.get(key));
  RERANK_ASSIGN(const double number, value.number());
  if (!(number >= least && number < 1e9))
    return value.error(Error::Code::kCorrupt, fmt::format("is {}, expected a number of at least {}", number, least));
  return static_cast<float>(number);
}

}  // namespace rerank::models
