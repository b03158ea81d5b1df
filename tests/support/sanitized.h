// Sanitizers make the kernels ten to fifty times slower, and see each of their lines as well in one pair as in a
// thousand: the longest suites then take a sample.
#pragma once

namespace rerank::testing {

// CMake tells it: each compiler has a macro of its own for each sanitizer.
inline constexpr bool kSanitized = RERANK_SANITIZED;

}  // namespace rerank::testing
