#include "models/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/try.h"

namespace rerank::models {

Vocabulary::Vocabulary(kernels::PackedWeight weight, const DecoderConfig& config)
    : weight_(std::make_shared<const kernels::Weight<VocabularyRows, Hidden>>(std::move(weight))),
      size_(config.vocabulary),
      hidden_(config.hidden),
      state_scale_(config.logit_scale),
      softcap_(config.final_softcap) {}

Result<Vocabulary> Vocabulary::load(const io::Tensor& matrix, const DecoderConfig& config, const LoadOptions& options) {
  std::vector<std::int32_t> rows(config.vocabulary);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int32_t>(i);
  const auto pack = [&] { return load_rows(matrix, rows, config.hidden, options); };
  RERANK_ASSIGN(auto packed, find_or_pack(options.cache, matrix.name, rows.size(), config.hidden,
                                          kernels::format_of(options.element), pack));
  io::release(matrix);
  return Vocabulary(std::move(packed), config);
}

Result<Vocabulary> Vocabulary::load(const QuantizedMatrix& matrix, const DecoderConfig& config,
                                    const LoadOptions& options) {
  const auto row = [&](std::size_t r) { return QuantizedRow{&matrix, r}; };
  const auto pack = [&] {
    return pack_quantized(matrix.quantization, config.vocabulary, config.hidden, row, {}, options.threads, false);
  };
  RERANK_ASSIGN(auto packed, find_or_pack(options.cache, matrix.qweight.name, config.vocabulary, config.hidden,
                                          format_of(matrix.quantization), pack));
  matrix.release();
  return Vocabulary(std::move(packed), config);
}

// One walk over the vocabulary: stretches of it, each by one member of the team. What is kept of a stretch does not
// depend on who walked it: sums stay apart until all are there, and the best tokens and the ranks come from comparisons
// alone.
class Vocabulary::Survey {
 public:
  Survey(const Vocabulary& vocabulary, const kernels::Ops& ops, std::span<const Question> questions)
      : v_(vocabulary),
        ops_(ops.on(nullptr)),
        team_(ops.team()),
        questions_(questions),
        members_(ops.members()),
        stretches_((v_.weight_->out() / kernels::kPanel + kPanelsAtOnce - 1) / kPanelsAtOnce) {
    first_watched_.push_back(0);
    for (const Question& question : questions)
      first_watched_.push_back(first_watched_.back() + question.watched.size());
  }

  Status run(std::span<const float> states, kernels::Workspace& workspace, std::span<Answer> answers) {
    RERANK_TRY(workspace.reserve(carve(kernels::Carver(nullptr))));
    carve(workspace.carve());
    const std::size_t hidden = v_.hidden_;
    for (std::size_t r = 0; r < rows(); ++r) {
      float* x = x_.row(r).data();
      for (std::size_t i = 0; i < hidden; ++i) x[i] = v_.state_scale_ * states[r * hidden + i];
      std::fill(x + hidden, x + x_.stride, 0.0f);
    }
    ops_.to_tiles(x_, tiles_);
    find_watched();
    largest_.assign(stretches_ * rows(), -std::numeric_limits<float>::infinity());
    sums_.assign(stretches_ * rows(), 0.0f);
    walkers_.assign(members_, Walker{std::vector<std::size_t>(watched_.size()), std::vector<Row>(rows())});
    const auto walk = [this](std::size_t stretch, std::size_t member) { this->walk(stretch, member); };
    if (team_ != nullptr) {
      team_->run(stretches_, walk);
    } else {
      for (std::size_t stretch = 0; stretch < stretches_; ++stretch) walk(stretch, 0);
    }
    for (std::size_t r = 0; r < rows(); ++r) answers[r] = answer(r);
    return {};
  }

 private:
  static constexpr std::size_t kPanelsAtOnce = 64;  // 2,048 tokens: their logits for a block of rows stay in L2

  struct Candidate {
    float logit;
    std::int32_t id;
    bool operator<(const Candidate& other) const {  // is better
      return logit > other.logit || (logit == other.logit && id < other.id);
    }
  };
  struct Row {
    std::vector<Candidate> best;  // a heap, the worst one first
    bool unordered = false;       // a logit is no number
  };
  // What one member has seen.
  struct Walker {
    std::vector<std::size_t> likelier;  // [watched tokens of all rows]
    std::vector<Row> rows;
  };

