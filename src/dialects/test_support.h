// A server of paper: requests are read, and scores made up.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "dialects/fit.h"
#include "dialects/job.h"

namespace rerank::dialects::testing {

inline ModelInfo info_of(std::string method) {
  ModelInfo info;
  info.name = "bge";
  info.architecture = "XLMRobertaForSequenceClassification";
  info.method = std::move(method);
  info.dtype = "f32";
  info.cpu_level = "avx2";
  info.threads = 4;
  info.max_positions = 512;
  return info;
}

inline Catalog catalog_of(const std::string& method = "cross-encoder") {
  Catalog catalog;
  ServedModel model;
  model.name = "bge";
  model.info = info_of(method);
  model.ready = true;
  model.generates = method == "reasoning" || method == "expectation";
  catalog.models.push_back(model);
  catalog.limits = {2'000'000, 16384, 512};
  catalog.version = "0.1.0";
  catalog.started_unix_time = 1700000000;
  return catalog;
}

inline HttpRequest request_of(std::string path, std::string body, std::string method = "POST") {
  HttpRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.body = std::move(body);
  request.headers = {{"content-type", "application/json"}};
  request.id = "req-1";
  request.unix_time = 1700000001;
  return request;
}

template <class JobKind>
JobKind job_of(const HttpRequest& request, const Catalog& catalog = catalog_of()) {
  Job job = read(request, catalog);
  if (auto* kind = std::get_if<JobKind>(&job)) return std::move(*kind);
  const auto* response = std::get_if<HttpResponse>(&job);
  throw std::runtime_error(response != nullptr ? "answered at once: " + response->body : "another kind of job");
}

inline HttpResponse refusal_of(const HttpRequest& request, const Catalog& catalog = catalog_of()) {
  const Job job = read(request, catalog);
  if (const auto* response = std::get_if<HttpResponse>(&job)) return *response;
  throw std::runtime_error("was not answered at once");
}

inline Result<Score> score_of(double value, std::uint32_t tokens = 10, std::uint32_t cut_tokens = 0) {
  Score score;
  score.value = value;
  score.tokens = tokens;
  score.cut_tokens = cut_tokens;
  return score;
}

inline std::string header_of(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return "";
}

}  // namespace rerank::dialects::testing
