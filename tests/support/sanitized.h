// Sanitizers make the kernels ten to fifty times slower, and see each of their lines as well in one pair as in a
// thousand: the longest suites then take a sample.
#pragma once

namespace rerank::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace rerank::testing