  std::size_t rows() const { return questions_.size(); }

  std::size_t carve(kernels::Carver carver) {
    x_ = kernels::carve_acts<Hidden>(carver, rows(), v_.hidden_);
    tiles_ = kernels::carve_tiles<Hidden>(carver, rows(), v_.hidden_, ops_.activations());
    logits_.clear();
    for (std::size_t member = 0; member < members_; ++member)
      logits_.push_back(kernels::carve_acts<VocabularyRows>(carver, rows(), kPanelsAtOnce * kernels::kPanel));
    scratch_ = carver.take<float>(members_ * kernels::linear_scratch_floats());
    return carver.used();
  }

  // Logits of the panels from `first` on, capped; returns how many tokens they are.
  std::size_t compute_logits(std::size_t first, std::size_t panels, std::size_t member) {
    const auto& logits = logits_[member];
    ops_.linear_panels(tiles_, *v_.weight_, first, panels, logits,
                       scratch_ + member * kernels::linear_scratch_floats());
    const std::size_t count = std::min(panels * kernels::kPanel, v_.size_ - first * kernels::kPanel);
    for (std::size_t r = 0; r < rows() && v_.softcap_ > 0; ++r)
      for (float& logit : logits.row(r).first(count)) logit = v_.softcap_ * std::tanh(logit / v_.softcap_);
    return count;
  }

  // The watched tokens' own logits, first of all: their ranks are counted while the others go by.
  void find_watched() {
    std::vector<std::size_t> panels;
    for (const Question& question : questions_)
      for (const std::int32_t id : question.watched) panels.push_back(static_cast<std::size_t>(id) / kernels::kPanel);
    std::sort(panels.begin(), panels.end());
    panels.erase(std::unique(panels.begin(), panels.end()), panels.end());
    watched_.resize(first_watched_.back());
    for (const std::size_t panel : panels) {
      compute_logits(panel, 1, 0);
      for (std::size_t r = 0; r < rows(); ++r)
        for (std::size_t t = 0; t < questions_[r].watched.size(); ++t) {
          const auto id = static_cast<std::size_t>(questions_[r].watched[t]);
          if (id / kernels::kPanel == panel) watched_[first_watched_[r] + t] = logits_[0].row(r)[id % kernels::kPanel];
        }
    }
  }

  void walk(std::size_t stretch, std::size_t member) {
    const std::size_t first = stretch * kPanelsAtOnce, panels = v_.weight_->out() / kernels::kPanel;
    const std::size_t count = compute_logits(first, std::min(kPanelsAtOnce, panels - first), member);
    ops_.exp_sums(logits_[member], count, &largest_[stretch * rows()], &sums_[stretch * rows()]);
    for (std::size_t r = 0; r < rows(); ++r)
      look_at_row(r, logits_[member].row(r).first(count), first * kernels::kPanel, walkers_[member]);
  }

  // `logits` are those of the tokens from `first` on.
  void look_at_row(std::size_t r, std::span<const float> logits, std::size_t first, Walker& walker) const {
    const Question& question = questions_[r];
    Row& row = walker.rows[r];
    std::size_t unordered = 0;
    for (const float logit : logits) unordered += logit != logit;
    row.unordered = row.unordered || unordered > 0;
    for (std::size_t t = 0; t < question.watched.size() && question.with_ranks; ++t) {
      const auto id = static_cast<std::size_t>(question.watched[t]);
      const float own = watched_[first_watched_[r] + t];
      const std::size_t lower_ids = id > first ? std::min(id - first, logits.size()) : 0;
      std::size_t likelier = 0;
      for (const float logit : logits.first(lower_ids)) likelier += logit >= own;
      for (const float logit : logits.subspan(lower_ids)) likelier += logit > own;
      walker.likelier[first_watched_[r] + t] += likelier;
    }
    if (question.top == 0) return;
    constexpr std::size_t kGlance = 64;  // a piece without a better token costs comparisons alone
    for (std::size_t at = 0; at < logits.size(); at += kGlance) {
      const auto piece = logits.subspan(at, std::min(kGlance, logits.size() - at));
      const bool full = row.best.size() == question.top;
      const float worst = full ? row.best.front().logit : -std::numeric_limits<float>::infinity();
      std::size_t better = 0;
      for (const float logit : piece) better += logit > worst;
      if (full && better == 0) continue;  // ids rise: an equal one comes later, and loses
      for (std::size_t i = 0; i < piece.size(); ++i)
        offer({piece[i], static_cast<std::int32_t>(first + at + i)}, question.top, row.best);
    }
  }

