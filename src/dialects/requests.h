// One function for each kind of request; each gives a job, or the answer to a request that is wrong.
#pragma once

#include "dialects/body.h"
#include "dialects/dialect.h"
#include "dialects/job.h"

namespace rerank::dialects {

// A request whose body is parsed.
struct Asked {
  const HttpRequest& request;
  const Body& body;
  const Catalog& catalog;
  Dialect dialect;

  HttpResponse refuse(const Failure& failure) const;
  HttpResponse refuse(const Error& error) const;  // of a key
};

Job read_rerank(const Asked& asked);      // rerank_request.cc
Job read_pairs(const Asked& asked);       // pair_requests.cc: /score
Job read_predict(const Asked& asked);     // pair_requests.cc
Job read_vertex(const Asked& asked);      // vertex_request.cc
Job read_tokenize(const Asked& asked);    // token_requests.cc
Job read_decode(const Asked& asked);      // token_requests.cc
Job read_completion(const Asked& asked);  // completion_request.cc
Job read_chat(const Asked& asked);        // completion_request.cc

HttpResponse answer_info(const Catalog& catalog);                                                      // model_lists.cc
HttpResponse answer_models(const Catalog& catalog, Dialect dialect);                                   // model_lists.cc
HttpResponse answer_model(const HttpRequest& request, const Catalog& catalog, std::string_view name);  // the same

HttpResponse json_response(std::string body);

}  // namespace rerank::dialects
