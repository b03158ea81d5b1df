// Failures on their way to a client: from an Error to the bytes of each dialect.
#pragma once

#include "dialects/dialect.h"
#include "dialects/job.h"

namespace rerank::dialects {

// Errors of Body are malformed requests or, once it is parsed, invalid ones.
Failure malformed(const Error& error);
Failure invalid(const Error& error);
Failure invalid(std::string message);
Failure too_many_documents(std::size_t count, const Limits& limits);

HttpResponse refuse(Dialect dialect, const HttpRequest& request, const Failure& failure);

// The first member of a server-sent error event: what OpenAI's clients raise.
std::string failed_event(const Failure& failure);

}  // namespace rerank::dialects
