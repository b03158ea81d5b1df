// `rerank serve` as a process: signals, clients that vanish, and more of them than anybody needs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/program.h"
#include "server/test_client.h"
#include "support/tiny_causal.h"

namespace rerank::testing {
namespace {

using server::testing::Response;
using server::testing::TestClient;
using Json = nlohmann::json;

// The program as a child, with its log on a pipe.
class Served {
 public:
  explicit Served(std::vector<std::string> options = {}, std::uint16_t port = 0) {
    options.insert(options.begin(), {RERANK_PROGRAM, "serve", "--port", std::to_string(port), "--threads", "2"});
    std::vector<char*> arguments;
    for (std::string& option : options) arguments.push_back(option.data());
    arguments.push_back(nullptr);
    int log[2];
    EXPECT_EQ(pipe2(log, O_CLOEXEC), 0);
    child_ = fork();
    if (child_ == 0) {
      dup2(log[1], STDERR_FILENO);
      execv(RERANK_PROGRAM, arguments.data());
      _exit(127);
    }
    close(log[1]);
    log_ = log[0];
    while (!has_loaded_ && read_line()) {
    }
    reader_ = std::thread([this] {
      while (read_line()) {
      }
    });
  }
  ~Served() {
    if (child_ > 0) end(SIGKILL);
  }

