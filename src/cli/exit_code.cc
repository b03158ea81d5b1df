#include "cli/exit_code.h"

#include <fmt/format.h>

#include <cstdio>

namespace rerank::cli {

Exit fail(const Error& error) {
  fmt::print(stderr, "rerank: {}\n", error.message());
  switch (error.code) {
    case Error::Code::kBadInput:
    case Error::Code::kNotFound:
    case Error::Code::kUnsupported:
      return Exit::kBadInput;
    case Error::Code::kCorrupt:  // inputs are kBadInput; what is left is a model whose scores are no numbers
    case Error::Code::kOutOfMemory:
    case Error::Code::kIo:
    case Error::Code::kInternal:
      return Exit::kOther;
  }
  return Exit::kOther;
}

Exit fail_to_load(const Error& error) {
  fail(error);
  // A method that nothing here has is kUnsupported, but its error points at the option, not at a file of the model.
  const bool option_is_to_blame = error.code == Error::Code::kBadInput || error.where.starts_with("--");
  return option_is_to_blame ? Exit::kBadInput : Exit::kModel;
}

}  // namespace rerank::cli
