#include "hub/names.h"

#include <gtest/gtest.h>

namespace rerank::hub {
namespace {

TEST(IsModelName, NeedsOwnerAndName) {
  EXPECT_TRUE(is_model_name("BAAI/bge-reranker-v2-m3"));
  EXPECT_TRUE(is_model_name("lightblue/lb-reranker-0.5B-v1.0"));
  for (const char* name : {"", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a b/c", "-a/b", "./b", "a/b\n", "a/%2e"})
    EXPECT_FALSE(is_model_name(name)) << name;
}

TEST(IsRevision, TakesBranchesTagsAndCommits) {
  for (const char* name : {"main", "v1.0", "refs/pr/12", "953dc6f", "feature/a_b-c"})
    EXPECT_TRUE(is_revision(name)) << name;
  for (const char* name : {"", "..", "a/../b", "/main", "main/", "a//b", ".hidden", "a b", "a?b", "-x", "a\\b"})
    EXPECT_FALSE(is_revision(name)) << name;
}

TEST(IsFileName, IsPlain) {
  for (const char* name : {"config.json", "model-00001-of-00003.safetensors", "a"})
    EXPECT_TRUE(is_file_name(name)) << name;
  for (const char* name : {"", ".", "..", ".gitattributes", "a/b", "../a", "/etc/passwd", "a\\b", "a b"})
    EXPECT_FALSE(is_file_name(name)) << name;
  EXPECT_FALSE(is_file_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_file_name(std::string(1000, 'a')));
}

TEST(IsCommit, IsWrittenOut) {
  EXPECT_TRUE(is_commit(std::string(40, 'a')));
  EXPECT_TRUE(is_commit(std::string(64, '0')));
  for (const std::string& text : {std::string(), std::string(39, 'a'), std::string(40, 'A'), std::string(40, 'g')})
    EXPECT_FALSE(is_commit(text)) << text;
}

TEST(PercentEncoded, LeavesOnlyWhatMeansNothing) {
  EXPECT_EQ(percent_encoded("refs/pr/1"), "refs%2Fpr%2F1");
  EXPECT_EQ(percent_encoded("a b?c#d%"), "a%20b%3Fc%23d%25");
  EXPECT_EQ(percent_encoded("v1.0_x-y~"), "v1.0_x-y~");
}

}  // namespace
}  // namespace rerank::hub
