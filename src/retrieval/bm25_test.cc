#include "retrieval/bm25.h"

#include <gtest/gtest.h>

#include <cmath>

namespace rerank::retrieval {
namespace {

using Terms = std::vector<std::string>;
const std::vector<std::pair<std::string, Terms>> kPassages = {{"d1", {"red", "red", "car"}},
                                                              {"d2", {"blue", "car"}},
                                                              {"d3", {"sky", "blue", "sea", "blue"}},
                                                              {"d4", {}},
                                                              {"d5", {"sea"}}};

Bm25 searched(const std::vector<Terms>& queries, const Bm25Options& options) {
  Bm25 bm25(queries, options);
  for (const auto& [id, terms] : kPassages) bm25.count(terms);
  for (const auto& [id, terms] : kPassages) bm25.score(id, terms);
  return bm25;
}

TEST(Bm25, IsTheFormula) {
  Bm25 bm25 = searched({{"red", "car", "red"}, {"nothing"}, {}}, {.k1 = 0.9, .b = 0.4, .top_k = 10});
  const auto hits = bm25.take(0);
  ASSERT_EQ(hits.size(), 2U);
  const auto idf = [](double df) { return std::log(1 + (5 - df + 0.5) / (df + 0.5)); };
  const auto weight = [](double tf, double length) { return tf / (tf + 0.9 * (0.6 + 0.4 * length / 2.0)); };
  EXPECT_EQ(hits[0].passage_id, "d1");
  EXPECT_NEAR(hits[0].score, 2 * idf(1) * weight(2, 3) + idf(2) * weight(1, 3), 1e-6);
  EXPECT_EQ(hits[1].passage_id, "d2");
  EXPECT_NEAR(hits[1].score, idf(2) * weight(1, 2), 1e-6);
  EXPECT_TRUE(bm25.take(1).empty());
  EXPECT_TRUE(bm25.take(2).empty());
}

TEST(Bm25, KeepsTheBestOfEachQueryWhateverTheOrder) {
  std::vector<std::pair<std::string, Terms>> passages;
  for (int n = 0; n < 60; ++n) {
    Terms terms(static_cast<std::size_t>(n % 7 + 1), "x");  // many equal scores
    terms.resize(10, "pad");
    passages.emplace_back(std::string("p").append(std::to_string(n)), terms);
  }
  const auto search = [&](std::size_t top_k, bool backwards) {
    Bm25 bm25({{"x"}}, {.top_k = top_k});
    for (const auto& [id, terms] : passages) bm25.count(terms);
    for (std::size_t i = 0; i < passages.size(); ++i) {
      const auto& [id, terms] = passages[backwards ? passages.size() - 1 - i : i];
      bm25.score(id, terms);
    }
    return bm25.take(0);
  };
  const auto all = search(100, false);
  ASSERT_EQ(all.size(), 60U);
  for (const bool backwards : {false, true})
    for (const std::size_t top_k : {std::size_t{1}, std::size_t{13}, std::size_t{60}}) {
      const auto some = search(top_k, backwards);
      ASSERT_EQ(some.size(), top_k);
      for (std::size_t i = 0; i < top_k; ++i) {
        EXPECT_EQ(some[i].passage_id, all[i].passage_id);
        EXPECT_EQ(some[i].score, all[i].score);
      }
    }
}

}  // namespace
}  // namespace rerank::retrieval
