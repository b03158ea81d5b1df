#include "dialects/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "dialects/page.h"
#include "io/json_text.h"

namespace rerank::dialects {
namespace {

using Kind = Failure::Kind;
using io::json_string;

// Where dialects agree.
int usual_status(Kind kind) {
  switch (kind) {
    case Kind::kMalformed:
    case Kind::kInvalid:
    case Kind::kEmpty:
    case Kind::kTooLong:
    case Kind::kUnsupported:
      return 400;
    case Kind::kOutOfRange:
      return 422;
    case Kind::kUnauthorized:
      return 401;
    case Kind::kNotFound:
    case Kind::kNoSuchModel:
      return 404;
    case Kind::kMethodNotAllowed:
      return 405;
    case Kind::kTooLarge:
      return 413;
    case Kind::kHeadersTooLarge:
      return 431;
    case Kind::kOverloaded:
      return 429;
    case Kind::kLoading:
    case Kind::kStopping:
      return 503;
    case Kind::kTimeout:
      return 504;
    case Kind::kInternal:
      break;
  }
  return 500;
}

int status_of(Dialect dialect, Kind kind) {
  const bool is_invalid = kind == Kind::kInvalid || kind == Kind::kEmpty || kind == Kind::kTooLong;
  switch (dialect) {
    case Dialect::kTei:
      if (kind == Kind::kInvalid || kind == Kind::kTooLong) return 422;
      if (kind == Kind::kUnsupported || kind == Kind::kInternal) return 424;
      break;
    case Dialect::kJina:
    case Dialect::kInfinity:
    case Dialect::kNvidia:
      if (is_invalid) return 422;
      if (dialect == Dialect::kInfinity && kind == Kind::kNoSuchModel) return 400;
      break;
    case Dialect::kVllm:
    case Dialect::kCommon:
      if (kind == Kind::kOutOfRange) return 400;
      break;
    case Dialect::kLlamaCpp:
      if (kind == Kind::kUnsupported) return 501;
      break;
    default:
      break;
  }
  return usual_status(kind);
}

std::string_view tei_type(Kind kind) {
  switch (kind) {
    case Kind::kEmpty:
      return "Empty";
    case Kind::kOverloaded:
      return "Overloaded";
    case Kind::kLoading:
    case Kind::kStopping:
      return "Unhealthy";
    case Kind::kUnsupported:
    case Kind::kInternal:
    case Kind::kTimeout:
      return "Backend";
    default:
      return "Validation";
  }
}

// Its own servers say no more.
std::string tei_message(const Failure& failure) {
  if (failure.kind == Kind::kOverloaded) return "Model is overloaded";
  if (failure.kind == Kind::kLoading || failure.kind == Kind::kStopping) return "unhealthy";
  return failure.message;
}

std::string_view llama_cpp_type(Kind kind) {
  switch (kind) {
    case Kind::kUnauthorized:
      return "authentication_error";
    case Kind::kNotFound:
    case Kind::kNoSuchModel:
      return "not_found_error";
    case Kind::kTooLong:
      return "exceed_context_size_error";
    case Kind::kUnsupported:
      return "not_supported_error";
    case Kind::kLoading:
    case Kind::kStopping:
    case Kind::kOverloaded:
      return "unavailable_error";
    case Kind::kInternal:
    case Kind::kTimeout:
      return "server_error";
    default:
      return "invalid_request_error";
  }
}

std::string_view vllm_type(Kind kind) {
  switch (kind) {
    case Kind::kUnauthorized:
      return "AuthenticationError";
    case Kind::kNotFound:
    case Kind::kNoSuchModel:
      return "NotFoundError";
    case Kind::kOverloaded:
      return "RateLimitError";
    case Kind::kLoading:
    case Kind::kStopping:
    case Kind::kTimeout:
      return "ServiceUnavailableError";
    case Kind::kInternal:
      return "InternalServerError";
    default:
      return "BadRequestError";
  }
}

std::string_view openai_type(Kind kind) {
  switch (kind) {
    case Kind::kUnauthorized:
      return "authentication_error";
    case Kind::kOverloaded:
      return "rate_limit_error";
    case Kind::kLoading:
    case Kind::kStopping:
    case Kind::kTimeout:
    case Kind::kInternal:
      return "server_error";
    default:
      return "invalid_request_error";
  }
}

std::string_view openai_code(Kind kind) {
  switch (kind) {
    case Kind::kUnauthorized:
      return "\"invalid_api_key\"";
    case Kind::kNoSuchModel:
      return "\"model_not_found\"";
    case Kind::kTooLong:
      return "\"context_length_exceeded\"";
    case Kind::kOverloaded:
      return "\"rate_limit_exceeded\"";
    default:
      return "null";
  }
}

std::string body_of(Dialect dialect, const HttpRequest& request, const Failure& failure, int status) {
  const Kind kind = failure.kind;
  const std::string message = json_string(failure.message);
  switch (dialect) {
    case Dialect::kTei:
      if (kind == Kind::kUnauthorized) return "";
      return fmt::format(R"({{"error":{},"error_type":"{}"}})", json_string(tei_message(failure)), tei_type(kind));
    case Dialect::kCohere1:
    case Dialect::kCohere2:
      return fmt::format(R"({{"id":{},"message":{}}})", json_string(request.id), message);
    case Dialect::kJina:
    case Dialect::kVoyage:
    case Dialect::kXinference:
    case Dialect::kNvidia:
      return fmt::format(R"({{"detail":{}}})", message);
    case Dialect::kVllm:
      return fmt::format(R"({{"error":{{"message":{},"type":"{}","param":{},"code":{}}}}})", message, vllm_type(kind),
                         kind == Kind::kTooLong ? "\"input_tokens\"" : "null", status);
    case Dialect::kLlamaCpp:
      return fmt::format(R"({{"error":{{"code":{},"message":{},"type":"{}"}}}})", status, message,
                         llama_cpp_type(kind));
    case Dialect::kInfinity:
      if (kind == Kind::kUnauthorized) return R"({"detail":"Unauthorized"})";
      if (status == 422)
        return fmt::format(R"({{"detail":[{{"loc":["body"],"msg":{},"type":"value_error"}}]}})", message);
      return fmt::format(R"({{"error":{{"message":{},"type":null,"param":null,"code":{}}}}})", message, status);
    case Dialect::kOpenAi:
      return fmt::format(R"({{"error":{{"message":{},"type":"{}","param":null,"code":{}}}}})", message,
                         openai_type(kind), openai_code(kind));
    case Dialect::kElastic:
    case Dialect::kCommon:
      break;
  }
  // Wherever a client looks for it.
  return fmt::format(R"({{"error":{{"message":{0},"type":"{1}","param":null,"code":{2}}},"detail":{0},"message":{0}}})",
                     message, openai_type(kind), status);
}

}  // namespace

Failure failure_of(const Error& error) {
  Failure failure{Kind::kInternal, error.message()};
  if (error.code == Error::Code::kBadInput) failure.kind = Kind::kInvalid;
  if (error.code == Error::Code::kUnsupported || error.code == Error::Code::kNotFound)
    failure.kind = Kind::kUnsupported;
  return failure;
}

Failure malformed(const Error& error) {
  return {Kind::kMalformed, error.message()};
}

Failure invalid(const Error& error) {
  return {Kind::kInvalid, error.message()};
}

Failure invalid(std::string message) {
  return {Kind::kInvalid, std::move(message)};
}

Failure too_many_documents(std::size_t count, const Limits& limits) {
  return {Kind::kTooLarge, fmt::format("{} documents are more than the {} that this server has memory for", count,
                                       limits.max_documents)};
}

HttpResponse refuse(Dialect dialect, const HttpRequest& request, const Failure& failure) {
  const auto route = find_route(request.path);
  HttpResponse response;
  response.status = status_of(dialect, failure.kind);
  if (failure.kind == Kind::kUnauthorized && route && route->endpoint == Endpoint::kPage && request.method == "GET") {
    response = page();  // it asks people for the key
    response.status = 401;
  } else {
    response.body = body_of(dialect, request, failure, response.status);
    if (!response.body.empty()) response.headers.emplace_back("Content-Type", "application/json");
  }
  if (failure.kind == Kind::kUnauthorized) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (failure.kind == Kind::kMethodNotAllowed) response.headers.emplace_back("Allow", failure.allowed);
  if (failure.retry_after_s > 0) response.headers.emplace_back("Retry-After", fmt::format("{}", failure.retry_after_s));
  return response;
}

HttpResponse refuse(const HttpRequest& request, const Failure& failure) {
  return refuse(dialect_of(request), request, failure);
}

std::string failed_event(const Failure& failure) {
  return fmt::format("data: {{\"error\":{{\"message\":{},\"type\":\"{}\",\"param\":null,\"code\":{}}}}}\n\n",
                     json_string(failure.message), openai_type(failure.kind), openai_code(failure.kind));
}

bool is_open(std::string_view path) {
  constexpr std::string_view kOpen[] = {"/health", "/healthz", "/health/live", "/health/ready", "/ping"};
  return std::find(std::begin(kOpen), std::end(kOpen), without_dialect(path)) != std::end(kOpen);
}

}  // namespace rerank::dialects
