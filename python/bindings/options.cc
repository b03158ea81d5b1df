// ScoreOptions for Python: the same fields; choices are spelled as on the command line.
#include "options.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <string>
#include <utility>

#include "errors.h"
#include "rerank/options.h"

namespace nb = nanobind;

namespace rerank::python {
namespace {

template <class Choice>
struct Choices;
template <>
struct Choices<Truncation> {
  static constexpr std::array rows{std::pair{"flagembedding", Truncation::kFlagEmbedding},
                                   std::pair{"card", Truncation::kCard}};
};
template <>
struct Choices<Heads> {
  static constexpr std::array rows{std::pair{"by-position", Heads::kByPosition},
                                   std::pair{"by-layer", Heads::kByLayer}};
};
template <>
struct Choices<Readout> {
  static constexpr std::array rows{std::pair{"expected-value", Readout::kExpectedValue},
                                   std::pair{"high-minus-low", Readout::kHighMinusLow}};
};
template <>
struct Choices<Verdict> {
  static constexpr std::array rows{std::pair{"forced", Verdict::kForced}, std::pair{"official", Verdict::kOfficial},
                                   std::pair{"card", Verdict::kCard}};
};

template <class Choice>
void def_choice(nb::class_<ScoreOptions>& options, const char* name, Choice ScoreOptions::*field) {
  options.def_prop_rw(
      name,
      [field](const ScoreOptions& self) -> std::string {
        for (const auto& [spelled, value] : Choices<Choice>::rows)
          if (value == self.*field) return spelled;
        return "";
      },
      [field, name](ScoreOptions& self, const std::string& wanted) {
        std::string known;
        for (const auto& [spelled, value] : Choices<Choice>::rows) {
          if (wanted == spelled) {
            self.*field = value;
            return;
          }
          known += known.empty() ? spelled : std::string(", ") + spelled;
        }
        raise({Error::Code::kBadInput, "'" + wanted + "' is none of: " + known, name, ""});
      });
}

}  // namespace

void bind_options(nb::module_& m) {
  nb::class_<ScoreOptions> options(
      m, "ScoreOptions", "What may differ from call to call; names, meanings and defaults as in rerank/options.h.");
  options.def(nb::init<>());
  options.def_rw("max_length", &ScoreOptions::max_length, "Tokens of a whole pair; 0: the method's default.");
  options.def_rw("query_max_length", &ScoreOptions::query_max_length,
                 "Tokens of the query; 0: three quarters of max_length, or all.");
  def_choice(options, "truncation", &ScoreOptions::truncation);
  options.def_rw("special_tokens_in_text", &ScoreOptions::special_tokens_in_text);
  options.def_rw("normalize", &ScoreOptions::normalize, "Scores from 0 to 1.");
  options.def_rw("query_instruction", &ScoreOptions::query_instruction, nb::arg().none());
  options.def_rw("query_instruction_format", &ScoreOptions::query_instruction_format);
  options.def_rw("passage_instruction", &ScoreOptions::passage_instruction, nb::arg().none());
  options.def_rw("passage_instruction_format", &ScoreOptions::passage_instruction_format);
  options.def_rw("prompt", &ScoreOptions::prompt, nb::arg().none());
  options.def_rw("cutoff_layers", &ScoreOptions::cutoff_layers);
  options.def_rw("compress_ratio", &ScoreOptions::compress_ratio);
  options.def_rw("compress_layers", &ScoreOptions::compress_layers);
  def_choice(options, "heads", &ScoreOptions::heads);
  options.def_rw("attention_softcap", &ScoreOptions::attention_softcap);
  options.def_rw("top_logprobs", &ScoreOptions::top_logprobs);
  def_choice(options, "readout", &ScoreOptions::readout);
  options.def_rw("max_new_tokens", &ScoreOptions::max_new_tokens, nb::arg().none());
  options.def_rw("think_budget", &ScoreOptions::think_budget);
  options.def_rw("rethink", &ScoreOptions::rethink);
  def_choice(options, "verdict", &ScoreOptions::verdict);
  options.def_rw("share_prefixes", &ScoreOptions::share_prefixes);
}

}  // namespace rerank::python
