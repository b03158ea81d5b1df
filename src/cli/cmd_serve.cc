// rerank serve: the models of this machine behind one HTTP port.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/try.h"
#include "cli/command.h"
#include "cli/locate_model.h"
#include "cli/model_options.h"
#include "server/server.h"

namespace rerank::cli {
namespace {

struct Options {
  ModelOptions model;  // of each of them, but for the folder
  std::vector<std::string> models;
  server::ServerOptions server;
  double request_timeout = 0, drain_timeout = 30, idle_timeout = 75;  // seconds
  bool no_log = false;
};

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

// "NAME=DIR", "NAME=OWNER/MODEL", or one of them alone, which names itself. A folder may have "=" in its path.
Result<server::ModelChoice> choice_of(const std::string& argument, const ModelOptions& common) {
  ModelOptions options = common;
  options.model = argument;
  std::string name;
  std::error_code ignored;
  const std::size_t sign = argument.find('=');
  if (sign != std::string::npos && !std::filesystem::is_directory(argument, ignored)) {
    name = argument.substr(0, sign);
    options.model = argument.substr(sign + 1);
    if (name.empty() || options.model.empty())
      return Error{Error::Code::kBadInput, fmt::format("is {}", argument), "--model", "give NAME=DIR, or DIR alone"};
  }
  // Where it is missing, that is known at once and not after the first request.
  RERANK_ASSIGN(const std::filesystem::path folder, locate_model(options));
  if (!std::filesystem::is_directory(folder, ignored))
    return Error{Error::Code::kNotFound, "is no folder", options.model, "give a model folder or the name of a model"};
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(folder, ignored);
  if (name.empty())
    name = is_hub_name(options.model) && folder != options.model ? options.model : canonical.filename().string();
  return server::ModelChoice{name, canonical.string(), [options] { return load_engine(options); }, common.score};
}

Result<std::vector<server::ModelChoice>> choices_of(const Options& options) {
  std::vector<server::ModelChoice> choices;
  for (const std::string& argument : options.models) {
    RERANK_ASSIGN(server::ModelChoice choice, choice_of(argument, options.model));
    const auto has_its_name = [&](const server::ModelChoice& other) { return other.name == choice.name; };
    if (std::any_of(choices.begin(), choices.end(), has_its_name))
      return Error{Error::Code::kBadInput, fmt::format("two are called {}", choice.name), "--model",
                   "give one of them another name: NAME=DIR"};
    choices.push_back(std::move(choice));
  }
  if (choices.empty()) {
    const ModelOptions common = options.model;
    choices.push_back({"embedded", "", [common] { return load_engine(common); }, common.score});
  }
  return choices;
}

Exit run_serve(Options options) {
  auto choices = choices_of(options);
  if (!choices.ok()) return fail_to_load(choices.error());
  server::ServerOptions& server_options = options.server;
  server_options.request_timeout = milliseconds(options.request_timeout);
  server_options.drain_timeout = milliseconds(options.drain_timeout);
  server_options.idle_timeout = milliseconds(options.idle_timeout);
  server_options.catch_signals = true;
  server_options.version = RERANK_VERSION;
  if (options.no_log) server_options.log_descriptor = -1;
  // A client or a reader of the logs that leaves is no reason to end.
  std::signal(SIGPIPE, SIG_IGN);
  const auto server = server::Server::make(server_options, std::move(choices).value());
  if (!server.ok()) return fail(server.error());
  const Status status = server.value()->run();
  if (status.ok()) return Exit::kDone;
  return server.value()->failed_to_load() ? fail_to_load(status.error()) : fail(status.error());
}

void add_server_options(CLI::App& command, Options& options) {
  server::ServerOptions& server = options.server;
  const auto seconds = [&](const char* name, double& target, const char* variable, const char* help) {
    command.add_option(name, target, help)
        ->check(CLI::Range(0.0, 86400.0).description(""))
        ->envname(variable)
        ->type_name("SECONDS");
  };
  const auto text = [&](const char* name, std::string& target, const char* variable, const char* type,
                        const char* help) {
    command.add_option(name, target, help)->envname(variable)->type_name(type);
  };
  const auto size = [&](const char* name, std::size_t& target, const char* variable, const char* help) {
    command.add_option(name, target, help)
        ->transform(CLI::AsSizeValue(false).description(""))
        ->envname(variable)
        ->type_name("SIZE");
  };
  const auto count = [&](const char* name, std::size_t& target, const char* variable, const char* help) {
    command.add_option(name, target, help)
        ->check(CLI::Range(std::size_t{0}, std::size_t{1} << 30).description(""))
        ->envname(variable)
        ->type_name("N");
  };
  text("--host", server.host, "RERANK_HOST", "ADDRESS",
       "Address to listen on; 0.0.0.0 or :: for every one [127.0.0.1]");
  command.add_option("--port", server.port, "Port; 0: a free one, which the log tells [8080]")
      ->envname("RERANK_PORT")
      ->type_name("N");
  command.add_flag("--lazy", server.lazy, "Load each model when it is first asked for, not before");
  text("--api-keys", server.key_file, "RERANK_API_KEYS", "FILE",
       "File with a key a line; whoever has none of them is told nothing but the server's health. Read anew on SIGHUP");
  text("--tls-cert", server.certificate_file, "RERANK_TLS_CERT", "FILE",
       "Certificate, or chain of them, as PEM: serves HTTPS");
  text("--tls-key", server.tls_key_file, "RERANK_TLS_KEY", "FILE", "Its private key as PEM");
  command
      .add_option("--cors-origin", server.cors_origins,
                  "Pages of this origin, such as https://example.org, may call from a browser; * for all; may be "
                  "given several times [none]")
      ->allow_extra_args(false)
      ->type_name("ORIGIN");
  count("--max-queue", server.max_queued_requests, "RERANK_MAX_QUEUE",
        "Requests that wait for a model or are worked on; more are told to come again (429) [512]");
  size("--max-body", server.max_body_bytes, "RERANK_MAX_BODY", "Largest request body, such as 64M [32M]");
  size("--max-held", server.max_held_bytes, "RERANK_MAX_HELD",
       "Memory for request bodies, what their documents become, and large answers, together [256M]");
  count("--max-connections", server.max_connections, "RERANK_MAX_CONNECTIONS",
        "Open connections; more wait to be accepted [0: as files may be open]");
  count("--batch-tokens", server.batch_tokens, "RERANK_BATCH_TOKENS",
        "Tokens, as estimated, that go to the model at a time: more for throughput, fewer for small requests beside "
        "large ones [0: 1024 a thread]");
  seconds("--request-timeout", options.request_timeout, "RERANK_REQUEST_TIMEOUT",
          "Time for a request that names none; it is told when it is over (504) [0: no limit]");
  seconds("--idle-timeout", options.idle_timeout, "RERANK_IDLE_TIMEOUT",
          "Time that a connection stays open between requests [75]");
  seconds("--drain-timeout", options.drain_timeout, "RERANK_DRAIN_TIMEOUT",
          "Time for the requests that are being answered when SIGTERM comes [30]");
  command.add_flag("--no-log", options.no_log, "Write no log");
  command.add_flag("--log-texts", server.log_texts, "Log the bodies of requests too: queries and passages");
}

}  // namespace

void add_serve(CLI::App& app, Program& program) {
  CLI::App* command =
      app.add_subcommand("serve", "Answers rerank requests over HTTP, in the dialects of other servers");
  auto options = std::make_shared<Options>();
  add_server_options(*command, *options);
  add_model_options(*command, options->model);
  command->remove_option(command->get_option("--model"));
  command
      ->add_option("-m,--model", options->models,
                   "A model, as elsewhere, or with the name that clients give: NAME=DIR; may be given several times. "
                   "The first one is for requests that name none [the embedded English model]")
      ->allow_extra_args(false)
      ->type_name("[NAME=]DIR|HUB_NAME")
      ->group("Model options");
  command->footer(
      "Speaks the dialects of Cohere, Jina, Voyage, text-embeddings-inference, vLLM, llama.cpp, infinity and OpenAI,\n"
      "told apart by path and keys. /health and /health/ready answer 503 until the models are loaded and warm,\n"
      "/health/live answers at once, /metrics is for Prometheus. Most options can be set by a variable: RERANK_PORT "
      "for\n"
      "--port. SIGTERM answers what was accepted, then ends; a second one ends at once.\n"
      "Log: JSON lines on stderr. Texts are not in it unless asked for.\n\n"
      "Examples:\n"
      "  rerank serve\n"
      "  rerank serve --port 9000 --model ./bge-reranker-v2-m3 --model small=./bge-reranker-base\n"
      "  rerank serve --host 0.0.0.0 --api-keys keys.txt --tls-cert cert.pem --tls-key key.pem\n"
      "  curl localhost:8080/v1/rerank -d '{\"query\": \"what is a panda?\", \"documents\": [\"a bear\", \"a car\"]}'");
  command->callback([options, &program] { program.run = [options] { return run_serve(*options); }; });
}

}  // namespace rerank::cli