  std::uint16_t port() const { return port_; }
  void signal(int number) const { kill(child_, number); }
  // Sends it and waits; the exit code, or 128 + the signal that ended it.
  int end(int number) {
    signal(number);
    return wait();
  }
  int wait() {
    int status = 0;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    child_ = -1;
    reader_.join();
    close(log_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::size_t threads() const {
    const auto tasks = std::filesystem::directory_iterator("/proc/" + std::to_string(child_) + "/task");
    return static_cast<std::size_t>(std::distance(begin(tasks), end_of(tasks)));
  }

 private:
  static std::filesystem::directory_iterator end_of(const std::filesystem::directory_iterator&) { return {}; }

  bool read_line() {
    std::string line;
    for (char c; ::read(log_, &c, 1) == 1;) {
      if (c != '\n') {
        line += c;
        continue;
      }
      if (line.starts_with("rerank: ")) return true;  // why it ends
      const Json entry = Json::parse(line, nullptr, false);
      EXPECT_FALSE(entry.is_discarded()) << line;
      if (entry.is_discarded()) return true;
      if (entry["event"] == "listening") port_ = entry["port"];
      if (entry["event"] == "model loaded") has_loaded_ = true;
      return true;
    }
    return false;
  }

  pid_t child_ = -1;
  int log_ = -1;
  std::uint16_t port_ = 0;
  bool has_loaded_ = false;
  std::thread reader_;
};

std::string body_of(std::size_t documents, std::size_t words) {
  Json texts = Json::array();
  for (std::size_t i = 0; i < documents; ++i) {
    std::string text = "document " + std::to_string(i);
    for (std::size_t n = 0; n < words; ++n) text += " bamboo";
    texts.push_back(text);
  }
  return Json{{"query", "what does a panda eat?"}, {"texts", texts}}.dump();
}

class Serve : public ProgramTest {};

TEST_F(Serve, AnswersAsItsHelpSays) {
  Served served;
  TestClient client(served.port());
  const Response response =
      client.post("/v1/rerank", R"({"query": "what is a panda?", "documents": ["a car", "a panda is a bear"]})");
  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(Json::parse(response.body)["results"][0]["index"], 1);
  EXPECT_EQ(served.end(SIGTERM), 0);
}

// Every client goes on asking until its connection ends. What it has asked before that is answered.
TEST_F(Serve, AnswersAllThatItHasAcceptedWhenToldToEnd) {
  Served served;
  constexpr int kClients = 32;
  const std::string request = TestClient::post_of("/rerank", body_of(20, 20));
  std::atomic<int> answered{0}, lost{0}, cut{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i)
    clients.emplace_back([&] {
      TestClient client(served.port());
      while (true) {
        if (!client.send(request)) {
          ++lost;
          return;
        }
        const Response response = client.read();
        if (response.status != 200) {
          ++lost;
          return;
        }
        ++answered;
        if (Json::parse(response.body, nullptr, false).size() != 20) ++cut;
        if (response.headers.at("connection") == "close") return;
      }
    });
  while (answered < kClients) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  served.signal(SIGTERM);
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(served.wait(), 0);
  EXPECT_EQ(lost, 0) << "of " << answered;
  EXPECT_EQ(cut, 0);
}

// Who has read the beginning of a text reads its end too.
TEST_F(Serve, EndsWithTheTextThatItIsWriting) {
  TinyModel::Folder folder;
  TinyCausal::qwen2(false).write(folder);
  Served served({"--model", folder.path, "--method", "reasoning", "--dtype", "f32"});
  const auto choice_of = [](const std::string& event) { return Json::parse(event.substr(6))["choices"][0]; };
  std::vector<std::string> prompts;
  for (int i = 0; i < 8; ++i) prompts.push_back("prompt " + std::to_string(i));
  Json body{{"prompt", prompts}, {"max_tokens", 200}};
  TestClient client(served.port());
  const Json whole = Json::parse(client.post("/v1/completions", body.dump()).body)["choices"];
  body["stream"] = true;
  client.send(TestClient::post_of("/v1/completions", body.dump()));
  char first;
  ASSERT_EQ(recv(client.descriptor(), &first, 1, MSG_PEEK), 1);
  served.signal(SIGTERM);
  const std::string events = client.read().body;
  EXPECT_TRUE(events.ends_with("data: [DONE]\n\n")) << events;
  std::vector<std::string> texts(prompts.size());
  for (std::size_t at = 0; events.compare(at, 7, "data: {") == 0; at = events.find("\n\n", at) + 2) {
    const Json choice = choice_of(events.substr(at, events.find("\n\n", at) - at));
    texts.at(choice["index"]) += choice["text"];
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) EXPECT_EQ(texts[i], whole[i]["text"]);
  EXPECT_EQ(served.wait(), 0);
}

TEST_F(Serve, ASecondSignalEndsItAtOnce) {
  Served served;
  TestClient client(served.port());
  client.send(TestClient::post_of("/rerank", body_of(20'000, 60)));
  usleep(200'000);
  served.signal(SIGTERM);
  usleep(50'000);
  EXPECT_EQ(served.end(SIGINT), 3);
}

TEST_F(Serve, KilledItLeavesItsPortToTheNext) {
  Served first;
  TestClient client(first.port());
  client.send(TestClient::post_of("/rerank", body_of(2000, 60)));
  usleep(100'000);
  EXPECT_EQ(first.end(SIGKILL), 128 + SIGKILL);
  EXPECT_EQ(client.read().status, 0) << "no half answer";
  Served second({}, first.port());
  EXPECT_EQ(TestClient(second.port()).post("/rerank", body_of(3, 3)).status, 200);
  EXPECT_EQ(second.end(SIGTERM), 0);
}

TEST_F(Serve, ClientsThatVanishCostNothing) {
  Served served;
  const std::string request = TestClient::post_of("/rerank", body_of(500, 60));
  for (int i = 0; i < 100; ++i) {
    TestClient client(served.port());
    client.send(std::string_view(request).substr(0, i % 2 == 0 ? request.size() : request.size() / 2));
  }
  TestClient stays(served.port());
  EXPECT_EQ(stays.post("/rerank", body_of(3, 3)).status, 200);
  for (int tries = 0; tries < 1000; ++tries) {
    const std::string metrics = stays.get("/metrics").body;
    if (metrics.find("\nrerank_requests_in_flight 0\n") != std::string::npos &&
        metrics.find("\nrerank_connections 1\n") != std::string::npos &&
        metrics.find("\nrerank_held_body_bytes 0\n") != std::string::npos)
      break;
    ASSERT_LT(tries, 999) << metrics;
    usleep(10'000);
  }
  EXPECT_EQ(served.end(SIGTERM), 0);
}

TEST_F(Serve, TenThousandIdleConnectionsCostNoThreads) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const rlimit all{files.rlim_max, files.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &all) == 0) files = all;
  const std::size_t count = std::min<std::size_t>(10'000, files.rlim_cur - 200);
  Served served;
  TestClient client(served.port());
  ASSERT_EQ(client.post("/rerank", body_of(3, 3)).status, 200);
  const std::size_t threads = served.threads();
  std::vector<std::unique_ptr<TestClient>> idle;
  for (std::size_t i = 0; i < count; ++i) {
    idle.push_back(std::make_unique<TestClient>(served.port()));
    ASSERT_TRUE(idle.back()->connected()) << i << ": " << std::strerror(errno);
  }
  const std::string wanted = "\nrerank_connections " + std::to_string(count + 1) + "\n";
  for (int tries = 0; client.get("/metrics").body.find(wanted) == std::string::npos; ++tries) {
    ASSERT_LT(tries, 500);
    usleep(20'000);
  }
  EXPECT_EQ(served.threads(), threads);
  EXPECT_EQ(client.post("/rerank", body_of(3, 3)).status, 200);
  EXPECT_EQ(idle.back()->post("/rerank", body_of(3, 3)).status, 200);
  idle.clear();
  EXPECT_EQ(served.end(SIGTERM), 0);
}

TEST_F(Serve, RefusesWhatItCannotServe) {
  EXPECT_EQ(run({"serve", "--model", "no-such-folder"}).exit, 2);
  EXPECT_EQ(run({"serve", "--host", "no such host"}).exit, 1);
  EXPECT_EQ(run({"serve", "--api-keys", "missing"}).exit, 1);
  EXPECT_EQ(run({"serve", "--tls-cert", "missing"}).exit, 1);
  write("keys", "\n");
  EXPECT_EQ(run({"serve", "--api-keys", "keys"}).exit, 1);
  std::filesystem::create_directory(path("empty"));
  EXPECT_EQ(run({"serve", "--port", "0", "--model", "a=empty"}).exit, 2);
  EXPECT_EQ(run({"serve", "--port", "0", "--model", "a=empty", "--model", "a=empty"}).exit, 1);
}

// New keys and a new certificate hold from the signal on, without a connection lost.
TEST_F(Serve, SpeaksTlsAndReadsItsFilesAnew) {
  const auto make_certificate = [this] {
    const std::string make =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
        "/CN=localhost -keyout " +
        path("key.pem").string() + " -out " + path("cert.pem").string() + " 2>/dev/null";
    return std::system(make.c_str()) == 0;
  };
  if (!make_certificate()) GTEST_SKIP() << "there is no openssl program to make a certificate with";
  write("keys", "first\n");
  Served served({"--tls-cert", path("cert.pem"), "--tls-key", path("key.pem"), "--api-keys", path("keys")});
  // Asks until it is answered with the certificate that the file has now and with this key, for a while.
  write("client.py", R"(import json, ssl, sys, time, urllib.error, urllib.request
_, port, cert, key, tries = sys.argv
request = urllib.request.Request(f"https://localhost:{port}/rerank", b'{"query": "q", "texts": ["a", "b"]}',
                                 {"Authorization": "Bearer " + key})
for left in reversed(range(int(tries))):
    try:
        answer = urllib.request.urlopen(request, context=ssl.create_default_context(cafile=cert))
        assert len(json.load(answer)) == 2
        break
    except urllib.error.URLError:
        if left == 0:
            sys.exit(1)
        time.sleep(0.1)
)");
  const auto ask = [&](const std::string& key, int tries) {
    return std::system(("python3 " + path("client.py").string() + " " + std::to_string(served.port()) + " " +
                        path("cert.pem").string() + " " + key + " " + std::to_string(tries) + " 2>/dev/null")
                           .c_str());
  };
  EXPECT_EQ(ask("first", 1), 0);
  EXPECT_NE(ask("second", 1), 0);
  TestClient plain(served.port());
  plain.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(plain.read().status, 0) << "no plain HTTP on this port";
  write("keys", "second\n");
  ASSERT_TRUE(make_certificate());
  EXPECT_NE(ask("first", 1), 0) << "the old certificate is still served, and the new one was expected";
  served.signal(SIGHUP);
  EXPECT_EQ(ask("second", 100), 0);
  EXPECT_NE(ask("first", 1), 0);
  EXPECT_EQ(served.end(SIGTERM), 0);
}

}  // namespace
}  // namespace rerank::testing
