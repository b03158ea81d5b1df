#include "dialects/dialect.h"

#include <array>
#include <utility>

namespace rerank::dialects {
namespace {

struct Known {
  std::string_view path;
  Route route;
};

constexpr std::string_view kGet = "GET, HEAD", kPost = "POST";

constexpr std::array kPaths = {
    Known{"/openapi.json", {Endpoint::kOpenApi, Dialect::kCommon, true, kGet}},
    Known{"/score", {Endpoint::kScore, Dialect::kVllm, true, kPost}},
    Known{"/v1/score", {Endpoint::kScore, Dialect::kVllm, true, kPost}},
    Known{"/predict", {Endpoint::kPredict, Dialect::kTei, true, kPost}},
    Known{"/invocations", {Endpoint::kRerank, Dialect::kTei, true, kPost}},
    Known{"/info", {Endpoint::kInfo, Dialect::kTei, true, kGet}},
    Known{"/tokenize", {Endpoint::kTokenize, Dialect::kTei, true, kPost}},
    Known{"/decode", {Endpoint::kDecode, Dialect::kTei, true, kPost}},
    Known{"/models", {Endpoint::kModels, Dialect::kOpenAi, true, kGet}},
    Known{"/v1/models", {Endpoint::kModels, Dialect::kOpenAi, true, kGet}},
    Known{"/completions", {Endpoint::kComplete, Dialect::kOpenAi, true, kPost}},
    Known{"/v1/completions", {Endpoint::kComplete, Dialect::kOpenAi, true, kPost}},
    Known{"/chat/completions", {Endpoint::kChat, Dialect::kOpenAi, true, kPost}},
    Known{"/v1/chat/completions", {Endpoint::kChat, Dialect::kOpenAi, true, kPost}},
    Known{"/vertex", {Endpoint::kVertex, Dialect::kTei, true, kPost}},
};

// A path that begins like this is spoken to in that dialect, whatever the keys.
constexpr std::array kPrefixes = {
    std::pair{std::string_view("/tei"), Dialect::kTei},
    std::pair{std::string_view("/cohere"), Dialect::kCohere2},
    std::pair{std::string_view("/jina"), Dialect::kJina},
    std::pair{std::string_view("/voyage"), Dialect::kVoyage},
    std::pair{std::string_view("/vllm"), Dialect::kVllm},
    std::pair{std::string_view("/llama.cpp"), Dialect::kLlamaCpp},
    std::pair{std::string_view("/infinity"), Dialect::kInfinity},
    std::pair{std::string_view("/xinference"), Dialect::kXinference},
    std::pair{std::string_view("/nvidia"), Dialect::kNvidia},
};

// Takes the prefix off the path, if it has one.
std::optional<Dialect> take_prefix(std::string_view& path) {
  for (const auto& [prefix, dialect] : kPrefixes) {
    if (!path.starts_with(prefix) || (path.size() > prefix.size() && path[prefix.size()] != '/')) continue;
    path.remove_prefix(prefix.size());
    return dialect;
  }
  return std::nullopt;
}

// Clients put /rerank behind whatever address they were given.
std::optional<Route> find_rerank(std::string_view path) {
  Route route{Endpoint::kRerank, Dialect::kCommon, false, kPost};
  if (path.ends_with("/v2/rerank")) {
    route.dialect = Dialect::kCohere2;
  } else if (path.ends_with("/reranking")) {
    route.dialect = Dialect::kLlamaCpp;
  } else if (path.ends_with("/ranking")) {
    route.dialect = Dialect::kNvidia;
  } else if (!path.ends_with("/rerank")) {
    return std::nullopt;
  }
  return route;
}

std::optional<Route> find_plain(std::string_view path) {
  if (path.empty()) return Route{Endpoint::kPage, Dialect::kTei, true, "GET, HEAD, POST"};
  for (const Known& known : kPaths)
    if (known.path == path) return known.route;
  for (const std::string_view models : {"/v1/models/", "/models/"})
    if (path.starts_with(models))
      return Route{Endpoint::kModel, Dialect::kOpenAi, true, kGet, path.substr(models.size())};
  return find_rerank(path);
}

}  // namespace

std::optional<Route> find_route(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const auto dialect = take_prefix(path);
  auto route = find_plain(path);
  if (!route || !dialect) return route;
  if (route->endpoint == Endpoint::kRerank) {
    route->is_fixed = true;
    route->dialect = *dialect;
    if (*dialect == Dialect::kCohere2 && !path.ends_with("/v2/rerank")) route->dialect = Dialect::kCohere1;
  } else if (route->endpoint == Endpoint::kPage) {
    if (*dialect != Dialect::kTei) return std::nullopt;
    *route = {Endpoint::kRerank, Dialect::kTei, true, kPost};
  } else if (route->endpoint == Endpoint::kModels) {
    route->dialect = *dialect;
  }
  return route;
}

std::vector<std::string> known_paths() {
  std::vector<std::string> paths = {"/",          "/v1/models/{model}", "/rerank",       "/v1/rerank",
                                    "/v2/rerank", "/reranking",         "/v1/reranking", "/v1/ranking"};
  for (const Known& known : kPaths) paths.emplace_back(known.path);
  for (const auto& [prefix, dialect] : kPrefixes) paths.push_back(std::string(prefix) + "/rerank");
  return paths;
}

Dialect choose_dialect(const Route& route, const Body& body) {
  const bool is_tei_to_llama_cpp = route.dialect == Dialect::kLlamaCpp && body.has("texts");
  if (route.is_fixed && !is_tei_to_llama_cpp) return route.dialect;
  if (body.has("texts")) return Dialect::kTei;
  if (body.has("passages")) return Dialect::kNvidia;
  if (body.has("input") && !body.has("documents")) return Dialect::kElastic;
  if (body.has("top_k")) return Dialect::kVoyage;
  for (const char* key : {"truncate_prompt_tokens", "use_activation", "max_tokens_per_query", "cache_salt"})
    if (body.has(key)) return Dialect::kVllm;
  if (route.dialect != Dialect::kCommon) return route.dialect;
  if (body.has("rank_fields")) return Dialect::kCohere1;
  if (body.has("return_len") || body.has("kwargs")) return Dialect::kXinference;
  if (body.has("max_doc_length") || body.has("truncation")) return Dialect::kJina;
  return Dialect::kCommon;
}

std::string_view without_dialect(std::string_view path) {
  take_prefix(path);
  return path;
}

Dialect dialect_of(const HttpRequest& request) {
  const auto route = find_route(request.path);
  if (!route) {
    std::string_view path = request.path;
    return take_prefix(path).value_or(Dialect::kCommon);
  }
  if (route->is_fixed && route->dialect != Dialect::kLlamaCpp) return route->dialect;
  const auto body = Body::parse(request.body);
  return body.ok() ? choose_dialect(*route, body.value()) : route->dialect;
}

}  // namespace rerank::dialects
