// A stretch of code compiled for more CPU features than the rest of the file.
//
// A region keeps wide instructions inside the functions of its own namespace. Per-file compiler flags do not: inline
// functions of the standard library would be built with them too, and the linker may keep that copy for every CPU.
#pragma once

#define RERANK_PRAGMA_(text) _Pragma(#text)
#if defined(__clang__)
#define RERANK_TARGET_BEGIN(features) \
  RERANK_PRAGMA_(clang attribute push(__attribute__((target(features))), apply_to = function))
#define RERANK_TARGET_END RERANK_PRAGMA_(clang attribute pop)
#else
#define RERANK_TARGET_BEGIN(features) RERANK_PRAGMA_(GCC push_options) RERANK_PRAGMA_(GCC target(features))
#define RERANK_TARGET_END RERANK_PRAGMA_(GCC pop_options)
#endif
