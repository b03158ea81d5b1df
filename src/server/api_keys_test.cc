#include "server/api_keys.h"

#include <gtest/gtest.h>

namespace rerank::server {
namespace {

bool admits(const ApiKeys& keys, const std::string& value) {
  dialects::HttpRequest request;
  request.headers = {{"authorization", value}};
  return keys.admits(request);
}

TEST(ApiKeys, LetInWhoeverHasOne) {
  const auto keys = ApiKeys::parse("# of the search team\nalpha-1\r\n\nbeta_2", "keys");
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(keys.value().size(), 2u);
  for (const char* good : {"Bearer alpha-1", "bearer beta_2", "Bearer  beta_2", "alpha-1"})
    EXPECT_TRUE(admits(keys.value(), good)) << good;
  for (const char* bad : {"", "Bearer", "Bearer ", "Bearer alpha-", "Bearer alpha-12", "Bearer ALPHA-1",
                          "Basic alpha-1", "# of the search team", "Bearer alpha-1 beta_2"})
    EXPECT_FALSE(admits(keys.value(), bad)) << bad;
  EXPECT_FALSE(keys.value().admits({})) << "no header at all";
}

TEST(ApiKeys, RefuseFilesThatAreNone) {
  for (const char* bad : {"", "\n# nothing\n", "two words\n", "t\xC3\xA9l\n"}) {
    const auto keys = ApiKeys::parse(bad, "keys");
    ASSERT_FALSE(keys.ok()) << bad;
    EXPECT_EQ(keys.error().code, Error::Code::kBadInput);
    EXPECT_EQ(keys.error().message().find("two words"), std::string::npos) << "a key must not end up in a log";
  }
  EXPECT_EQ(ApiKeys::load("/no/such/file").error().code, Error::Code::kNotFound);
}

}  // namespace
}  // namespace rerank::server
