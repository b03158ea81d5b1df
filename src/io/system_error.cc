#include "io/system_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace rerank::io {

Error system_error(int number, const std::string& action, std::string where) {
  Error error{Error::Code::kIo, fmt::format("cannot {}: {}", action, std::generic_category().message(number)),
              std::move(where), ""};
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      error.code = Error::Code::kNotFound;
      error.fix = "check the path";
      break;
    case EACCES:
    case EPERM:
      error.fix = "give this user the permission, or choose another path";
      break;
    case EISDIR:
      error.fix = "name a file inside it";
      break;
    case ENOSPC:
    case EDQUOT:
      error.fix = "free some space, or write to another disk";
      break;
    case ENOMEM:
      error.code = Error::Code::kOutOfMemory;
      break;
    case EPIPE:
      error.fix = "the program that reads the output has ended";
      break;
    case EMFILE:
    case ENFILE:
      error.fix = "raise the limit on open files (ulimit -n)";
      break;
    default:
      break;
  }
  return error;
}

}  // namespace rerank::io
