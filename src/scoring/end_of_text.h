// The tokens with which a model says that its text is over.
#pragma once

#include <cstdint>
#include <vector>

#include "io/checkpoint.h"
#include "rerank/error.h"

namespace rerank::scoring {

// "eos_token_id" of generation_config.json or, where that does not speak of it, of config.json: one id, a list, or null
// for none. kCorrupt for anything else, and for an id that is not below `vocabulary`.
// Source: GenerationConfig.from_model_config in transformers.
Result<std::vector<std::int32_t>> read_end_of_text(const io::Checkpoint& checkpoint, std::size_t vocabulary);

}  // namespace rerank::scoring
