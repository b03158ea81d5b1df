#include "io/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "io/test_files.h"
#include "support/shared_data.h"

namespace rerank::io {
namespace {

using rerank::testing::AsNobody;
using rerank::testing::safetensors_file;
using rerank::testing::TempFolder;

// A tensor of n bytes 'x' under this name, alone in its file.
std::string bytes_tensor(const std::string& name, std::size_t n) {
  return safetensors_file("{\"" + name + R"(":{"dtype":"U8","shape":[)" + std::to_string(n) +
                              R"(],"data_offsets":[0,)" + std::to_string(n) + "]}}",
                          std::string(n, 'x'));
}

using Files = std::vector<std::pair<std::string, std::string>>;
struct RefusedCase {
  const char* why;
  Files files;
  std::string open;  // below the folder
  Error::Code code;
  std::vector<std::string> parts_of_message;
};
void PrintTo(const RefusedCase& row, std::ostream* out) {
  *out << row.why;
}
const std::pair<std::string, std::string> kConfig{"config.json", "{}"};
const std::string kIndex = "model.safetensors.index.json";

class RefusedFolder : public ::testing::TestWithParam<RefusedCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, RefusedFolder,
    ::testing::Values(
        RefusedCase{"nothing there",
                    {},
                    "none",
                    Error::Code::kNotFound,
                    {"none: there is no such model folder", "hf download"}},
        RefusedCase{"an empty folder", {}, "", Error::Code::kNotFound, {"has no config.json"}},
        RefusedCase{
            "a GGUF file", {{"m.gguf", "GGUF"}}, "m.gguf", Error::Code::kUnsupported, {"m.gguf: is a GGUF file"}},
        RefusedCase{"a folder with a GGUF file",
                    {{"m.gguf", "GGUF"}},
                    "",
                    Error::Code::kUnsupported,
                    {"m.gguf: is a GGUF file"}},
        RefusedCase{"the weights instead of the folder",
                    {{"model.safetensors", "x"}},
                    "model.safetensors",
                    Error::Code::kBadInput,
                    {"is a file, expected a Hugging Face model folder", "give the folder that holds it"}},
        RefusedCase{"some file", {{"notes.txt", "x"}}, "notes.txt", Error::Code::kBadInput, {"is a file"}},
        RefusedCase{"a broken config.json",
                    {{"config.json", "{"}},
                    "",
                    Error::Code::kCorrupt,
                    {"config.json: is not valid JSON"}},
        RefusedCase{"a config.json that is no object",
                    {{"config.json", "[]"}},
                    "",
                    Error::Code::kCorrupt,
                    {"config.json: is an array, expected an object"}},
        RefusedCase{
            "an empty config.json", {{"config.json", ""}}, "", Error::Code::kCorrupt, {"config.json: is empty"}},
        RefusedCase{"no weights", {kConfig}, "", Error::Code::kNotFound, {"has no model.safetensors"}},
        RefusedCase{"pickled weights",
                    {kConfig, {"pytorch_model.bin", "x"}},
                    "",
                    Error::Code::kUnsupported,
                    {"pickled weights are not read", "python -c", "safe_serialization=True"}},
        RefusedCase{"weights under another name",
                    {kConfig, {"weights.safetensors", "x"}},
                    "",
                    Error::Code::kNotFound,
                    {"has weights.safetensors but neither model.safetensors nor"}},
        RefusedCase{"cut weights",
                    {kConfig, {"model.safetensors", bytes_tensor("a", 8).substr(0, 64)}},
                    "",
                    Error::Code::kCorrupt,
                    {"model.safetensors: a: data_offsets [0, 8] end behind the file"}},
        RefusedCase{"an index without a map",
                    {kConfig, {kIndex, "{}"}},
                    "",
                    Error::Code::kCorrupt,
                    {"index.json: \"weight_map\" is missing"}},
        RefusedCase{"an index of nothing",
                    {kConfig, {kIndex, R"({"weight_map":{}})"}},
                    "",
                    Error::Code::kCorrupt,
                    {"weight_map: names no tensor"}},
        RefusedCase{"an index that leads elsewhere",
                    {kConfig, {kIndex, R"({"weight_map":{"a":"../s"}})"}},
                    "",
                    Error::Code::kCorrupt,
                    {"weight_map.a: is \"../s\", expected the plain name of a file"}},
        RefusedCase{"a tensor twice in the index",
                    {kConfig, {kIndex, R"({"weight_map":{"a":"1","a":"2"}})"}},
                    "",
                    Error::Code::kCorrupt,
                    {"weight_map.a: the tensor stands twice"}},
        RefusedCase{"a missing shard",
                    {kConfig, {kIndex, R"({"weight_map":{"a":"1","b":"2"}})"}, {"1", bytes_tensor("a", 1)}},
                    "",
                    Error::Code::kNotFound,
                    {"2 shards are named, but these are not in the folder: 2"}},
        RefusedCase{"a tensor that its shard lacks",
                    {kConfig, {kIndex, R"({"weight_map":{"a":"1","b":"1"}})"}, {"1", bytes_tensor("a", 1)}},
                    "",
                    Error::Code::kCorrupt,
                    {"tensor b should be in 1, but is not"}},
        RefusedCase{"a tensor that the index lacks",
                    {kConfig,
                     {kIndex, R"({"weight_map":{"a":"1","b":"2"}})"},
                     {"1", bytes_tensor("a", 1)},
                     {"2", bytes_tensor("c", 1)}},
                    "",
                    Error::Code::kCorrupt,
                    {"2: c: the tensor is not in model.safetensors.index.json"}},
        RefusedCase{"a tensor in two shards",
                    {kConfig,
                     {kIndex, R"({"weight_map":{"a":"1","b":"2"}})"},
                     {"1", bytes_tensor("a", 1)},
                     {"2", bytes_tensor("a", 1)}},
                    "",
                    Error::Code::kCorrupt,
                    {"2: a: the tensor stands in", "/1 as well"}},
        RefusedCase{"two tensors changed places",
                    {kConfig,
                     {kIndex, R"({"weight_map":{"a":"1","b":"2"}})"},
                     {"1", bytes_tensor("b", 1)},
                     {"2", bytes_tensor("a", 1)}},
                    "",
                    Error::Code::kCorrupt,
                    {"tensor a should be in 1, but is in"}}));
TEST_P(RefusedFolder, SaysWhatIsWrongAndHowToMendIt) {
  const auto& [why, files, open, code, parts] = GetParam();
  const TempFolder folder;
  for (const auto& [name, content] : files) folder.write(name, content);
  const auto checkpoint = Checkpoint::open(open.empty() ? folder.path() : folder.path() / open);
  ASSERT_FALSE(checkpoint.ok()) << why;
  EXPECT_EQ(checkpoint.error().code, code) << checkpoint.error().message();
  EXPECT_FALSE(checkpoint.error().where.empty());
  for (const std::string& part : parts)
    EXPECT_NE(checkpoint.error().message().find(part), std::string::npos) << checkpoint.error().message();
}

TEST(Checkpoint, SaysWhenTheFolderMayNotBeRead) {
  const TempFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0), 0);
  const auto checkpoint = [&] {
    const AsNobody nobody;
    return Checkpoint::open(folder.path());
  }();
  ::chmod(folder.path().c_str(), 0700);
  ASSERT_FALSE(checkpoint.ok());
  EXPECT_EQ(checkpoint.error().code, Error::Code::kIo);
  EXPECT_EQ(checkpoint.error().what, "cannot list: Permission denied");
}

