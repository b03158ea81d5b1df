#include "server/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace rerank::server {
namespace {

// A connection that waits costs this much buffer; one that reads a body, the larger one.
constexpr std::size_t kIdleBuffer = 2048, kBusyBuffer = std::size_t{64} << 10;
// Bytes of the requests to come that are read while one is computed: reading is how a client that leaves is noticed.
constexpr std::size_t kReadAhead = std::size_t{64} << 10;
// A stream whose client reads slower than it is written to is given up.
constexpr std::size_t kMostUnsent = std::size_t{8} << 20;
constexpr std::chrono::seconds kLinger{2};
// So much of what a client has not read yet counts as nothing.
constexpr std::size_t kSmallAnswer = std::size_t{64} << 10;
// Bytes that are written at once: a client that reads nothing at all is noticed long before the time of a large answer
// is over.
constexpr std::size_t kPiece = std::size_t{64} << 10;

}  // namespace

// Brings what other threads say onto the I/O thread.
class Connection::Answer final : public Responder {
 public:
  Answer(std::shared_ptr<Connection> connection, std::uint64_t exchange)
      : connection_(std::move(connection)), exchange_(exchange) {}

  void send(dialects::HttpResponse response) override {
    on_io([response = std::move(response), exchange = exchange_](Connection& connection) mutable {
      connection.answer(exchange, std::move(response));
    });
  }
  void begin(dialects::HttpResponse head) override {
    on_io([head = std::move(head), exchange = exchange_](Connection& connection) mutable {
      connection.begin_stream(exchange, std::move(head));
    });
  }
  void write(std::string bytes) override {
    on_io([bytes = std::move(bytes), exchange = exchange_](Connection& connection) {
      connection.write_stream(exchange, bytes);
    });
  }
  void end() override {
    on_io([exchange = exchange_](Connection& connection) { connection.end_stream(exchange); });
  }

 private:
  template <class Call>
  void on_io(Call call) {
    boost::asio::post(connection_->executor_,
                      [connection = connection_, call = std::move(call)]() mutable { call(*connection); });
  }

  std::shared_ptr<Connection> connection_;
  std::uint64_t exchange_;
};

Connection::Connection(boost::asio::any_io_executor executor, std::unique_ptr<Stream> stream, std::string client,
                       RequestHandler& handler, const ConnectionLimits& limits)
    : executor_(std::move(executor)),
      stream_(std::move(stream)),
      timer_(executor_),
      handler_(handler),
      limits_(limits),
      reader_(limits.read) {
  incoming_.client = std::move(client);
}

Connection::~Connection() = default;

void Connection::start() {
  set_deadline(limits_.head_timeout);
  stream_->handshake([self = shared_from_this()](ErrorCode error) {
    if (self->state_ != State::kHandshake) return;
    if (error) return self->close();
    self->await_request();
  });
}

void Connection::await_request() {
  state_ = State::kReading;
  admitted_ = false;
  if (!in_.empty()) return advance();
  in_.shrink_to_fit();
  set_deadline(draining_ ? drain_grace_ : limits_.idle_timeout);
  read_more();
}

void Connection::read_more() {
  if (reading_) return;
  reading_ = true;
  const std::size_t size = state_ == State::kReading && reader_.has_begun() ? kBusyBuffer : kIdleBuffer;
  if (read_buffer_size_ != size) read_buffer_ = std::make_unique_for_overwrite<char[]>(size);
  read_buffer_size_ = size;
  stream_->read_some(read_buffer_.get(), size,
                     [self = shared_from_this()](ErrorCode error, std::size_t bytes) { self->on_read(error, bytes); });
}

void Connection::on_read(ErrorCode error, std::size_t bytes) {
  reading_ = false;
  if (state_ == State::kClosed) return;
  if (error && state_ == State::kWriting) {  // nothing more will come; the answer is on its way all the same
    keep_alive_ = false;
    return;
  }
  if (error) return close();
  if (state_ == State::kLingering) return read_more();
  in_.append(read_buffer_.get(), bytes);
  if (state_ == State::kReading) return advance();
  if (in_.size() < kReadAhead) read_more();
}

