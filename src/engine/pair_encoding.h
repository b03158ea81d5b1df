// The part of a call that all methods share: texts to token ids, on the workers.
#pragma once

#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/worker_pool.h"
#include "rerank/engine.h"
#include "scoring/pair_encoder.h"

namespace rerank {

// One result a pair; errors say which pair it is. Pairs that are not encoded when a stop is requested are stopped().
std::vector<Result<scoring::EncodedPair>> encode_pairs(std::span<const Pair> pairs, const scoring::PairEncoder& encoder,
                                                       WorkerPool& workers, const std::stop_token& stop);

// How long they are.
std::vector<Result<PairTokens>> lengths_of(std::span<const Result<scoring::EncodedPair>> encoded);

// The error of pair `pair_idx` whose score is not finite.
Error not_finite(std::size_t pair_idx, double score);
// `error` of a forward pass as the error of pair `pair_idx`.
Error at_pair(std::size_t pair_idx, const Error& error);
// Makes an error of pair `from` one of pair `to`.
void renumber_pair(Error& error, std::size_t from, std::size_t to);

// Of what ScoreOptions::stop left undone.
Error stopped();

double sigmoid(double logit);

}  // namespace rerank
