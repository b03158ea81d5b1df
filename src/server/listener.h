// Accepts connections on one address and keeps count of them.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <unordered_set>

#include "rerank/error.h"
#include "server/connection.h"

namespace rerank::server {

class Listener {
 public:
  // Everything borrowed outlives the listener. All calls are made on the I/O thread, or before it runs.
  Listener(boost::asio::io_context& io, RequestHandler& handler, const ConnectionLimits& limits,
           std::size_t max_connections);

  // `host` is an address or a name; of a name's addresses, the first one. Port 0: a free one.
  Status listen(const std::string& host, std::uint16_t port);
  std::uint16_t port() const { return port_; }
  // For connections from here on; null: none.
  void use_tls(std::shared_ptr<TlsContext> tls) { tls_ = std::move(tls); }
  void start();

  // No more connections, except those that wait to be accepted already. The others end with the answer that they are
  // at, or after `grace` without a request.
  void drain(std::chrono::milliseconds grace);
  // Ends all connections at once.
  void close();
  std::size_t connections() const { return connections_.size(); }
  std::size_t accepted() const { return accepted_; }

 private:
  void accept_next();
  void take(boost::asio::ip::tcp::socket socket, const boost::asio::ip::tcp::endpoint& client);

  boost::asio::io_context& io_;
  RequestHandler& handler_;
  const ConnectionLimits& limits_;
  std::size_t max_connections_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::shared_ptr<TlsContext> tls_;
  std::uint16_t port_ = 0;
  std::size_t accepted_ = 0;
  bool accepting_ = false, draining_ = false;
  std::chrono::milliseconds grace_{};
  std::unordered_set<std::shared_ptr<Connection>> connections_;
};

}  // namespace rerank::server
