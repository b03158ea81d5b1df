#include "dialects/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/try.h"
#include "dialects/refusal.h"

namespace rerank::dialects {
namespace {

// How often a text is shortened anew when its tokens, cut loose, turn out to be more than before.
constexpr int kMostTries = 4;

// What became of a pair of the request: neighbouring pairs of the fitted job, and tokens that are in none of them.
struct Piecewise {
  std::size_t first = 0, count = 1;
  std::uint32_t left_out = 0;
};

// The best piece's score, and the work of all.
Result<Score> best_of(const Piecewise& pair, std::span<const Result<Score>> all) {
  const auto scores = all.subspan(pair.first, pair.count);
  std::size_t best = 0;
  Score sum;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!scores[i].ok()) return scores[i].error();
    if (scores[i].value().value > scores[best].value().value) best = i;
    sum.tokens += scores[i].value().tokens;
    sum.cut_tokens += scores[i].value().cut_tokens;
    sum.new_tokens += scores[i].value().new_tokens;
  }
  Score score = scores[best].value();
  score.tokens = sum.tokens;
  score.cut_tokens = sum.cut_tokens + pair.left_out;
  score.new_tokens = sum.new_tokens;
  return score;
}

// None where a piece is missing.
std::vector<std::optional<Result<Score>>> best_of_some(const std::vector<Piecewise>& pairs, PartOfScores scores) {
  std::vector<std::optional<Result<Score>>> best;
  best.reserve(pairs.size());
  for (const Piecewise& pair : pairs) {
    std::vector<Result<Score>> pieces;
    for (const auto& score : scores.subspan(pair.first, pair.count))
      if (score) pieces.push_back(*score);
    if (pieces.size() < pair.count) {
      best.emplace_back();
    } else {
      best.emplace_back(best_of({0, pair.count, pair.left_out}, pieces));
    }
  }
  return best;
}

std::vector<Result<Score>> best_of_each(const std::vector<Piecewise>& pairs, std::span<const Result<Score>> scores) {
  std::vector<Result<Score>> best;
  best.reserve(pairs.size());
  for (const Piecewise& pair : pairs) best.push_back(best_of(pair, scores));
  return best;
}

class Fitter {
 public:
  Fitter(ScoreJob job, const TextTools& tools) : job_(std::move(job)), tools_(tools) {
    for (std::size_t i = 0; i < job_.pairs.size(); ++i) origin_.push_back({i});
  }

  // Of the lengths that the request names.
  Status shorten() {
    RERANK_TRY(shorten_queries());
    return job_.fitting.max_passage_tokens > 0 ? shorten_passages() : Status();
  }

  struct TooLong {
    std::size_t pair_idx;
    std::uint32_t tokens, limit;
  };
  // The first pair that would be cut.
  Result<std::optional<TooLong>> find_too_long() const {
    RERANK_ASSIGN(const auto lengths, measure(job_.pairs));
    for (std::size_t i = 0; i < lengths.size(); ++i)
      if (lengths[i].cut_tokens > 0)
        return std::optional(TooLong{i, lengths[i].tokens + lengths[i].cut_tokens, lengths[i].tokens});
    return std::optional<TooLong>();
  }

  Result<ScoreJob> run() {
    if (job_.fitting.chunk) {
      RERANK_TRY(make_chunks());
    } else if (job_.fitting.keep_end) {
      RERANK_TRY(keep_ends());
    }
    job_.fitting = {};
    job_.answer = [answer = std::move(job_.answer), origin = origin_](std::span<const Result<Score>> scores,
                                                                      const ModelInfo& model) {
      return answer(best_of_each(origin, scores), model);
    };
    if (job_.answer_partly)
      job_.answer_partly = [answer = std::move(job_.answer_partly), origin = origin_](PartOfScores scores,
                                                                                      const ModelInfo& model) {
        return answer(best_of_some(origin, scores), model);
      };
    if (job_.events) fit_events();
    return std::move(job_);
  }

 private:
  using PairOfTexts = ScoreJob::PairOfTexts;

  Result<std::vector<PairTokens>> measure(const std::vector<PairOfTexts>& pairs) const {
    std::vector<Pair> texts;
    for (const PairOfTexts& pair : pairs) texts.push_back({job_.texts[pair.query], job_.texts[pair.passage]});
    RERANK_ASSIGN(const auto measured, tools_.measure(texts, job_.options));
    std::vector<PairTokens> lengths;
    for (const auto& length : measured) {
      RERANK_TRY(length);
      lengths.push_back(length.value());
    }
    return lengths;
  }

