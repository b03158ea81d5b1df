// BM25 of a list of queries over passages that stream by, twice: nothing of a passage is kept but its id where it is
// among a query's best, so memory grows with the queries and not with the corpus.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rerank::retrieval {

struct Bm25Options {
  double k1 = 0.9, b = 0.4;  // those of the published baselines (Anserini, Pyserini)
  std::size_t top_k = 100;   // passages kept for each query
};

// Lucene's formula: the sum over a query's terms, as often as each is in the query, of
//   ln(1 + (N - df + 0.5) / (df + 0.5)) * tf / (tf + k1 * (1 - b + b * length / mean length))
// with lengths in terms. First every passage is given to count(), then, in any order, again to score().
class Bm25 {
 public:
  struct Hit {
    float score = 0;
    std::string passage_id;
  };

  // queries: their terms.
  Bm25(const std::vector<std::vector<std::string>>& queries, const Bm25Options& options);

  void count(const std::vector<std::string>& passage_terms);
  void score(const std::string& passage_id, const std::vector<std::string>& passage_terms);

  // The best passages of a query, best first, equal scores by falling id; none that shares no term with it. May be
  // taken once.
  std::vector<Hit> take(std::size_t query_idx);

  std::uint64_t passages() const { return passages_; }

 private:
  struct Term {
    std::uint64_t document_frequency = 0;
    std::uint64_t last_passage = 0;  // the passage that raised it last, counted from 1
    float idf = 0;
    std::vector<std::pair<std::uint32_t, float>> queries;  // with how often the term is in each
    std::uint32_t frequency = 0;                           // in the passage being scored
  };
  void finish_counting();
  void offer(std::uint32_t query_idx, float score, const std::string& passage_id);

  Bm25Options options_;
  std::unordered_map<std::string, std::uint32_t> term_of_;
  std::vector<Term> terms_;
  std::uint64_t passages_ = 0, total_terms_ = 0;
  bool is_counted_ = false;
  std::vector<std::uint32_t> found_, touched_;  // terms and queries of the passage being scored
  std::vector<float> scores_;                   // [queries]
  std::vector<std::vector<Hit>> best_;          // [queries]: heaps, the worst at the front
};

}  // namespace rerank::retrieval
