// Any bytes are a list of measures or an Error; the names of the measures are measures, with the same names.
#include <cstdint>
#include <cstdlib>

#include "evaluation/measures.h"

namespace ev = rerank::evaluation;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto measures = ev::parse_measures({reinterpret_cast<const char*>(data), size});
  if (!measures.ok()) {
    if (measures.error().what.empty()) std::abort();
    return 0;
  }
  if (measures.value().empty()) std::abort();
  for (const ev::Measure& measure : measures.value()) {
    const auto again = ev::parse_measure(measure.name);
    if (!again.ok() || again.value().name != measure.name || again.value().kind != measure.kind) std::abort();
    if (again.value().cutoff != measure.cutoff) std::abort();
  }
  return 0;
}
