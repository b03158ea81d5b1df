// Settings from the environment.
#pragma once

#include <cstdlib>
#include <string>

namespace rerank {

// What the variable holds; empty where it is not set.
inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace rerank