  // Beside this query, with a passage of no text.
  Result<std::size_t> room_beside(const PairOfTexts& pair, const PairTokens& whole) const {
    const Pair empty{job_.texts[pair.query], ""};
    RERANK_ASSIGN(const auto measured, tools_.measure({&empty, 1}, job_.options));
    RERANK_TRY(measured[0]);
    const std::size_t tokens = measured[0].value().tokens;
    return whole.tokens > tokens ? std::size_t{whole.tokens} - tokens : std::size_t{1};
  }

  // Texts are shared between pairs; a changed one is a text of its own.
  std::uint32_t add_text(std::string text) {
    job_.texts.push_back(std::move(text));
    return static_cast<std::uint32_t>(job_.texts.size() - 1);
  }

  Status shorten_queries() {
    if (job_.fitting.max_query_tokens == 0) return {};
    const std::size_t most = job_.fitting.max_query_tokens;
    std::optional<std::uint32_t> last;
    std::uint32_t shorter = 0, left_out = 0;
    for (std::size_t i = 0; i < job_.pairs.size(); ++i) {
      PairOfTexts& pair = job_.pairs[i];
      if (last != pair.query) {
        last = pair.query;
        const std::string& text = job_.texts[pair.query];
        RERANK_ASSIGN(const FirstTokens first, first_tokens(text, most, tools_.tokens));
        const bool is_long = first.count > most;
        shorter = is_long ? add_text(text.substr(0, first.end)) : pair.query;
        left_out = is_long ? static_cast<std::uint32_t>(first.count - most) : 0;
      }
      pair.query = shorter;
      origin_[i].left_out += left_out;
    }
    return {};
  }

  Status shorten_passages() {
    const std::size_t most = job_.fitting.max_passage_tokens;
    for (std::size_t i = 0; i < job_.pairs.size(); ++i) {
      PairOfTexts& pair = job_.pairs[i];
      const std::string& text = job_.texts[pair.passage];
      std::size_t count = 0;
      std::string shorter;
      if (job_.fitting.keep_end) {
        RERANK_ASSIGN(const LastTokens last, last_tokens(text, most, tools_.tokens));
        count = last.count;
        if (count > most) shorter = text.substr(last.begins.front());
      } else {
        RERANK_ASSIGN(const FirstTokens first, first_tokens(text, most, tools_.tokens));
        count = first.count;
        if (count > most) shorter = text.substr(0, first.end);
      }
      if (count <= most) continue;
      origin_[i].left_out += static_cast<std::uint32_t>(count - most);
      pair.passage = add_text(std::move(shorter));
    }
    return {};
  }

  Status keep_ends() {
    RERANK_ASSIGN(const auto lengths, measure(job_.pairs));
    for (std::size_t i = 0; i < job_.pairs.size(); ++i) {
      if (lengths[i].cut_tokens == 0) continue;
      PairOfTexts& pair = job_.pairs[i];
      RERANK_ASSIGN(std::size_t room, room_beside(pair, lengths[i]));
      const std::string text = job_.texts[pair.passage];
      RERANK_ASSIGN(const LastTokens last, last_tokens(text, room, tools_.tokens));
      PairOfTexts shorter{pair.query, add_text("")};
      std::size_t kept = 0;
      for (int tries = 0; tries < kMostTries && room > 0; ++tries) {
        kept = std::min(room, last.begins.size());
        job_.texts[shorter.passage] = kept == 0 ? std::string() : text.substr(last.begins[last.begins.size() - kept]);
        RERANK_ASSIGN(const auto length, measure({shorter}));
        if (length[0].cut_tokens == 0) break;
        room -= std::min<std::size_t>(room, length[0].cut_tokens);
      }
      pair = shorter;
      origin_[i].left_out += static_cast<std::uint32_t>(last.count - kept);
    }
    return {};
  }

  // Every passage that is too long becomes pieces that overlap, and the best of them counts.
  Status make_chunks() {
    RERANK_ASSIGN(const auto lengths, measure(job_.pairs));
    std::vector<PairOfTexts> pairs;
    for (std::size_t i = 0; i < job_.pairs.size(); ++i) {
      const PairOfTexts pair = job_.pairs[i];
      origin_[i].first = pairs.size();
      if (lengths[i].cut_tokens == 0 && job_.fitting.chunk_tokens == 0) {
        pairs.push_back(pair);
      } else {
        RERANK_TRY(cut_up(pair, lengths[i], pairs, origin_[i].left_out));
      }
      origin_[i].count = pairs.size() - origin_[i].first;
    }
    job_.pairs = std::move(pairs);
    return {};
  }

