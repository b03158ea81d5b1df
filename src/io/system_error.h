// What the operating system said, as an Error with a way to mend it.
#pragma once

#include <string>

#include "rerank/error.h"

namespace rerank::io {

// `number` is an errno, `action` what was tried ("open", "read", "write"), `where` the file.
// ENOENT and ENOTDIR give kNotFound, ENOMEM kOutOfMemory, everything else kIo.
Error system_error(int number, const std::string& action, std::string where);

}  // namespace rerank::io
