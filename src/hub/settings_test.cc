#include "hub/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "io/test_files.h"

namespace rerank::hub {
namespace {

// An environment of the test's own, with a home folder that holds nothing.
class HubSettings : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN",
          "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_HUB_OFFLINE",
          "TRANSFORMERS_OFFLINE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR",
          "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"})
      unsetenv(name);
    setenv("HOME", home_.path().c_str(), 1);
  }
  std::string in_home(const std::string& path) const { return (home_.path() / path).string(); }

  rerank::testing::TempFolder home_;
};

TEST_F(HubSettings, HaveTheHubsDefaults) {
  const Settings settings = settings_from_environment();
  EXPECT_EQ(settings.endpoint, "https://huggingface.co");
  EXPECT_EQ(settings.token, "");
  EXPECT_EQ(settings.cache, in_home(".cache/huggingface/hub"));
  EXPECT_FALSE(settings.offline);
  EXPECT_EQ(settings.stall_timeout_s, 10);
}

TEST_F(HubSettings, TheCacheIsChosenAsHuggingfaceHubDoes) {
  setenv("XDG_CACHE_HOME", "/some/cache", 1);
  EXPECT_EQ(cache_folder(), "/some/cache/huggingface/hub");
  setenv("HF_HOME", "~/models", 1);
  EXPECT_EQ(cache_folder(), in_home("models/hub"));
  setenv("HUGGINGFACE_HUB_CACHE", "/old/name", 1);
  EXPECT_EQ(cache_folder(), "/old/name");
  setenv("HF_HUB_CACHE", "/new/name", 1);
  EXPECT_EQ(cache_folder(), "/new/name");
  setenv("HF_HUB_CACHE", "", 1);
  EXPECT_EQ(cache_folder(), "/old/name");
}

TEST_F(HubSettings, TheTokenComesFromTheEnvironmentOrTheFileOfALogin) {
  home_.write(".cache/huggingface/token", "hf_of_the_file\r\n");
  EXPECT_EQ(settings_from_environment().token, "hf_of_the_file");
  home_.write("elsewhere", " hf_elsewhere ");
  setenv("HF_TOKEN_PATH", in_home("elsewhere").c_str(), 1);
  EXPECT_EQ(settings_from_environment().token, "hf_elsewhere");
  setenv("HF_TOKEN", " hf_given\n", 1);
  EXPECT_EQ(settings_from_environment().token, "hf_given");
  setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1);
  EXPECT_EQ(settings_from_environment().token, "");
}

// It would end its header and begin another.
TEST_F(HubSettings, ATokenWithALineEndInsideIsNone) {
  setenv("HF_TOKEN", "hf_a\r\nHost: elsewhere", 1);
  EXPECT_EQ(settings_from_environment().token, "");
}

TEST_F(HubSettings, OfflineHasManySpellings) {
  for (const char* word : {"1", "true", "YES", "on"}) {
    setenv("HF_HUB_OFFLINE", word, 1);
    EXPECT_TRUE(settings_from_environment().offline) << word;
  }
  for (const char* word : {"0", "", "no"}) {
    setenv("HF_HUB_OFFLINE", word, 1);
    EXPECT_FALSE(settings_from_environment().offline) << word;
  }
  setenv("HF_HUB_OFFLINE", "", 1);
  setenv("TRANSFORMERS_OFFLINE", "1", 1);
  EXPECT_TRUE(settings_from_environment().offline);
}

TEST_F(HubSettings, EndpointCertificatesAndTimes) {
  setenv("HF_ENDPOINT", "https://hub.example.org//", 1);
  setenv("SSL_CERT_FILE", "/ca.pem", 1);
  setenv("HF_HUB_DOWNLOAD_TIMEOUT", "3", 1);
  setenv("HF_HUB_ETAG_TIMEOUT", "soon", 1);
  const Settings settings = settings_from_environment();
  EXPECT_EQ(settings.endpoint, "https://hub.example.org");
  EXPECT_EQ(settings.ca_file, "/ca.pem");
  EXPECT_EQ(settings.stall_timeout_s, 3);
  EXPECT_EQ(settings.metadata_timeout_s, 10);
}

}  // namespace
}  // namespace rerank::hub
