#include "cli/exit_code.h"

#include <fmt/format.h>

#include <cstdio>

namespace rerank::cli {

Exit fail(const Error& error) {
  fmt::print(stderr, "rerank: {}\n", error.message());
  switch (error.code) {
    case Error::Code::kBadInput:
    case Error::Code::kNotFound:
    case Error::Code::kCorrupt:
    case Error::Code::kUnsupported:
      return Exit::kBadInput;
    case Error::Code::kOutOfMemory:
    case Error::Code::kIo:
    case Error::Code::kInternal:
      return Exit::kOther;
  }
  return Exit::kOther;
}

Exit fail_to_load(const Error& error) {
  const Exit exit = fail(error);
  return error.code == Error::Code::kBadInput ? exit : Exit::kModel;
}

}  // namespace rerank::cli
