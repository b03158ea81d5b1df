// Where the reference data lies, if it is there at all: a clone without it must pass its tests too.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace rerank::testing {

// The folder with golden checkpoints, tokenizers and collections; RERANK_SHARED_DIR in the environment moves it.
inline std::filesystem::path shared_dir() {
  const char* from_environment = std::getenv("RERANK_SHARED_DIR");
  return from_environment != nullptr ? from_environment : RERANK_SHARED_DIR;
}

}  // namespace rerank::testing

// Skips a test, and says so, where the reference data are not on this machine.
#define RERANK_NEED_SHARED(relative)                                                  \
  do {                                                                                \
    if (!std::filesystem::exists(::rerank::testing::shared_dir() / (relative)))       \
      GTEST_SKIP() << "needs reference data that is not here: shared/" << (relative); \
  } while (0)
