#include "scoring/instruction.h"

#include <fmt/format.h>

#include "base/try.h"

namespace rerank::scoring {
namespace {

std::string with_newlines(std::string_view format) {
  std::string text;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const bool newline = format.substr(i, 2) == "\\n";
    text += newline ? '\n' : format[i];
    i += newline ? 1 : 0;
  }
  return text;
}

}  // namespace

Result<InstructionFormat> InstructionFormat::make(std::string_view instruction, std::string_view format,
                                                  std::string_view option) {
  const std::string text = with_newlines(format);
  const std::size_t first = text.find("{}");
  const std::size_t second = first == std::string::npos ? first : text.find("{}", first + 2);
  std::size_t braces = 0;
  for (const char c : text) braces += c == '{' || c == '}';
  if (second == std::string::npos || braces != 4)
    return Error{Error::Code::kBadInput, fmt::format("\"{}\" is no instruction format", format), std::string(option),
                 "it needs {} twice, for the instruction and for the text, and no other braces"};
  InstructionFormat made;
  made.active_ = !instruction.empty();
  made.before_ = text.substr(0, first) + std::string(instruction) + text.substr(first + 2, second - first - 2);
  made.after_ = text.substr(second + 2);
  return made;
}

std::string InstructionFormat::apply(std::string_view text) const {
  if (!active_) return std::string(text);
  return before_ + std::string(text) + after_;
}

Result<InstructionFormats> InstructionFormats::make(const ScoreOptions& options, std::string_view default_query,
                                                    std::string_view default_passage) {
  const auto given = [](const std::optional<std::string>& instruction, std::string_view fallback) {
    return instruction ? std::string_view(*instruction) : fallback;
  };
  InstructionFormats formats;
  RERANK_ASSIGN(formats.query, InstructionFormat::make(given(options.query_instruction, default_query),
                                                       options.query_instruction_format, "--query-instruction-format"));
  RERANK_ASSIGN(formats.passage,
                InstructionFormat::make(given(options.passage_instruction, default_passage),
                                        options.passage_instruction_format, "--passage-instruction-format"));
  return formats;
}

}  // namespace rerank::scoring
