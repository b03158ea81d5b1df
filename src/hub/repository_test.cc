#include "hub/repository.h"

#include <gtest/gtest.h>

#include "hub/wanted_files.h"

namespace rerank::hub {
namespace {

const std::string kCommit(40, 'c');
const std::string kSum(64, 'a');
const std::string kBlob(40, 'b');

std::string answer(const std::string& siblings) {
  return R"({"id": "o/n", "sha": ")" + kCommit + R"(", "siblings": [)" + siblings + "]}";
}

std::string files(const std::vector<const char*>& names) {
  std::string text;
  for (const char* name : names) text += std::string(text.empty() ? "" : ",") + R"({"rfilename": ")" + name + "\"}";
  return answer(text);
}

TEST(ParseRepository, ReadsCommitSizesAndSums) {
  const auto repository = parse_repository(
      answer(R"({"rfilename": "model.safetensors", "size": 7, "blobId": ")" + kBlob + R"(", "lfs": {"sha256": ")" +
             kSum + R"(", "size": 9, "pointerSize": 1}}, {"rfilename": "config.json", "size": 5, "blobId": ")" + kBlob +
             "\"}"),
      "hub");
  ASSERT_TRUE(repository.ok()) << repository.error().message();
  EXPECT_EQ(repository.value().commit, kCommit);
  const RemoteFile* const weights = find(repository.value(), "model.safetensors");
  ASSERT_NE(weights, nullptr);
  EXPECT_EQ(weights->size, 9u);
  EXPECT_EQ(weights->checksum->kind, Expected::Kind::kSha256);
  EXPECT_EQ(weights->checksum->digest, kSum);
  const RemoteFile* const config = find(repository.value(), "config.json");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->checksum->kind, Expected::Kind::kGitSha1);
  EXPECT_EQ(config->checksum->digest, kBlob);
  EXPECT_EQ(find(repository.value(), "nothing.json"), nullptr);
}

TEST(ParseRepository, LeavesOutWhatLiesInFoldersOrWouldLeadOutOfThem) {
  const auto repository = parse_repository(files({"onnx/model.onnx", "../../.ssh/authorized_keys", "/etc/passwd", "..",
                                                  ".gitattributes", "a\\\\b", "config.json"}),
                                           "hub");
  ASSERT_TRUE(repository.ok()) << repository.error().message();
  ASSERT_EQ(repository.value().files.size(), 1u);
  EXPECT_EQ(repository.value().files[0].name, "config.json");
}

TEST(ParseRepository, SizesAndSumsThatMakeNoSenseAreAsIfTheyWereNotThere) {
  const auto repository = parse_repository(
      answer(
          R"({"rfilename": "a", "size": -1, "blobId": "x/../y"}, {"rfilename": "b", "size": "1", "lfs": {"sha256": 1}})"),
      "hub");
  ASSERT_TRUE(repository.ok()) << repository.error().message();
  for (const RemoteFile& file : repository.value().files) {
    EXPECT_FALSE(file.size) << file.name;
    EXPECT_FALSE(file.checksum) << file.name;
  }
}

TEST(ParseRepository, RefusesWhatIsNoAnswerOfAHub) {
  for (const std::string& text :
       {std::string(), std::string("<html>"), std::string("[]"), std::string("{}"), files({"a", "b", "a"}),
        std::string(R"({"sha": "../../..", "siblings": []})"), R"({"sha": ")" + kCommit + R"("})",
        R"({"sha": ")" + kCommit + R"(", "siblings": [{"name": "a"}]})"}) {
    const auto repository = parse_repository(text, "the hub");
    ASSERT_FALSE(repository.ok()) << text;
    EXPECT_EQ(repository.error().code, Error::Code::kCorrupt) << text;
    EXPECT_NE(repository.error().message().find("the hub"), std::string::npos) << repository.error().message();
  }
}

struct WantedCase {
  const char* why;
  std::vector<const char*> there;
  std::vector<std::string> wanted;
};
class WantedFiles : public ::testing::TestWithParam<WantedCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, WantedFiles,
    ::testing::Values(
        WantedCase{
            "one form of the weights",
            {"README.md", "config.json", "model.safetensors", "pytorch_model.bin", "model.onnx", "m.gguf",
             "tokenizer.json", "sentencepiece.bpe.model", "special_tokens_map.json", "tokenizer_config.json"},
            {"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "model.safetensors"}},
        WantedCase{"shards come by their index",
                   {"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                    "model.safetensors.index.json", "tokenizer.json", "chat_template.jinja", "generation_config.json"},
                   {"config.json", "tokenizer.json", "chat_template.jinja", "generation_config.json",
                    "model.safetensors.index.json"}},
        WantedCase{"a model before its adapter",
                   {"config.json", "model.safetensors", "adapter_config.json", "adapter_model.safetensors"},
                   {"config.json", "model.safetensors"}},
        WantedCase{"an adapter alone",
                   {"README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json"},
                   {"adapter_config.json", "adapter_model.safetensors"}}));
TEST_P(WantedFiles, AreThoseOfACheckpoint) {
  const auto repository = parse_repository(files(GetParam().there), "hub");
  ASSERT_TRUE(repository.ok());
  const auto wanted = wanted_files(repository.value(), "o/n");
  ASSERT_TRUE(wanted.ok()) << GetParam().why << ": " << wanted.error().message();
  EXPECT_EQ(wanted.value(), GetParam().wanted) << GetParam().why;
}

TEST(WantedFiles, AreAnErrorWithoutSafetensors) {
  const auto error_of = [](const std::vector<const char*>& names) {
    const auto wanted = wanted_files(parse_repository(files(names), "hub").value(), "o/n");
    EXPECT_FALSE(wanted.ok());
    return wanted.ok() ? std::string() : wanted.error().message();
  };
  EXPECT_NE(error_of({"config.json", "pytorch_model.bin"}).find("pytorch_model.bin but no safetensors"),
            std::string::npos);
  EXPECT_NE(error_of({"config.json", "q4.gguf"}).find("q4.gguf"), std::string::npos);
  EXPECT_NE(error_of({"config.json", "weights.safetensors"}).find("weights.safetensors"), std::string::npos);
  EXPECT_NE(error_of({"config.json"}).find("no weights"), std::string::npos);
  EXPECT_NE(error_of({"README.md"}).find("no config.json"), std::string::npos);
}

TEST(ShardsOf, AreEachNamedOnce) {
  const auto shards =
      shards_of(R"({"weight_map": {"a": "m-2.safetensors", "b": "m-1.safetensors", "c": "m-2.safetensors"}})", "index");
  ASSERT_TRUE(shards.ok()) << shards.error().message();
  EXPECT_EQ(shards.value(), (std::vector<std::string>{"m-1.safetensors", "m-2.safetensors"}));
}

TEST(ShardsOf, RefuseNamesThatLeadElsewhere) {
  for (const char* name : {"../m.safetensors", "/m.safetensors", "a/m.safetensors", "", "..", "m.bin"})
    EXPECT_FALSE(shards_of(std::string(R"({"weight_map": {"a": ")") + name + "\"}}", "index").ok()) << name;
  for (const char* text : {"", "{}", R"({"weight_map": {}})", R"({"weight_map": {"a": 1}})", R"({"weight_map": []})"})
    EXPECT_FALSE(shards_of(text, "index").ok()) << text;
}

}  // namespace
}  // namespace rerank::hub