// Takes as much of what was read as makes a request.
void Connection::advance() {
  const bool is_new = !reader_.has_begun();
  while (true) {
    const RequestReader::State before = reader_.state();
    const std::size_t used = reader_.step(in_);
    in_.erase(0, used);
    if (reader_.state() == RequestReader::State::kBad) return refuse(reader_.bad());
    if (reader_.state() != RequestReader::State::kHead && !admitted_ && !admit()) return;
    if (reader_.state() == RequestReader::State::kBody && !hold_body()) return;
    if (reader_.state() == RequestReader::State::kDone) return hand_over();
    if (reader_.state() == before && (used == 0 || in_.empty())) break;
  }
  if (is_new && reader_.has_begun()) {
    incoming_.began = Clock::now();
    if (!admitted_) set_deadline(limits_.head_timeout);
  }
  read_more();
}

bool Connection::admit() {
  admitted_ = true;
  incoming_.request = reader_.head();
  is_head_ = incoming_.request.method == "HEAD";
  is_http_1_0_ = reader_.is_http_1_0();
  keep_alive_ = reader_.keep_alive();
  if (incoming_.began == Clock::time_point()) incoming_.began = Clock::now();
  if (auto refused = handler_.admit(incoming_)) {
    last_answer(std::move(*refused));
    return false;
  }
  if (reader_.state() == RequestReader::State::kBody && reader_.expects_continue() && !is_http_1_0_ && in_.empty() &&
      reader_.content_length() != 0u)
    queue("HTTP/1.1 100 Continue\r\n\r\n");
  return true;
}

// Memory for the body is asked for before it is there where its length is known, else as it comes.
bool Connection::hold_body() {
  const std::size_t wanted = reader_.content_length().value_or(reader_.body_bytes());
  if (wanted > held_) {
    if (!handler_.hold(wanted - held_)) {
      refuse({429, dialects::Failure::Kind::kOverloaded, "too many large requests are being read; try again"});
      return false;
    }
    held_ = wanted;
  }
  set_deadline(transfer_time(reader_.body_bytes()) - (Clock::now() - incoming_.began));
  return true;
}

void Connection::hand_over() {
  state_ = State::kBusy;
  ++exchange_;
  timer_.cancel();
  ++timer_generation_;
  Incoming incoming{reader_.take(), incoming_.client, incoming_.began, held_};
  incoming_.request = {};
  incoming_.began = {};
  on_gone_ = handler_.handle(std::move(incoming), std::make_shared<Answer>(shared_from_this(), exchange_));
  if (state_ == State::kBusy && in_.size() < kReadAhead) read_more();
}

void Connection::refuse(const BadRequest& why) {
  if (!admitted_) incoming_.request = reader_.head();
  is_http_1_0_ = reader_.is_http_1_0();
  last_answer(handler_.refuse(incoming_, why));
}

void Connection::answer(std::uint64_t exchange, dialects::HttpResponse response) {
  if (!is_current(exchange)) return;
  on_gone_ = nullptr;
  release_body();
  if (!hold_answer(response.body.size()))
    response = handler_.refuse(incoming_, {429, dialects::Failure::Kind::kOverloaded,
                                           "the answer is large, and too many of those wait to be read; try again"});
  keep_alive_ = keep_alive_ && !draining_;
  state_ = State::kWriting;
  std::string bytes = response_head(response, Framing::kLength, response.body.size(), keep_alive_);
  if (!is_head_ && response.status != 204) bytes += response.body;
  queue(std::move(bytes));
}

// For a request that was not read to its end: what follows on the connection cannot be told from it.
void Connection::last_answer(dialects::HttpResponse response) {
  keep_alive_ = false;
  release_body();
  state_ = State::kWriting;
  std::string bytes = response_head(response, Framing::kLength, response.body.size(), false);
  if (!is_head_) bytes += response.body;
  queue(std::move(bytes));
}

void Connection::begin_stream(std::uint64_t exchange, dialects::HttpResponse head) {
  if (!is_current(exchange)) return;
  release_body();
  chunked_ = !is_http_1_0_;
  keep_alive_ = keep_alive_ && chunked_ && !draining_;
  streaming_ = true;
  std::string bytes = response_head(head, chunked_ ? Framing::kChunked : Framing::kUntilClose, 0, keep_alive_);
  queue(std::move(bytes));
}