TEST(Checkpoint, ReadsOneFileAndItsTexts) {
  const TempFolder folder;
  folder.write("config.json", R"({"hidden_size": 4})");
  folder.write("model.safetensors", bytes_tensor("a", 3));
  folder.write("tokenizer.json", "{}");
  auto opened = Checkpoint::open(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const Checkpoint checkpoint = std::move(opened).value();
  EXPECT_EQ(checkpoint.config().get("hidden_size").value().integer().value(), 4);
  EXPECT_EQ(checkpoint.tokenizer_json().value(), "{}");
  EXPECT_EQ(checkpoint.tokenizer_config_json().error().code, Error::Code::kNotFound);
  EXPECT_EQ(checkpoint.store().total_bytes(), 3U);
  EXPECT_EQ(checkpoint.weights().tensor("a", {3}, Dtype::kU8).value().bytes.size(), 3U);
}

TEST(Checkpoint, ReadsTheTextsThatMayBeMissing) {
  const TempFolder folder;
  folder.write("config.json", "{}");
  folder.write("model.safetensors", bytes_tensor("a", 3));
  const auto without = Checkpoint::open(folder.path());
  ASSERT_TRUE(without.ok()) << without.error().message();
  EXPECT_FALSE(without.value().generation_config_json());
  EXPECT_FALSE(without.value().chat_template_jinja());
  folder.write("generation_config.json", R"({"eos_token_id": 2})");
  folder.write("chat_template.jinja", "{{ messages }}");
  const auto with = Checkpoint::open(folder.path());
  ASSERT_TRUE(with.ok()) << with.error().message();
  EXPECT_EQ(with.value().generation_config_json(), R"({"eos_token_id": 2})");
  EXPECT_EQ(with.value().chat_template_jinja(), "{{ messages }}");
}

TEST(Checkpoint, SaysHowToMakeTheTokenizer) {
  const TempFolder folder;
  folder.write("config.json", "{}");
  folder.write("model.safetensors", bytes_tensor("a", 3));
  folder.write("sentencepiece.bpe.model", "x");
  const auto opened = Checkpoint::open(folder.path());
  ASSERT_TRUE(opened.ok());
  const auto tokenizer = opened.value().tokenizer_json();
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.error().code, Error::Code::kNotFound);
  EXPECT_EQ(tokenizer.error().what, "has sentencepiece.bpe.model, but no tokenizer.json");
  EXPECT_NE(tokenizer.error().fix.find("AutoTokenizer"), std::string::npos);
}

