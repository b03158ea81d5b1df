// Terms of any text are there, well-formed and short, and each analyzer gives the same ones again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/utf8.h"
#include "retrieval/analyzer.h"

namespace rt = rerank::retrieval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  for (std::size_t bad = rerank::first_invalid_utf8(text); bad != text.npos; bad = rerank::first_invalid_utf8(text))
    text[bad] = ' ';
  for (const auto language : {rt::Language::kEnglish, rt::Language::kNeutral, rt::Language::kCjk}) {
    rt::Analyzer analyzer(language);
    const std::vector<std::string> terms = analyzer.terms(text);
    for (const std::string& term : terms)
      if (term.empty() || rerank::first_invalid_utf8(term) != term.npos) std::abort();
    if (analyzer.terms(text) != terms) std::abort();
  }
  return 0;
}
