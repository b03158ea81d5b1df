// What a hub that refuses means, for people: which name to check, where to ask for access, which token.
#pragma once

#include <string>

#include "hub/http.h"
#include "hub/settings.h"
#include "rerank/error.h"

namespace rerank::hub {

// What was asked for.
struct Subject {
  std::string model, revision;
  std::string file;  // empty: the repository itself
};

// The error of an answer that is neither what was asked for nor a redirect. kNotFound for a repository, revision or
// file that is not there; kIo for access, limits and failures of the server.
Error refusal(const Answer& answer, const Subject& subject, const Settings& settings);

}  // namespace rerank::hub