  static void offer(const Candidate& candidate, std::size_t top, std::vector<Candidate>& best) {
    if (best.size() == top) {
      if (!(candidate < best.front())) return;
      std::pop_heap(best.begin(), best.end());
      best.pop_back();
    }
    best.push_back(candidate);
    std::push_heap(best.begin(), best.end());
  }

  Answer answer(std::size_t r) const {
    Answer answer;
    float largest = -std::numeric_limits<float>::infinity();
    for (std::size_t stretch = 0; stretch < stretches_; ++stretch)
      largest = std::max(largest, largest_[stretch * rows() + r]);
    double sum = 0;
    for (std::size_t stretch = 0; stretch < stretches_; ++stretch) {
      const std::size_t at = stretch * rows() + r;
      sum += static_cast<double>(sums_[at]) * std::exp(static_cast<double>(largest_[at]) - largest);
    }
    answer.log_sum_exp = static_cast<double>(largest) + std::log(sum);
    answer.finite = std::isfinite(answer.log_sum_exp);
    std::vector<Candidate> best;
    for (const Walker& walker : walkers_) {
      answer.finite = answer.finite && !walker.rows[r].unordered;
      best.insert(best.end(), walker.rows[r].best.begin(), walker.rows[r].best.end());
    }
    if (!answer.finite) best.clear();  // no order among them
    const std::size_t top = std::min(questions_[r].top, best.size());
    std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(top), best.end());
    for (const Candidate& candidate : std::span(best).first(top))
      answer.top.emplace_back(candidate.id, static_cast<double>(candidate.logit) - answer.log_sum_exp);
    for (std::size_t i = first_watched_[r]; i < first_watched_[r + 1]; ++i) {
      Reading reading{static_cast<double>(watched_[i]) - answer.log_sum_exp, 0};
      for (const Walker& walker : walkers_) reading.rank += walker.likelier[i];
      answer.watched.push_back(reading);
    }
    return answer;
  }

  const Vocabulary& v_;
  const kernels::Ops ops_;  // of one member
  Team* team_;
  std::span<const Question> questions_;
  std::size_t members_, stretches_;
  std::vector<std::size_t> first_watched_;  // [rows + 1]: where a row's watched tokens begin
  std::vector<float> watched_;              // their logits
  kernels::Acts<Hidden> x_;
  kernels::Tiles<Hidden> tiles_;
  std::vector<kernels::Acts<VocabularyRows>> logits_;  // [members]: [rows, kPanelsAtOnce * kPanel]
  float* scratch_ = nullptr;
  std::vector<float> largest_, sums_;  // [stretches][rows]: the largest logit, and the sum of exp(logit - largest)
  std::vector<Walker> walkers_;        // [members]
};

Status Vocabulary::answer(std::span<const float> states, std::span<const Question> questions, const kernels::Ops& ops,
                          kernels::Workspace& workspace, std::span<Answer> answers) const {
  return Survey(*this, ops, questions).run(states, workspace, answers);
}

Status Vocabulary::read(std::span<const float> states, std::span<const std::int32_t> tokens, bool with_ranks,
                        const kernels::Ops& ops, kernels::Workspace& workspace, std::span<Reading> readings) const {
  const std::vector<Question> questions(states.size() / hidden_, Question{tokens, with_ranks, 0});
  std::vector<Answer> answers(questions.size());
  RERANK_TRY(answer(states, questions, ops, workspace, answers));
  for (std::size_t r = 0; r < answers.size(); ++r)
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      readings[r * tokens.size() + t] = answers[r].watched[t];
      if (!answers[r].finite)
        readings[r * tokens.size() + t].log_probability = std::numeric_limits<double>::quiet_NaN();
    }
  return {};
}

}  // namespace rerank::models