TEST(Checkpoint, JoinsShards) {
  const TempFolder folder;
  folder.write("config.json", "{}");
  folder.write(kIndex, R"({"metadata":{},"weight_map":{"a.w":"1.safetensors","b.w":"2.safetensors"}})");
  folder.write("1.safetensors", bytes_tensor("a.w", 3));
  folder.write("2.safetensors", bytes_tensor("b.w", 5));
  const auto opened = Checkpoint::open(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  EXPECT_EQ(opened.value().store().size(), 2U);
  EXPECT_TRUE(opened.value().weights().scope("b").tensor("w", {5}, Dtype::kU8).ok());
}

TEST(Checkpoint, ReadsFromMemory) {
  const std::string weights = bytes_tensor("a", 3);
  const auto opened = Checkpoint::from_memory({.name = "embedded",
                                               .config_json = "{}",
                                               .safetensors = std::as_bytes(std::span(weights)),
                                               .tokenizer_json = "T",
                                               .tokenizer_config_json = "C"});
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const auto tensor = opened.value().weights().tensor("a", {3}, Dtype::kU8);
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(static_cast<const void*>(tensor.value().bytes.data()), weights.data() + weights.size() - 3);
  release(tensor.value());  // nothing to give back
  EXPECT_EQ(opened.value().tokenizer_json().value(), "T");
  const auto bad = Checkpoint::from_memory(
      {.name = "embedded", .config_json = "1", .safetensors = {}, .tokenizer_json = "", .tokenizer_config_json = ""});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().message(), "embedded/config.json: is an integer, expected an object");
}

// Every published layout that the reference data have: one file, shards, all dtypes.
TEST(Checkpoint, OpensTheGoldenCheckpoints) {
  RERANK_NEED_SHARED("golden");
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(rerank::testing::shared_dir() / "golden")) {
    if (!std::filesystem::exists(entry.path() / "config.json")) continue;
    const auto opened = Checkpoint::open(entry.path());
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_GT(opened.value().store().size(), 10U) << entry.path();
    EXPECT_TRUE(opened.value().tokenizer_json().ok()) << entry.path();
    EXPECT_TRUE(opened.value().tokenizer_config_json().ok()) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 13U);
}

}  // namespace
}  // namespace rerank::io
