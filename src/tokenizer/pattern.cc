#include "tokenizer/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "base/try.h"

namespace rerank::tokenizer {

namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Code = std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Deleter<pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Deleter<pcre2_jit_stack_free>>;

constexpr std::size_t kMaxExpression = 16 * 1024;

std::string message_of(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct Pattern::Compiled {
  Code code;
};

Pattern Pattern::literal(std::string text) {
  Pattern pattern;
  pattern.source_ = std::move(text);
  return pattern;
}

Result<Pattern> Pattern::regex(std::string_view expression, std::string where) {
  if (expression.size() > kMaxExpression)
    return Error{
        Error::Code::kUnsupported,
        fmt::format("the regular expression has {} bytes, at most {} are supported", expression.size(), kMaxExpression),
        where, ""};
  RERANK_ASSIGN(const std::string translated, translate_regex(expression, where));
  const CompileContext context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int code = 0;
  std::size_t at = 0;
  Code compiled(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at,
                              context.get()));
  if (!compiled)
    return Error{Error::Code::kCorrupt,
                 fmt::format("the regular expression \"{}\" does not compile: {}", expression, message_of(code)),
                 std::move(where), ""};
  // Where the machine has no JIT, or the expression is too large for it, the interpreter gives the same matches.
  pcre2_jit_compile(compiled.get(), PCRE2_JIT_COMPLETE);
  Pattern pattern;
  pattern.source_ = expression;
  pattern.where_ = std::move(where);
  auto state = std::make_shared<Compiled>();
  state->code = std::move(compiled);
  pattern.compiled_ = std::move(state);
  return pattern;
}

Result<Pattern> Pattern::read(const io::Json& json) {
  if (const auto text = json.find("String")) {
    RERANK_ASSIGN(const std::string_view value, text->string());
    return literal(std::string(value));
  }
  if (const auto expression = json.find("Regex")) {
    RERANK_ASSIGN(const std::string_view value, expression->string());
    return regex(value, expression->where());
  }
  return json.expected("an object with \"String\" or \"Regex\"");
}

Status Pattern::find(std::string_view text, std::vector<ByteRange>& matches) const {
  matches.clear();
  if (!compiled_) {
    if (source_.empty()) return {};
    for (std::size_t at = text.find(source_); at != std::string_view::npos;
         at = text.find(source_, at + source_.size()))
      matches.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + source_.size())});
    return {};
  }
  if (text.empty()) return {};
  const pcre2_code* code = compiled_->code.get();
  const MatchData data(pcre2_match_data_create_from_pattern(code, nullptr));
  const MatchContext context(pcre2_match_context_create(nullptr));
  const JitStack stack(pcre2_jit_stack_create(32 * 1024, 8 * 1024 * 1024, nullptr));
  pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  // One match may look at each byte of the text many times, but not at every subset of them.
  const std::size_t limit = 1'000'000 + 64 * text.size();
  pcre2_set_match_limit(context.get(), static_cast<std::uint32_t>(std::min<std::size_t>(limit, 0xFFFFFFFF)));
  pcre2_set_heap_limit(context.get(), 256 * 1024);
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const std::size_t* found = pcre2_get_ovector_pointer(data.get());
  std::size_t at = 0, last_end = std::string_view::npos;
  while (at <= text.size()) {
    const int rc = pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK, data.get(), context.get());
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0)
      return Error{Error::Code::kBadInput,
                   fmt::format("the regular expression \"{}\" backtracks too much on this text of {} bytes ({})",
                               source_, text.size(), message_of(rc)),
                   where_, "shorten the text or use a tokenizer whose expression does not nest repeats"};
    const std::size_t begin = found[0], end = found[1];
    if (begin == end && end == last_end) {  // the library steps over an empty match right behind another one
      if (at >= text.size()) break;
      at += decode_utf8(text, at).length;
      continue;
    }
    matches.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
    at = last_end = end;
  }
  return {};
}

}  // namespace rerank::tokenizer
