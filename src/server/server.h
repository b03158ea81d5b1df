// The HTTP server: what `rerank serve` runs. docs/server.md describes it from outside.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rerank/error.h"
#include "server/models.h"

namespace rerank::server {

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: a free one
  std::string version;        // of this program

  std::string key_file;                        // empty: no key is asked for
  std::string certificate_file, tls_key_file;  // empty: no TLS
  std::vector<std::string> cors_origins;       // that pages may call from; "*": any; empty: none

  bool lazy = false;                              // models are loaded when they are first asked for
  std::size_t batch_tokens = 0;                   // of an engine call; 0: by the number of threads
  std::chrono::milliseconds retry_after{10'000};  // before a lazy model that could not be loaded is tried again
  std::size_t max_queued_requests = 512;
  std::size_t max_connections = 0;  // 0: as many as files may be open
  std::size_t max_head_bytes = std::size_t{32} << 10;
  std::size_t max_body_bytes = std::size_t{32} << 20;
  std::size_t max_held_bytes = std::size_t{256} << 20;  // of all bodies that are read or worked on
  std::chrono::milliseconds head_timeout{10'000}, idle_timeout{75'000}, transfer_timeout{30'000};
  std::chrono::milliseconds request_timeout{0};  // of a request that names none; 0: none
  std::chrono::milliseconds drain_timeout{30'000};
  std::chrono::milliseconds drain_grace{1'000};  // for a connection without a request

  int log_descriptor = 2;      // -1: no logs
  bool log_texts = false;      // the bodies of requests too
  bool catch_signals = false;  // SIGTERM, SIGINT: drain, and at once when it comes again; SIGHUP: reload
};

class Server {
 public:
  // Reads keys and certificates, and binds the address; nothing is answered before run().
  static Result<std::unique_ptr<Server>> make(ServerOptions options, std::vector<ModelChoice> models);
  ~Server();

  std::uint16_t port() const;

  // Answers until it is stopped. An error: a model that cannot be loaded up front, or requests that were not answered
  // within the time that draining may take.
  Status run();
  // After run(): whether its error is a model's.
  bool failed_to_load() const;

  // From any thread. Answers what was accepted, then ends run().
  void stop();
  // From any thread. Reads keys and certificates anew; those that cannot be read leave the old ones in place.
  void reload();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rerank::server
