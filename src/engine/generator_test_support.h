// A checkpoint, loaded to generate with.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>

#include "engine/generator.h"
#include "io/checkpoint.h"
#include "kernels/level.h"

namespace rerank::testing {

struct GeneratingModel {
  io::Checkpoint checkpoint;
  tokenizer::Tokenizer tokenizer;
  models::LoadedDecoder model;

  static GeneratingModel load(const std::filesystem::path& folder,
                              const kernels::KernelTable& table = *kernels::levels_on_this_cpu().front()->table,
                              kernels::Element element = kernels::Element::kF32) {
    auto checkpoint = value_of(io::Checkpoint::open(folder));
    auto tokenizer = value_of(tokenizer::Tokenizer::parse(value_of(checkpoint.tokenizer_json()), "tokenizer.json"));
    auto model =
        value_of(models::load_decoder(checkpoint, kernels::Ops(table, element), {.reads = models::Reads::kVocabulary}));
    return {std::move(checkpoint), std::move(tokenizer), std::move(model)};
  }

  std::vector<std::int32_t> encode(std::string_view text) const { return value_of(tokenizer.encode_ids(text)); }
  std::size_t block_bytes() const { return model.decoder->layers() * model.decoder->kv_page_bytes(); }

  template <class T>
  static T value_of(Result<T> result) {
    if (!result.ok()) throw std::runtime_error(result.error().message());
    return std::move(result).value();
  }
};

// Bit for bit.
inline void expect_equal_steps(const GenerationStep& a, const GenerationStep& b) {
  EXPECT_EQ(a.token, b.token);
  EXPECT_EQ(a.watched, b.watched);
  EXPECT_EQ(a.watched_rank, b.watched_rank);
  EXPECT_EQ(a.top, b.top);
}

inline void expect_equal_results(const std::vector<Result<Generation>>& a, const std::vector<Result<Generation>>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    SCOPED_TRACE(i);
    ASSERT_TRUE(a[i].ok()) << a[i].error().message();
    ASSERT_TRUE(b[i].ok()) << b[i].error().message();
    const Generation &x = a[i].value(), &y = b[i].value();
    EXPECT_EQ(x.text, y.text);
    EXPECT_EQ(x.finish, y.finish);
    EXPECT_EQ(x.stop, y.stop);
    expect_equal_steps(x.next, y.next);
    ASSERT_EQ(x.steps.size(), y.steps.size());
    for (std::size_t s = 0; s < x.steps.size(); ++s) expect_equal_steps(x.steps[s], y.steps[s]);
  }
}

}  // namespace rerank::testing
