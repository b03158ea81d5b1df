// The exit codes that scripts rely on, and the one way a command ends with an error.
#pragma once

#include "rerank/error.h"

namespace rerank::cli {

enum class Exit : int {
  kDone = 0,
  kBadInput = 1,       // an argument, an input file or a line of it is wrong
  kModel = 2,          // the model cannot be loaded
  kOther = 3,          // the system refused (a full disk), or a bug of ours
  kInterrupted = 130,  // Ctrl-C; what was scored until then is written
};

// Prints "rerank: MESSAGE" to stderr and tells the exit code that belongs to the error.
Exit fail(const Error& error);

// The same for an error of loading a model: kModel, except where an option is to blame (kBadInput).
Exit fail_to_load(const Error& error);

}  // namespace rerank::cli
