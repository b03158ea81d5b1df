// A connected socket, with or without TLS, behind one interface: a connection does not know which it has.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "rerank/error.h"

namespace rerank::server {

using ErrorCode = boost::system::error_code;

// Used from the I/O thread alone. At most one read and one write at a time. Callbacks come later, never from within the
// call, and also when the stream was closed meanwhile.
class Stream {
 public:
  virtual ~Stream() = default;

  virtual void handshake(std::function<void(ErrorCode)> done) = 0;
  // As many bytes as there are, at least one.
  virtual void read_some(char* bytes, std::size_t size, std::function<void(ErrorCode, std::size_t)> done) = 0;
  // All of `bytes`, which stay where they are until then.
  virtual void write(std::string_view bytes, std::function<void(ErrorCode)> done) = 0;
  // Says that nothing more will be written; what the other side sends can still be read. `done` comes at the latest
  // after close().
  virtual void shut_write(std::function<void(ErrorCode)> done) = 0;
  virtual void close() = 0;
};

// The server's certificate and private key, as OpenSSL holds them. Connections keep the one that they began with.
class TlsContext {
 public:
  // PEM files; the certificate file may hold a chain. TLS 1.2 and later.
  static Result<std::shared_ptr<TlsContext>> load(const std::string& certificate_file, const std::string& key_file);
  ~TlsContext();

 private:
  friend std::unique_ptr<Stream> make_stream(boost::asio::ip::tcp::socket socket, std::shared_ptr<TlsContext> tls);
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Without a context, plain TCP.
std::unique_ptr<Stream> make_stream(boost::asio::ip::tcp::socket socket, std::shared_ptr<TlsContext> tls);

}  // namespace rerank::server
