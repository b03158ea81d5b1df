#include "server/listener.h"

#include <fmt/format.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <utility>
#include <vector>

namespace rerank::server {
namespace {

using boost::asio::ip::tcp;

// After an error such as too many open files: time for some of them to be closed.
constexpr std::chrono::milliseconds kPause{50};

}  // namespace

Listener::Listener(boost::asio::io_context& io, RequestHandler& handler, const ConnectionLimits& limits,
                   std::size_t max_connections)
    : io_(io), handler_(handler), limits_(limits), max_connections_(max_connections), acceptor_(io), pause_(io) {}

Status Listener::listen(const std::string& host, std::uint16_t port) {
  const std::string where = fmt::format("{}:{}", host, port);
  ErrorCode error;
  tcp::resolver resolver(io_);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty())
    return Error{Error::Code::kBadInput, fmt::format("is no address of this machine: {}", error.message()), where,
                 "give one such as 127.0.0.1, ::1 or 0.0.0.0"};
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
  if (!error) acceptor_.non_blocking(true, error);
  if (error)
    return Error{Error::Code::kIo, fmt::format("cannot listen: {}", error.message()), where,
                 "choose another address or port"};
  port_ = acceptor_.local_endpoint(error).port();
  return {};
}

void Listener::start() {
  accept_next();
}

void Listener::accept_next() {
  if (accepting_ || !acceptor_.is_open() || connections_.size() >= max_connections_) return;
  accepting_ = true;
  acceptor_.async_accept(io_, [this](ErrorCode error, tcp::socket socket) {
    accepting_ = false;
    if (error == boost::asio::error::operation_aborted) return;
    if (error) {
      pause_.expires_after(kPause);
      pause_.async_wait([this](ErrorCode aborted) {
        if (!aborted) accept_next();
      });
      return;
    }
    ErrorCode gone;
    const tcp::endpoint client = socket.remote_endpoint(gone);
    if (!gone) take(std::move(socket), client);
    accept_next();
  });
}

void Listener::take(tcp::socket socket, const tcp::endpoint& client) {
  ErrorCode ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  ++accepted_;
  auto connection = std::make_shared<Connection>(io_.get_executor(), make_stream(std::move(socket), tls_),
                                                 client.address().to_string(), handler_, limits_);
  connection->on_closed([this, raw = connection.get()] {
    connections_.erase(raw->shared_from_this());
    accept_next();
  });
  connections_.insert(connection);
  connection->start();
  if (draining_) connection->drain(grace_);
}

void Listener::drain(std::chrono::milliseconds grace) {
  draining_ = true;
  grace_ = grace;
  pause_.cancel();
  while (acceptor_.is_open()) {
    ErrorCode error;
    tcp::endpoint client;
    tcp::socket socket = acceptor_.accept(io_, client, error);
    if (error) break;
    take(std::move(socket), client);
  }
  ErrorCode ignored;
  acceptor_.close(ignored);
  const std::vector<std::shared_ptr<Connection>> now(connections_.begin(), connections_.end());
  for (const auto& connection : now) connection->drain(grace);
}

void Listener::close() {
  ErrorCode ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  const std::vector<std::shared_ptr<Connection>> now(connections_.begin(), connections_.end());
  for (const auto& connection : now) connection->close();
}

}  // namespace rerank::server
