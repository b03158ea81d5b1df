#include "hub/http.h"

#include <gtest/gtest.h>

#include "hub/refusal.h"

namespace rerank::hub {
namespace {

TEST(TakeHeaderLine, KeepsTheLastAnswersHeaders) {
  std::map<std::string, std::string> headers;
  for (const char* line : {"HTTP/1.1 100 Continue\r\n", "X-Early: yes\r\n", "\r\n", "HTTP/1.1 200 OK\r\n",
                           "ETag:  \"abc\" \r\n", "X-Repo-Commit: 12\r\n", "no colon\r\n", "\r\n"})
    take_header_line(line, headers);
  EXPECT_EQ(headers, (std::map<std::string, std::string>{{"etag", "\"abc\""}, {"x-repo-commit", "12"}}));
}

TEST(PauseBefore, GrowsAndHeedsTheServer) {
  EXPECT_DOUBLE_EQ(pause_before(1, 0), 0.5);
  EXPECT_DOUBLE_EQ(pause_before(3, 0), 2);
  EXPECT_DOUBLE_EQ(pause_before(50, 0), 30);
  EXPECT_DOUBLE_EQ(pause_before(1, 7), 7);
}

TEST(PauseAskedFor, IsRetryAfterOrTheRestOfTheWindow) {
  EXPECT_DOUBLE_EQ(pause_asked_for(3, "\"api\";r=0;t=55"), 3);
  EXPECT_DOUBLE_EQ(pause_asked_for(0, "\"api\";r=0;t=55"), 55);
  EXPECT_DOUBLE_EQ(pause_asked_for(0, "\"api\";r=12;t=55"), 0);
  EXPECT_DOUBLE_EQ(pause_asked_for(0, "\"api\";r=0;t=x"), 0);
  EXPECT_DOUBLE_EQ(pause_asked_for(0, ""), 0);
}

TEST(SameOrigin, IsSchemeHostAndPort) {
  EXPECT_TRUE(same_origin("https://huggingface.co/a?b", "https://HuggingFace.co:443/c"));
  EXPECT_TRUE(same_origin("http://127.0.0.1:80/", "http://127.0.0.1/x"));
  EXPECT_FALSE(same_origin("https://huggingface.co/", "http://huggingface.co/"));
  EXPECT_FALSE(same_origin("https://huggingface.co/", "https://huggingface.co.example.org/"));
  EXPECT_FALSE(same_origin("https://huggingface.co/", "https://huggingface.co@example.org/"));
  EXPECT_FALSE(same_origin("http://127.0.0.1:8080/", "http://127.0.0.1:8081/"));
  EXPECT_FALSE(same_origin("", ""));
}

TEST(MayFollow, NeverFromEncryptedToPlainNorToFiles) {
  EXPECT_TRUE(may_follow("https://a/", "https://b/"));
  EXPECT_TRUE(may_follow("http://a/", "https://b/"));
  EXPECT_TRUE(may_follow("http://a/", "http://b/"));
  EXPECT_FALSE(may_follow("https://a/", "http://a/"));
  EXPECT_FALSE(may_follow("http://a/", "file:///etc/passwd"));
  EXPECT_FALSE(may_follow("http://a/", "ftp://b/"));
}

struct RefusalCase {
  const char* why;
  long status;
  const char *code, *message, *token;
  Subject subject;
  Error::Code expected;
  const char* says;
};
class Refusal : public ::testing::TestWithParam<RefusalCase> {};
const Subject kModel{"o/n", "main", ""}, kFile{"o/n", "main", "config.json"};
INSTANTIATE_TEST_SUITE_P(
    Table, Refusal,
    ::testing::Values(
        RefusalCase{"gated, nobody logged in", 401, "GatedRepo", "", "", kModel, Error::Code::kIo,
                    "ask for access at https://hub/o/n, then set HF_TOKEN"},
        RefusalCase{"gated, no access", 403, "GatedRepo", "", "t", kModel, Error::Code::kIo,
                    "your token has no access"},
        RefusalCase{"no such model, or private", 401, "RepoNotFound", "", "", kModel, Error::Code::kNotFound,
                    "for a private model set HF_TOKEN"},
        RefusalCase{"the same without a code", 404, "", "", "t", kModel, Error::Code::kNotFound, "whether your token"},
        RefusalCase{"a token that has expired", 401, "", "Invalid credentials in Authorization header", "t", kModel,
                    Error::Code::kIo, "does not accept your token"},
        RefusalCase{"no such revision",
                    404,
                    "RevisionNotFound",
                    "",
                    "",
                    {"o/n", "v9", ""},
                    Error::Code::kNotFound,
                    "no revision \"v9\""},
        RefusalCase{"no such file", 404, "EntryNotFound", "", "", kFile, Error::Code::kNotFound, "no file config.json"},
        RefusalCase{"forbidden", 403, "", "Access is disabled", "", kModel, Error::Code::kIo, "Access is disabled"},
        RefusalCase{"too often", 429, "", "", "", kModel, Error::Code::kIo, "with HF_TOKEN the limit is higher"},
        RefusalCase{"a failing server", 503, "", "", "", kModel, Error::Code::kIo, "answers with 503"},
        RefusalCase{"a text that drives terminals", 400, "", "\x1b[2Jbad\x07", "", kModel, Error::Code::kIo,
                    "answers with 400: [2Jbad"}));
TEST_P(Refusal, SaysWhatToDo) {
  const auto& [why, status, code, message, token, subject, expected, says] = GetParam();
  Answer answer;
  answer.status = status;
  answer.url = "https://hub/api";
  if (*code != '\0') answer.headers["x-error-code"] = code;
  if (*message != '\0') answer.headers["x-error-message"] = message;
  Settings settings;
  settings.endpoint = "https://hub";
  settings.token = token;
  const Error error = refusal(answer, subject, settings);
  EXPECT_EQ(error.code, expected) << why << ": " << error.message();
  EXPECT_NE(error.message().find(says), std::string::npos) << why << ": " << error.message();
}

}  // namespace
}  // namespace rerank::hub
