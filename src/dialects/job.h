// What a request asks for, once its dialect is understood: an answer that is there already, or work for a model and the
// functions that turn its results into the dialect's answer.
//
//   Job job = read(request, catalog);
//
// Whoever runs a job owns time and threads; nothing here waits, and every function may be called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "dialects/http.h"
#include "rerank/engine.h"
#include "rerank/error.h"
#include "rerank/generate.h"
#include "rerank/options.h"

namespace rerank::dialects {

// What cannot be done, before a dialect gives it its shape. The status follows from the kind and the dialect.
struct Failure {
  enum class Kind {
    kMalformed,         // 400: no JSON, a repeated key, nesting too deep
    kInvalid,           // 400 or 422: JSON, but not what the dialect expects
    kEmpty,             // the same: a list without an entry
    kOutOfRange,        // 422 or 400: a count that nobody can mean
    kUnauthorized,      // 401
    kNotFound,          // 404: no such path
    kNoSuchModel,       // 404, where the dialect tells it from the one above
    kMethodNotAllowed,  // 405
    kTooLarge,          // 413: the body, or what it would become in memory
    kHeadersTooLarge,   // 431
    kTooLong,           // 400 or 422: a text that the request does not allow to be cut
    kOverloaded,        // 429
    kLoading,           // 503: the model is not there yet
    kStopping,          // 503: the server is about to end
    kTimeout,           // 504: the request's own deadline
    kUnsupported,       // 400, 424 or 501: this model or server cannot do that
    kInternal,          // 500, or 424: a model that broke
  };
  Kind kind = Kind::kInternal;
  std::string message;
  int retry_after_s = 0;     // above 0: a Retry-After header
  std::string allowed = {};  // kMethodNotAllowed: the methods, as in the Allow header
};

// What an Error of the engine is to a client.
Failure failure_of(const Error& error);

// A model as clients see it. `info` is filled once it has been loaded; before that only its name is.
struct ServedModel {
  std::string name;  // that clients give, and see
  ModelInfo info = {};
  bool ready = false;                               // loaded and warm
  bool generates = false;                           // it has a vocabulary to choose from; known once it is loaded
  std::function<std::size_t()> waiting_pairs = {};  // how many wait for it now; none while it is not loaded
  ScoreOptions defaults = {};                       // what the server was started with; requests may say otherwise
};

struct Limits {
  std::size_t max_body_bytes = 0;
  std::size_t max_batch_tokens = 0;
  std::size_t max_queued_requests = 0;
  std::size_t max_documents = std::numeric_limits<std::size_t>::max();  // of a request
};

struct Catalog {
  std::vector<ServedModel> models;  // at least one
  std::size_t default_model = 0;    // for requests that name none
  Limits limits = {};
  std::string version;                 // of this server
  std::int64_t started_unix_time = 0;  // when the models appeared, for /v1/models
};

// One a pair; none for a pair that was not scored in time.
using PartOfScores = std::span<const std::optional<Result<Score>>>;

// Functions that write a job's answer as server-sent events, each given back as bytes to send, or empty.
struct ScoreEvents {
  std::function<std::string()> first = {};
  // Text that a reasoning model has written for a pair.
  std::function<std::string(std::size_t pair_idx, std::string_view text)> reasoning = {};
  // A pair is done.
  std::function<std::string(std::size_t pair_idx, const Result<Score>& score, const ModelInfo& model)> scored = {};
  // All are.
  std::function<std::string(std::span<const Result<Score>> scores, const ModelInfo& model)> last = {};
  // The time is over, as ScoreJob::answer_partly.
  std::function<std::string(PartOfScores scores, const ModelInfo& model)> last_partly = {};
  // Instead of all that is missing.
  std::function<std::string(const Failure& failure)> failed = {};
};

// Pairs to be scored. `options.normalize` is never set: answers are sorted by what the model gave, and scaled after.
struct ScoreJob {
  struct PairOfTexts {
    std::uint32_t query = 0, passage = 0;  // indices into `texts`
  };

