// Which dialect a request is written in: its path says what it wants, and path and keys who is asking.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/body.h"
#include "dialects/http.h"

namespace rerank::dialects {

enum class Dialect {
  kCommon,  // /rerank and /v1/rerank without a key that only one of the others has: what all of them understand
  kTei,
  kCohere1,
  kCohere2,
  kJina,
  kVoyage,
  kVllm,
  kLlamaCpp,
  kInfinity,
  kXinference,
  kNvidia,
  kElastic,
  kOpenAi,
};

enum class Endpoint {
  kPage,
  kOpenApi,
  kRerank,
  kScore,
  kPredict,
  kVertex,
  kInfo,
  kTokenize,
  kDecode,
  kModels,
  kModel,
  kComplete,
  kChat
};

struct Route {
  Endpoint endpoint = Endpoint::kRerank;
  Dialect dialect = Dialect::kCommon;
  bool is_fixed = false;       // the path alone says which dialect; else keys may
  std::string_view methods;    // "GET", "POST", "GET, POST"
  std::string_view rest = {};  // kModel: its name
};

// Nothing for a path that nobody asks for.
std::optional<Route> find_route(std::string_view path);

// Every path that the OpenAPI document has to name.
std::vector<std::string> known_paths();

// The dialect of a rerank request whose path leaves a choice.
Dialect choose_dialect(const Route& route, const Body& body);

// The dialect of any request, as far as it can be read.
Dialect dialect_of(const HttpRequest& request);

}  // namespace rerank::dialects
