#include "retrieval/bm25.h"

#include <algorithm>
#include <cmath>

namespace rerank::retrieval {
namespace {

// As trec_eval ranks, so that a run says the same whoever sorts it.
bool is_better(const Bm25::Hit& a, const Bm25::Hit& b) {
  return a.score != b.score ? a.score > b.score : a.passage_id > b.passage_id;
}

}  // namespace

Bm25::Bm25(const std::vector<std::vector<std::string>>& queries, const Bm25Options& options)
    : options_(options), scores_(queries.size(), 0.0F), best_(queries.size()) {
  for (std::size_t query_idx = 0; query_idx < queries.size(); ++query_idx) {
    for (const std::string& text : queries[query_idx]) {
      const auto [at, is_new] = term_of_.try_emplace(text, static_cast<std::uint32_t>(terms_.size()));
      if (is_new) terms_.emplace_back();
      auto& in_queries = terms_[at->second].queries;
      if (in_queries.empty() || in_queries.back().first != query_idx)
        in_queries.emplace_back(static_cast<std::uint32_t>(query_idx), 0.0F);
      in_queries.back().second += 1;
    }
  }
}

void Bm25::count(const std::vector<std::string>& passage_terms) {
  ++passages_;
  total_terms_ += passage_terms.size();
  for (const std::string& text : passage_terms) {
    const auto at = term_of_.find(text);
    if (at == term_of_.end()) continue;
    Term& term = terms_[at->second];
    if (term.last_passage == passages_) continue;
    term.last_passage = passages_;
    ++term.document_frequency;
  }
}

void Bm25::finish_counting() {
  is_counted_ = true;
  for (Term& term : terms_) {
    const auto df = static_cast<double>(term.document_frequency);
    term.idf = static_cast<float>(std::log(1 + (static_cast<double>(passages_) - df + 0.5) / (df + 0.5)));
  }
}

void Bm25::score(const std::string& passage_id, const std::vector<std::string>& passage_terms) {
  if (!is_counted_) finish_counting();
  found_.clear();
  for (const std::string& text : passage_terms) {
    const auto at = term_of_.find(text);
    if (at == term_of_.end()) continue;
    if (terms_[at->second].frequency++ == 0) found_.push_back(at->second);
  }
  const double mean_length =
      static_cast<double>(total_terms_) / static_cast<double>(std::max<std::uint64_t>(passages_, 1));
  const double relative = mean_length > 0 ? static_cast<double>(passage_terms.size()) / mean_length : 1;
  const double norm = options_.k1 * (1 - options_.b + options_.b * relative);
  // In a fixed order of the terms, so that a score does not depend on where they stand in the passage.
  std::sort(found_.begin(), found_.end());
  touched_.clear();
  for (const std::uint32_t term_idx : found_) {
    Term& term = terms_[term_idx];
    const double tf = term.frequency;
    const auto weight = static_cast<float>(term.idf * tf / (tf + norm));
    term.frequency = 0;
    for (const auto& [query_idx, times] : term.queries) {
      if (scores_[query_idx] == 0) touched_.push_back(query_idx);
      scores_[query_idx] += times * weight;
    }
  }
  for (const std::uint32_t query_idx : touched_) {
    offer(query_idx, scores_[query_idx], passage_id);
    scores_[query_idx] = 0;
  }
}

void Bm25::offer(std::uint32_t query_idx, float score, const std::string& passage_id) {
  std::vector<Hit>& heap = best_[query_idx];
  if (heap.size() == options_.top_k) {
    if (score < heap.front().score || (score == heap.front().score && passage_id < heap.front().passage_id)) return;
    std::pop_heap(heap.begin(), heap.end(), is_better);
    heap.pop_back();
  }
  heap.push_back({score, passage_id});
  std::push_heap(heap.begin(), heap.end(), is_better);
}

std::vector<Bm25::Hit> Bm25::take(std::size_t query_idx) {
  std::vector<Hit> hits = std::move(best_[query_idx]);
  std::sort(hits.begin(), hits.end(), is_better);
  return hits;
}

}  // namespace rerank::retrieval
