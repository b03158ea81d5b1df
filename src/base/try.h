// Passing an Error up to the caller in one line.
#pragma once

#include "rerank/error.h"

#define RERANK_CONCAT_(a, b) a##b
#define RERANK_CONCAT(a, b) RERANK_CONCAT_(a, b)

// RERANK_TRY(status_expression): returns its error from the enclosing function, if there is one.
#define RERANK_TRY(expression)                                    \
  do {                                                            \
    auto try_result_ = (expression);                              \
    if (!try_result_.ok()) return std::move(try_result_.error()); \
  } while (0)

// RERANK_ASSIGN(auto x, result_expression): binds the value, or returns the error from the enclosing function.
#define RERANK_ASSIGN(declaration, ...) RERANK_ASSIGN_(RERANK_CONCAT(try_result_, __LINE__), declaration, __VA_ARGS__)
#define RERANK_ASSIGN_(result, declaration, ...)      \
  auto result = (__VA_ARGS__);                        \
  if (!result.ok()) return std::move(result.error()); \
  declaration = std::move(result).value()
