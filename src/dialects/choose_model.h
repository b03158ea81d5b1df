// Which model a request means.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "dialects/body.h"
#include "dialects/job.h"

namespace rerank::dialects {

struct ChosenModel {
  std::size_t index = 0;
  std::string name;  // as the client will see it: what it asked for, or the model's own
};

// Where one model is served, every name means it. Of several the name must be one of theirs, in any case, perhaps with
// an owner before it or a product's mark ("___VLLM") behind it; without a name it is the default one, or the first that
// writes where `must_write`. A Failure for a name that is none.
std::variant<ChosenModel, Failure> choose_model(const Body& body, const Catalog& catalog, bool must_write);

}  // namespace rerank::dialects