void Connection::write_stream(std::uint64_t exchange, std::string_view bytes) {
  if (!is_current(exchange) || !streaming_ || is_head_ || bytes.empty()) return;
  if (out_bytes_ + bytes.size() > kMostUnsent || !hold_answer(bytes.size())) return close();
  queue(chunked_ ? chunk_of(bytes) : std::string(bytes));
}

void Connection::end_stream(std::uint64_t exchange) {
  if (!is_current(exchange) || !streaming_) return;
  streaming_ = false;
  on_gone_ = nullptr;
  state_ = State::kWriting;
  if (chunked_ && !is_head_) {
    queue(chunk_of(""));
  } else if (!writing_) {
    answer_is_written();
  }
}

// Whether there is memory for so many bytes more that the client has to read.
bool Connection::hold_answer(std::size_t bytes) {
  const std::size_t all = out_bytes_ + bytes;
  if (all <= kSmallAnswer + out_held_) return true;
  if (!handler_.hold(all - kSmallAnswer - out_held_)) return false;
  out_held_ = all - kSmallAnswer;
  return true;
}

void Connection::queue(std::string bytes) {
  out_bytes_ += bytes.size();
  out_.push_back(std::move(bytes));
  if (!writing_) write_next();
}

void Connection::write_next() {
  writing_ = true;
  const std::string_view rest = std::string_view(out_.front()).substr(out_written_);
  const std::string_view piece = rest.substr(0, kPiece);
  if (out_written_ == 0) write_until_ = Clock::now() + transfer_time(rest.size());
  if (state_ != State::kReading) set_deadline(std::min(transfer_time(piece.size()), write_until_ - Clock::now()));
  stream_->write(piece,
                 [self = shared_from_this(), size = piece.size()](ErrorCode error) { self->on_written(error, size); });
}

void Connection::on_written(ErrorCode error, std::size_t bytes) {
  writing_ = false;
  if (state_ == State::kClosed) return;
  if (error) return close();
  out_written_ += bytes;
  if (out_written_ < out_.front().size()) return write_next();
  out_written_ = 0;
  out_bytes_ -= out_.front().size();
  out_.pop_front();
  const std::size_t large = out_bytes_ > kSmallAnswer ? out_bytes_ - kSmallAnswer : 0;
  if (large < out_held_) handler_.release(std::exchange(out_held_, large) - large);
  if (!out_.empty()) return write_next();
  if (state_ == State::kWriting) return answer_is_written();
  if (state_ == State::kBusy) {  // between two pieces of a stream, nobody keeps anybody waiting
    timer_.cancel();
    ++timer_generation_;
  }
}

void Connection::answer_is_written() {
  // One that was told that it may go on is listened to a little longer even while the server ends.
  if (!keep_alive_) return linger();
  await_request();
}

// A socket that is closed while bytes arrive takes back what it has sent: read them first, for a while.
void Connection::linger() {
  state_ = State::kLingering;
  set_deadline(kLinger);
  in_ = {};
  stream_->shut_write([self = shared_from_this()](ErrorCode) {});
  read_more();
}

void Connection::drain(std::chrono::milliseconds grace) {
  draining_ = true;
  drain_grace_ = grace;
  if (is_idle()) set_deadline(grace);
}

void Connection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  timer_.cancel();
  ++timer_generation_;
  stream_->close();
  release_body();
  if (out_held_ > 0) handler_.release(std::exchange(out_held_, 0));
  if (const auto on_gone = std::exchange(on_gone_, nullptr)) on_gone();
  if (const auto on_closed = std::exchange(on_closed_, nullptr)) on_closed();
}

void Connection::release_body() {
  if (held_ > 0) handler_.release(std::exchange(held_, 0));
}

Connection::Clock::duration Connection::transfer_time(std::size_t bytes) const {
  return limits_.transfer_timeout + std::chrono::milliseconds(1000 * bytes / limits_.slowest_bytes_per_s);
}

void Connection::set_deadline(Clock::duration from_now) {
  const std::uint64_t generation = ++timer_generation_;
  timer_.expires_after(from_now);
  timer_.async_wait([self = shared_from_this(), generation](ErrorCode error) {
    if (!error && generation == self->timer_generation_) self->on_deadline();
  });
}

void Connection::on_deadline() {
  if (state_ == State::kReading && reader_.has_begun())
    return refuse({408, dialects::Failure::Kind::kMalformed, "the request took too long to arrive"});
  close();
}

}  // namespace rerank::server
