// What stands behind a ModelTokenizer.
#pragma once

#include <memory>

#include "rerank/engine.h"
#include "tokenizer/tokenizer.h"

namespace rerank {

struct ModelTokenizer::Impl {
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;  // of its own, or part of a loaded model that it keeps alive
};

}  // namespace rerank
