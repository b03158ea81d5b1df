// Self-made tokenizers and checkpoints for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "io/checkpoint.h"
#include "tokenizer/test_tokenizers.h"
#include "tokenizer/tokenizer.h"

namespace rerank::scoring::testing {

// One token a byte but for a few merges of "a", "b" and "c"; <s> and </s>, which takes in the spaces before it.
inline constexpr std::int32_t kOpen = 263, kClose = 264;
inline tokenizer::Tokenizer byte_tokenizer() {
  return tokenizer::Tokenizer::parse(tokenizer::testing::byte_level_json().text(), "tokenizer.json").value();
}

// A checkpoint without tensors. What open() gives borrows from it.
class MemoryCheckpoint {
 public:
  explicit MemoryCheckpoint(std::string config, std::string tokenizer_config = "{}")
      : config_(std::move(config)), tokenizer_config_(std::move(tokenizer_config)) {}

  io::Checkpoint open() const {
    static constexpr char kNoTensors[] = "\x02\0\0\0\0\0\0\0{}";
    auto checkpoint = io::Checkpoint::from_memory(
        {"tiny", config_, std::as_bytes(std::span(kNoTensors, sizeof kNoTensors - 1)), "{}", tokenizer_config_});
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.error().message();
    return std::move(checkpoint).value();
  }

 private:
  std::string config_, tokenizer_config_;
};

}  // namespace rerank::scoring::testing