  std::size_t model = 0;           // index into Catalog::models
  std::vector<std::string> texts;  // UTF-8
  std::vector<PairOfTexts> pairs;  // in the order of the request; may be empty
  ScoreOptions options;
  std::optional<std::chrono::milliseconds> timeout = {};
  bool is_prediction = false;  // /predict, which metrics tell apart

  // What has to be done to the texts first; see fit() in dialects/fit.h.
  struct Fitting {
    bool refuse_cut = false;           // a pair that would be cut is the request's error
    bool keep_end = false;             // of a passage that is too long, its end stays instead of its beginning
    std::size_t max_query_tokens = 0;  // 0: as many as the options say
    std::size_t max_passage_tokens = 0;
    // Passages that are too long become chunks, and the best one's score counts.
    bool chunk = false;
    std::size_t chunk_tokens = 0;   // 0: as many as fit beside the query
    std::size_t chunk_overlap = 0;  // tokens that a chunk has in common with the one before it
    std::size_t max_chunks = 0;     // per passage; 0: all
    bool needed() const { return refuse_cut || keep_end || max_query_tokens || max_passage_tokens || chunk; }
  };
  Fitting fitting = {};

  // `scores`: one a pair. The model is the one that scored them.
  std::function<HttpResponse(std::span<const Result<Score>> scores, const ModelInfo& model)> answer;
  // Set when the client would rather have some scores in time than none: called instead when the time is over and at
  // least one pair is scored.
  std::function<HttpResponse(PartOfScores scores, const ModelInfo& model)> answer_partly = {};
  // Set when the client asked for a stream; then they are called instead of `answer`.
  std::optional<ScoreEvents> events = {};
};

struct GenerateEvents {
  std::function<std::string()> first = {};
  std::function<std::string(std::size_t prompt_idx, const TextDelta& delta)> next = {};
  std::function<std::string(std::size_t prompt_idx, const Result<GeneratedText>& text)> done = {};
  std::function<std::string()> last = {};
  std::function<std::string(const Failure& failure)> failed = {};
};

// Prompts to be written on. Each is text, or a conversation that the model's chat template makes into text.
struct GenerateJob {
  std::size_t model = 0;
  std::vector<std::variant<std::string, std::vector<ChatMessage>>> prompts;
  GenerateOptions options;  // without its functions
  std::optional<std::chrono::milliseconds> timeout = {};
  std::function<HttpResponse(std::span<const Result<GeneratedText>> texts)> answer;
  std::optional<GenerateEvents> events = {};  // as in ScoreJob
};

// Texts whose tokens are asked for, or ids whose text is. One of the two lists is empty.
struct TokenizeJob {
  std::size_t model = 0;
  std::vector<std::string> texts = {};
  bool special_tokens = true;  // texts: with those of the model's template
  std::function<HttpResponse(std::span<const Result<std::vector<Token>>> tokens)> answer_tokens = {};

  std::vector<std::vector<std::int32_t>> ids = {};
  bool skip_special_tokens = true;
  std::function<HttpResponse(std::span<const std::string> texts)> answer_texts = {};
};

using Job = std::variant<HttpResponse, ScoreJob, GenerateJob, TokenizeJob>;

// By path and keys. What is wrong with the request is an HttpResponse in the shape of its dialect.
Job read(const HttpRequest& request, const Catalog& catalog);

// Any failure in the shape of the dialect that the request is written in, as far as it can be read.
HttpResponse refuse(const HttpRequest& request, const Failure& failure);

// The path without the dialect that it may begin with: what a server answers at "/health" it answers at "/tei/health".
std::string_view without_dialect(std::string_view path);

// Whether the path is answered without a key: health and its parts.
bool is_open(std::string_view path);

}  // namespace rerank::dialects
