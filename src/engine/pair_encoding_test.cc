#include "engine/pair_encoding.h"

#include <gtest/gtest.h>

#include <atomic>

namespace rerank {
namespace {

// The ids of a pair are the length of its passage. Counts how often a worker began with a query.
class Lengths final : public scoring::PairEncoder {
 public:
  Result<scoring::EncodedQuery> encode_query(std::string_view query) const override {
    ++queries;
    scoring::EncodedQuery encoded;
    encoded.text = query;
    return encoded;
  }
  Result<scoring::EncodedPair> encode(const scoring::EncodedQuery&, std::string_view passage) const override {
    if (passage == "bad") return Error{Error::Code::kBadInput, "is bad", "the passage", ""};
    scoring::EncodedPair pair;
    pair.ids = {static_cast<std::int32_t>(passage.size())};
    return pair;
  }
  mutable std::atomic<int> queries{0};
};

// How many parts the workers get of so many passages with one query.
int parts_of(std::size_t count, std::size_t bytes) {
  const std::string passage(bytes, 'x');
  const std::vector<Pair> pairs(count, {"query", passage});
  Lengths encoder;
  WorkerPool workers(2);
  const auto encoded = encode_pairs(pairs, encoder, workers, {});
  EXPECT_EQ(encoded.size(), count);
  for (const auto& pair : encoded) EXPECT_EQ(pair.value().ids, std::vector{static_cast<std::int32_t>(bytes)});
  return encoder.queries;
}

TEST(PairEncoding, AWorkerTakesManyShortPairsOrALongOne) {
  EXPECT_EQ(parts_of(0, 1), 0);
  EXPECT_EQ(parts_of(32, 1), 1);
  EXPECT_EQ(parts_of(33, 1), 2);
  EXPECT_EQ(parts_of(3, 300'000), 3);
  EXPECT_EQ(parts_of(4, 150'000), 2);
}

TEST(PairEncoding, ErrorsNameTheirPair) {
  const std::vector<Pair> pairs = {{"q", "good"}, {"q", "bad"}};
  WorkerPool workers(1);
  const auto encoded = encode_pairs(pairs, Lengths(), workers, {});
  EXPECT_TRUE(encoded[0].ok());
  EXPECT_EQ(encoded[1].error().where, "pair 1, the passage");
}

TEST(PairEncoding, WhatIsStoppedIsNotEncoded) {
  std::stop_source stop;
  stop.request_stop();
  const std::vector<Pair> pairs(2, {"q", "p"});
  Lengths encoder;
  WorkerPool workers(1);
  for (const auto& pair : encode_pairs(pairs, encoder, workers, stop.get_token())) EXPECT_FALSE(pair.ok());
  EXPECT_EQ(encoder.queries, 0);
}

}  // namespace
}  // namespace rerank
