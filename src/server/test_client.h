// What the server's tests talk to it with: raw bytes over a socket, so that they can be wrong.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

namespace rerank::server::testing {

struct Response {
  int status = 0;                              // 0: the connection was closed instead
  std::map<std::string, std::string> headers;  // names in lower case
  std::string repeated;                        // a name that stands there twice
  std::string body;
};

class TestClient {
 public:
  explicit TestClient(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    const timeval patience{60, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~TestClient() { leave(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  bool connected() const { return connected_; }
  int descriptor() const { return socket_; }
  void leave() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // The next response, its body joined if it comes in chunks.
  Response read(bool has_body = true) {
    Response response;
    std::size_t end;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return response;
    std::string head = in_.substr(0, end + 2);
    in_.erase(0, end + 4);
    response.status = std::atoi(head.c_str() + std::string_view("HTTP/1.1 ").size());
    for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
      const std::size_t line_end = head.find("\r\n", at), colon = head.find(": ", at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      if (response.headers.count(name) > 0) response.repeated = name;
      response.headers[name] = head.substr(colon + 2, line_end - colon - 2);
      at = line_end + 2;
    }
    if (response.status == 100 || !has_body) return response;
    if (response.headers.count("transfer-encoding") > 0) {
      while (true) {
        const std::size_t size = std::strtoul(take_line().c_str(), nullptr, 16);
        const std::string chunk = take(size + 2);
        if (size == 0) break;
        response.body += chunk.substr(0, size);
      }
    } else if (response.headers.count("content-length") > 0) {
      response.body = take(std::strtoul(response.headers["content-length"].c_str(), nullptr, 10));
    } else if (response.status != 204) {
      while (more()) {
      }
      response.body = std::exchange(in_, {});
    }
    return response;
  }

  bool is_closed() { return in_.empty() && !more(); }

  Response get(const std::string& path, const std::string& headers = "") {
    send("GET " + path + " HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n");
    return read();
  }
  Response post(const std::string& path, const std::string& body, const std::string& headers = "") {
    send(post_of(path, body, headers));
    return read();
  }
  static std::string post_of(const std::string& path, const std::string& body, const std::string& headers = "") {
    return "POST " + path + " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

 private:
  bool more() {
    char buffer[16384];
    const ssize_t got = recv(socket_, buffer, sizeof(buffer), 0);
    if (got > 0) in_.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  }
  std::string take(std::size_t size) {
    while (in_.size() < size && more()) {
    }
    const std::string taken = in_.substr(0, size);
    in_.erase(0, size);
    return taken;
  }
  std::string take_line() {
    while (in_.find("\r\n") == std::string::npos && more()) {
    }
    return take(in_.find("\r\n") + 2);
  }

  int socket_;
  bool connected_ = false;
  std::string in_;
};

}  // namespace rerank::server::testing