  // Single chunks are nobody's business: of them only the end is told.
  void fit_events() {
    if (job_.pairs.size() != origin_.size()) {
      job_.events->reasoning = {};
      job_.events->scored = {};
    } else if (job_.events->scored) {
      job_.events->scored = [scored = std::move(job_.events->scored), origin = origin_](
                                std::size_t pair_idx, const Result<Score>& score, const ModelInfo& model) {
        return scored(pair_idx, best_of({0, 1, origin[pair_idx].left_out}, {&score, 1}), model);
      };
    }
    job_.events->last = [last = std::move(job_.events->last), origin = origin_](std::span<const Result<Score>> scores,
                                                                                const ModelInfo& model) {
      return last(best_of_each(origin, scores), model);
    };
    job_.events->last_partly = [last = std::move(job_.events->last_partly), origin = origin_](PartOfScores scores,
                                                                                              const ModelInfo& model) {
      return last(best_of_some(origin, scores), model);
    };
  }

  Status cut_up(const PairOfTexts& pair, const PairTokens& whole, std::vector<PairOfTexts>& pairs,
                std::uint32_t& left_out) {
    std::size_t size = job_.fitting.chunk_tokens;
    if (whole.cut_tokens > 0) {
      RERANK_ASSIGN(const std::size_t room, room_beside(pair, whole));
      size = size == 0 ? room : std::min(size, room);
    }
    const std::string text = job_.texts[pair.passage];
    const ChunkShape shape{size, std::min(job_.fitting.chunk_overlap, size - 1), job_.fitting.max_chunks};
    RERANK_ASSIGN(const Chunks chunks, find_chunks(text, shape, tools_.tokens, [&](std::size_t bytes) -> Status {
                    chunk_bytes_ += tools_.bytes_per_pair + bytes;
                    if (chunk_bytes_ <= tools_.max_chunk_bytes) return {};
                    return Error{Error::Code::kOutOfMemory, "its chunks take more memory than there is for a request",
                                 "request", "let them be larger, fewer, or overlap less"};
                  }));
    left_out += static_cast<std::uint32_t>(chunks.tokens_left_out);
    if (chunks.count <= size) {
      pairs.push_back(pair);
      return {};
    }
    for (const auto& [begin, end] : chunks.bytes)
      pairs.push_back({pair.query, add_text(text.substr(begin, end - begin))});
    return {};
  }

  ScoreJob job_;
  const TextTools& tools_;
  std::vector<Piecewise> origin_;  // [pairs of the request]
  std::size_t chunk_bytes_ = 0;
};

std::string say_too_long(Dialect dialect, const Fitter::TooLong& pair) {
  if (dialect == Dialect::kTei)
    return fmt::format("Input validation error: `inputs` must have less than {} tokens. Given: {}", pair.limit,
                       pair.tokens);
  return fmt::format(
      "This model's maximum context length is {} tokens. However, query and document {} have {} tokens together. "
      "Shorten the document, or allow it to be cut.",
      pair.limit, pair.pair_idx, pair.tokens);
}

}  // namespace

std::variant<ScoreJob, HttpResponse> fit(ScoreJob job, const HttpRequest& request, const TextTools& tools) {
  if (!job.fitting.needed()) return job;
  const bool refuse_cut = job.fitting.refuse_cut && !job.fitting.chunk;
  Fitter fitter(std::move(job), tools);
  if (const Status shortened = fitter.shorten(); !shortened.ok()) return refuse(request, failure_of(shortened.error()));
  if (refuse_cut) {
    const auto pair = fitter.find_too_long();
    if (!pair.ok()) return refuse(request, failure_of(pair.error()));
    if (pair.value()) {
      const Dialect dialect = dialect_of(request);
      return refuse(dialect, request, {Failure::Kind::kTooLong, say_too_long(dialect, *pair.value())});
    }
  }
  auto fitted = fitter.run();
  if (!fitted.ok() && fitted.error().code == Error::Code::kOutOfMemory)
    return refuse(request, {Failure::Kind::kTooLarge, fitted.error().message()});
  if (!fitted.ok()) return refuse(request, failure_of(fitted.error()));
  return std::move(fitted).value();
}

}  // namespace rerank::dialects
