// One client's connection: its requests one after the other, each answered before the next one is begun.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dialects/http.h"
#include "server/http_text.h"
#include "server/request_reader.h"
#include "server/stream.h"

namespace rerank::server {

struct ConnectionLimits {
  ReadLimits read;
  std::chrono::milliseconds head_timeout{10'000};  // from a request's first byte to the end of its head; TLS handshake
  std::chrono::milliseconds idle_timeout{75'000};  // between requests
  // For a body and for an answer, and for each piece of an answer: this, and on top of it the time that they take at
  // slowest_bytes_per_s.
  std::chrono::milliseconds transfer_timeout{30'000};
  std::size_t slowest_bytes_per_s = std::size_t{16} << 10;
};

// The answer of one request on its way to the client. Its functions may be called from any thread, in this order; what
// comes after the client has left is dropped.
class Responder {
 public:
  virtual ~Responder() = default;
  // The whole answer,
  virtual void send(dialects::HttpResponse response) = 0;
  // or its head, then pieces as they come, then the end.
  virtual void begin(dialects::HttpResponse head) = 0;
  virtual void write(std::string bytes) = 0;
  virtual void end() = 0;
};

// A request as it came.
struct Incoming {
  dialects::HttpRequest request;
  std::string client;                             // the address it came from
  std::chrono::steady_clock::time_point began{};  // its first byte
  std::size_t body_bytes = 0;                     // held in memory for it, see RequestHandler::hold
};

// What a connection asks of the server. All of it on the I/O thread, none of it may block.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // The head is read, the body is not. An answer here refuses it, and ends the connection.
  virtual std::optional<dialects::HttpResponse> admit(const Incoming& head) = 0;
  // Whether so many bytes more, of a body or of a large answer, can be held in memory. What was held is given back by
  // release().
  virtual bool hold(std::size_t bytes) = 0;
  virtual void release(std::size_t bytes) = 0;
  // A whole request. `responder` answers it; the call that is returned is made if the client leaves before that.
  virtual std::function<void()> handle(Incoming incoming, std::shared_ptr<Responder> responder) = 0;
  // The answer for bytes that are no request, as far as they were read.
  virtual dialects::HttpResponse refuse(const Incoming& head, const BadRequest& why) = 0;
};

// A client that shuts down its side of the connection has left: what it asked for is not computed any further.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::any_io_executor executor, std::unique_ptr<Stream> stream, std::string client,
             RequestHandler& handler, const ConnectionLimits& limits);
  ~Connection();

  void on_closed(std::function<void()> call) { on_closed_ = std::move(call); }
  void start();
  // Ends after the answer that is on its way, or after `grace` without a request.
  void drain(std::chrono::milliseconds grace);
  void close();
  bool is_idle() const { return state_ == State::kReading && !reader_.has_begun() && in_.empty(); }

 private:
  class Answer;
  using Clock = std::chrono::steady_clock;
  enum class State {
    kHandshake,
    kReading,    // a request, or waiting for one
    kBusy,       // the handler has a request
    kWriting,    // the last bytes of an answer
    kLingering,  // all is said; waiting for the client to close, so that it gets to read the answer
    kClosed,
  };

  void await_request();
  void read_more();
  void on_read(ErrorCode error, std::size_t bytes);
  void advance();
  bool admit();
  bool hold_body();
  void hand_over();
  void refuse(const BadRequest& why);

  void answer(std::uint64_t exchange, dialects::HttpResponse response);
  void begin_stream(std::uint64_t exchange, dialects::HttpResponse head);
  void write_stream(std::uint64_t exchange, std::string_view bytes);
  void end_stream(std::uint64_t exchange);
  void last_answer(dialects::HttpResponse response);
  bool is_current(std::uint64_t exchange) const { return state_ == State::kBusy && exchange == exchange_; }
  void queue(std::string bytes);
  bool hold_answer(std::size_t bytes);
  void write_next();
  void on_written(ErrorCode error, std::size_t bytes);
  void answer_is_written();
  void linger();

  void set_deadline(Clock::duration from_now);
  void on_deadline();
  Clock::duration transfer_time(std::size_t bytes) const;
  void release_body();

  boost::asio::any_io_executor executor_;
  std::unique_ptr<Stream> stream_;
  boost::asio::steady_timer timer_;
  RequestHandler& handler_;
  const ConnectionLimits& limits_;
  std::function<void()> on_closed_;
  State state_ = State::kHandshake;

  RequestReader reader_;
  std::unique_ptr<char[]> read_buffer_;  // what the stream reads into
  std::size_t read_buffer_size_ = 0;
  std::string in_;  // read and not yet used
  bool reading_ = false, admitted_ = false;
  Incoming incoming_;  // what is known of the request that is being read
  std::size_t held_ = 0;

  std::uint64_t exchange_ = 0;  // the number of the request that is being answered
  std::function<void()> on_gone_;
  bool is_head_ = false, is_http_1_0_ = false, keep_alive_ = true, draining_ = false;
  std::chrono::milliseconds drain_grace_{};
  bool streaming_ = false, chunked_ = false;
  std::deque<std::string> out_;
  std::size_t out_bytes_ = 0;    // of all that is queued
  std::size_t out_held_ = 0;     // of them, those that count as held
  std::size_t out_written_ = 0;  // of the first
  Clock::time_point write_until_;
  bool writing_ = false;
  std::uint64_t timer_generation_ = 0;
};

}  // namespace rerank::server
