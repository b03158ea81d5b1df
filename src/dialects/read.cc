#include <algorithm>

#include "dialects/dialect.h"
#include "dialects/page.h"
#include "dialects/refusal.h"
#include "dialects/requests.h"

namespace rerank::dialects {
namespace {

Job read_body(const HttpRequest& request, const Catalog& catalog, const Route& route) {
  const auto body = Body::parse(request.body);
  if (!body.ok()) return refuse(route.dialect, request, malformed(body.error()));
  const Asked asked{request, body.value(), catalog, choose_dialect(route, body.value())};
  switch (route.endpoint) {
    case Endpoint::kScore:
      return read_pairs(asked);
    case Endpoint::kPredict:
      return read_predict(asked);
    case Endpoint::kVertex:
      return read_vertex(asked);
    case Endpoint::kTokenize:
      return read_tokenize(asked);
    case Endpoint::kDecode:
      return read_decode(asked);
    case Endpoint::kComplete:
      return read_completion(asked);
    case Endpoint::kChat:
      return read_chat(asked);
    default:
      return read_rerank(asked);
  }
}

// `methods`: as in an Allow header.
bool is_among(std::string_view method, std::string_view methods) {
  while (!methods.empty()) {
    const std::size_t end = std::min(methods.find(','), methods.size());
    if (methods.substr(0, end) == method) return true;
    methods.remove_prefix(std::min(end + 2, methods.size()));
  }
  return false;
}

}  // namespace

HttpResponse Asked::refuse(const Failure& failure) const {
  return dialects::refuse(dialect, request, failure);
}

HttpResponse Asked::refuse(const Error& error) const {
  return refuse(invalid(error));
}

HttpResponse json_response(std::string body) {
  return {200, {{"Content-Type", "application/json"}}, std::move(body)};
}

Job read(const HttpRequest& request, const Catalog& catalog) {
  const auto route = find_route(request.path);
  if (!route)
    return refuse(request, {Failure::Kind::kNotFound,
                            "there is nothing at " + request.path + "; /openapi.json lists what there is"});
  if (!is_among(request.method, route->methods))
    return refuse(request, {Failure::Kind::kMethodNotAllowed, request.method + " is not understood at " + request.path,
                            0, std::string(route->methods)});
  if (request.method != "POST") {
    switch (route->endpoint) {
      case Endpoint::kOpenApi:
        return openapi(catalog.version);
      case Endpoint::kInfo:
        return answer_info(catalog);
      case Endpoint::kModels:
        return answer_models(catalog, route->dialect);
      case Endpoint::kModel:
        return answer_model(request, catalog, route->rest);
      default:
        return page();
    }
  }
  return read_body(request, catalog, *route);
}

}  // namespace rerank::dialects
