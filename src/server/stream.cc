#include "server/stream.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace rerank::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class PlainStream final : public Stream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)) {}

  void handshake(std::function<void(ErrorCode)> done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}); });
  }
  void read_some(char* bytes, std::size_t size, std::function<void(ErrorCode, std::size_t)> done) override {
    socket_.async_read_some(asio::buffer(bytes, size), std::move(done));
  }
  void write(std::string_view bytes, std::function<void(ErrorCode)> done) override {
    asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()),
                      [done = std::move(done)](ErrorCode error, std::size_t) { done(error); });
  }
  void shut_write(std::function<void(ErrorCode)> done) override {
    ErrorCode error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
    asio::post(socket_.get_executor(), [done = std::move(done), error] { done(error); });
  }
  void close() override {
    ErrorCode ignored;
    socket_.close(ignored);
  }

 private:
  tcp::socket socket_;
};

class TlsStream final : public Stream {
 public:
  TlsStream(tcp::socket socket, asio::ssl::context& context, std::shared_ptr<TlsContext> keep)
      : context_(std::move(keep)), stream_(std::move(socket), context) {}

  void handshake(std::function<void(ErrorCode)> done) override {
    stream_.async_handshake(asio::ssl::stream_base::server, std::move(done));
  }
  void read_some(char* bytes, std::size_t size, std::function<void(ErrorCode, std::size_t)> done) override {
    stream_.async_read_some(asio::buffer(bytes, size), std::move(done));
  }
  void write(std::string_view bytes, std::function<void(ErrorCode)> done) override {
    asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()),
                      [done = std::move(done)](ErrorCode error, std::size_t) { done(error); });
  }
  // Reads too, until the other side's "close notify"; many never send one, and only close() ends it.
  void shut_write(std::function<void(ErrorCode)> done) override { stream_.async_shutdown(std::move(done)); }
  void close() override {
    ErrorCode ignored;
    stream_.lowest_layer().close(ignored);
  }

 private:
  std::shared_ptr<TlsContext> context_;
  asio::ssl::stream<tcp::socket> stream_;
};

}  // namespace

struct TlsContext::Impl {
  asio::ssl::context context{asio::ssl::context::tls_server};
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::load(const std::string& certificate_file, const std::string& key_file) {
  auto impl = std::make_unique<Impl>();
  ErrorCode error;
  impl->context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                                asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                                asio::ssl::context::no_tlsv1_1 | SSL_OP_NO_RENEGOTIATION,
                            error);
  if (error) return Error{Error::Code::kInternal, error.message(), "TLS", ""};
  impl->context.use_certificate_chain_file(certificate_file, error);
  if (error)
    return Error{Error::Code::kBadInput, error.message(), certificate_file, "give a PEM file with a certificate"};
  impl->context.use_private_key_file(key_file, asio::ssl::context::pem, error);
  if (error)
    return Error{Error::Code::kBadInput, error.message(), key_file,
                 "give a PEM file with the private key of that certificate, not protected by a password"};
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

std::unique_ptr<Stream> make_stream(tcp::socket socket, std::shared_ptr<TlsContext> tls) {
  if (!tls) return std::make_unique<PlainStream>(std::move(socket));
  auto& context = tls->impl_->context;
  return std::make_unique<TlsStream>(std::move(socket), context, std::move(tls));
}

}  // namespace rerank::server
