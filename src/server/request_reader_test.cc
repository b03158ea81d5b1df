#include "server/request_reader.h"

#include <gtest/gtest.h>

namespace rerank::server {
namespace {

using State = RequestReader::State;

// Feeds all of `bytes`, so many at a time, as a connection does. What is left over stays in `rest`.
State feed(RequestReader& reader, std::string_view bytes, std::size_t piece, std::string* rest = nullptr) {
  std::string in;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    in += bytes.substr(at, piece);
    while (reader.state() != State::kDone && reader.state() != State::kBad) {
      const State before = reader.state();
      const std::size_t used = reader.step(in);
      in.erase(0, used);
      if (used == 0 && reader.state() == before) break;
    }
  }
  if (rest != nullptr) *rest = in;
  return reader.state();
}

// The same in one piece and byte by byte: it must not matter.
struct Read {
  State state;
  dialects::HttpRequest request;
  BadRequest bad;
};
Read read(const std::string& bytes, ReadLimits limits = {}) {
  RequestReader whole(limits), slow(limits);
  const State state = feed(whole, bytes, bytes.size());
  EXPECT_EQ(feed(slow, bytes, 1), state) << bytes;
  if (state == State::kBad) {
    EXPECT_EQ(slow.bad().status, whole.bad().status) << bytes;
    return {state, {}, whole.bad()};
  }
  if (state != State::kDone) return {state, {}, {}};
  dialects::HttpRequest request = whole.take();
  EXPECT_EQ(slow.take().body, request.body);
  return {state, std::move(request), {}};
}

TEST(RequestReader, ReadsAPost) {
  const Read got = read(
      "POST /v1/rerank?x=%41 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nbody");
  ASSERT_EQ(got.state, State::kDone);
  EXPECT_EQ(got.request.method, "POST");
  EXPECT_EQ(got.request.path, "/v1/rerank");
  EXPECT_EQ(got.request.query, "x=%41") << "the query stays as it came";
  ASSERT_NE(got.request.header("content-TYPE"), nullptr);
  EXPECT_EQ(*got.request.header("content-TYPE"), "application/json");
  EXPECT_EQ(got.request.body, "body");
}

TEST(RequestReader, JoinsChunks) {
  const Read got = read(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;name=value\r\nWiki\r\nA\r\npedia, her\r\n0\r\n"
      "Authorization: Bearer stolen\r\n\r\n");
  ASSERT_EQ(got.state, State::kDone);
  EXPECT_EQ(got.request.body, "Wikipedia, her");
  EXPECT_EQ(got.request.header("Authorization"), nullptr) << "a trailer is no header";
}

TEST(RequestReader, ReadsOneRequestAfterTheOther) {
  RequestReader reader({});
  std::string rest;
  ASSERT_EQ(feed(reader, "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.0\r\n\r\n", 1000, &rest),
            State::kDone);
  EXPECT_TRUE(reader.keep_alive());
  EXPECT_EQ(reader.take().path, "/a");
  EXPECT_FALSE(reader.has_begun());
  ASSERT_EQ(feed(reader, rest, 3), State::kDone);
  EXPECT_FALSE(reader.keep_alive()) << "HTTP/1.0 closes unless it says otherwise";
  EXPECT_TRUE(reader.is_http_1_0());
  EXPECT_EQ(reader.take().path, "/b");
}

TEST(RequestReader, PausesBehindTheHead) {
  RequestReader reader({});
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n";
  EXPECT_EQ(reader.step(head + "0123456789"), head.size());
  EXPECT_EQ(reader.state(), State::kBody);
  EXPECT_TRUE(reader.expects_continue());
  EXPECT_EQ(reader.content_length(), 10u);
  EXPECT_EQ(reader.body_bytes(), 0u);
}

struct BadCase {
  const char* name;
  const char* bytes;
  int status;
};
class BadRequests : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadRequests, AreRefused) {
  ReadLimits limits;
  limits.head_bytes = 512;
  limits.body_bytes = 64;
  const Read got = read(GetParam().bytes, limits);
  ASSERT_EQ(got.state, State::kBad);
  EXPECT_EQ(got.bad.status, GetParam().status) << got.bad.message;
  EXPECT_FALSE(got.bad.message.empty());
}

const std::string kLongHeader = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(600, 'x') + "\r\n\r\n";
const std::string kLongLine = "GET /" + std::string(2000, 'x');
const std::string kLongChunkHead =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(2000, 'x');
const std::string kLongTrailer =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + std::string(2000, 'x');

INSTANTIATE_TEST_SUITE_P(
    RequestReader, BadRequests,
    ::testing::Values(
        BadCase{"NotHttp", "hello\r\n\r\n", 400}, BadCase{"TlsHello", "\x16\x03\x01\x02\x05\x01", 400},
        BadCase{"Http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        BadCase{"Http12", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505}, BadCase{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        BadCase{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        BadCase{"SpaceBeforeColon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        BadCase{"NoPath", "GET example.org HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        BadCase{"BadPercent", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        BadCase{"CutPercent", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        BadCase{"NotUtf8", "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        BadCase{"BadLength", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n", 400},
        BadCase{"NegativeLength", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
        BadCase{"TwoLengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        BadCase{"LengthAndChunks",
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        BadCase{"ChunksAndLength",
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
        BadCase{"ChunksInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        BadCase{"Gzip", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        BadCase{"BadChunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        BadCase{"ChunkWithoutEnd", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400},
        BadCase{"HugeChunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
                400},
        BadCase{"LargeBody", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n", 413},
        BadCase{"LargeChunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n", 413},
        BadCase{"LongHeader", kLongHeader.c_str(), 431}, BadCase{"LongLine", kLongLine.c_str(), 431},
        BadCase{"LongChunkHead", kLongChunkHead.c_str(), 400}, BadCase{"LongTrailer", kLongTrailer.c_str(), 400}),
    [](const auto& test) { return test.param.name; });

TEST(RequestReader, KeepsTheHeadOfABodyThatIsTooLarge) {
  RequestReader reader({512, 64});
  ASSERT_EQ(feed(reader, "POST /v2/rerank HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n", 1000), State::kBad);
  EXPECT_EQ(reader.head().path, "/v2/rerank") << "so that it can be refused as its dialect does";
}

TEST(ParseTarget, KnowsTheForms) {
  const auto path = [](std::string_view target) {
    const auto parsed = parse_target(target);
    return parsed ? parsed->path + "|" + parsed->query : "none";
  };
  EXPECT_EQ(path("/"), "/|");
  EXPECT_EQ(path("/a%20b/%C3%A9?c=%20"), "/a b/\xC3\xA9|c=%20");
  EXPECT_EQ(path("http://host:80/x?y"), "/x|y");
  EXPECT_EQ(path("HTTPS://host"), "/|");
  EXPECT_EQ(path("http://host?y"), "/|y");
  EXPECT_EQ(path("*"), "*|");
  EXPECT_EQ(path("host:80"), "none");
  EXPECT_EQ(path(""), "none");
}

}  // namespace
}  // namespace rerank::server
