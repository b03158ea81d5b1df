// What a checkpoint is run as: the way its output becomes a score.
#pragma once

#include <string>
#include <string_view>

#include "io/json.h"
#include "rerank/error.h"

namespace rerank::scoring {

enum class Method {
  kCrossEncoder,  // the one logit of a classification head
  kYesLogit,      // the logit of "Yes" after a prompt
  kLayerwise,     // a head for each layer, after a prompt
  kLightweight,   // the same, with passages compressed on the way
  kExpectation,   // the expected value of a digit from 1 to 7, after a chat turn
  kReasoning,     // "true" or "false" after the reasoning that the model wrote
};

// "cross-encoder", "yes-logit", "layerwise", "lightweight", "expectation", "reasoning".
std::string_view name_of(Method method);

struct DetectedMethod {
  Method method = Method::kCrossEncoder;
  std::string reason;  // a phrase: "_name_or_path is lightblue/lb-reranker-0.5B-v1.0"
};

// By config.json's architecture and, where that leaves a choice, by its "_name_or_path", then by the components of
// `checkpoint_path` from the last to the first (a folder of the hub's cache is called models--OWNER--NAME). `asked` is
// a name that wins over both, or empty. kUnsupported for an architecture that is not known, a method that it cannot
// run, or an open choice; kBadInput for a name that is no method. Each lists what there is.
Result<DetectedMethod> detect_method(const io::Json& config, std::string_view checkpoint_path, std::string_view asked);

}  // namespace rerank::scoring
