// Every id that the reference library gave, for every real tokenizer.json that is at hand.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "io/json.h"
#include "support/shared_data.h"
#include "tokenizer/tokenizer.h"

namespace rerank::tokenizer {
namespace {

using Ids = std::vector<std::int32_t>;
using testing::shared_dir;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// Calls `row(json)` for each line.
template <class Row>
void each_row(const std::filesystem::path& path, Row&& row) {
  std::ifstream in(path, std::ios::binary);
  ASSERT_TRUE(in) << path;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const auto document = io::JsonDocument::parse(line, path.filename().string() + ":" + std::to_string(number));
    ASSERT_TRUE(document.ok()) << document.error().message();
    row(document.value().root());
  }
}

std::string text_of(const io::Json& row, std::string_view key) {
  return std::string(row.get(key).value().string().value());
}

Ids ids_of(const io::Json& row, std::string_view key) {
  Ids ids;
  const simdjson::dom::array list = row.get(key).value().array().value();
  for (const auto element : list) {
    std::int64_t id = 0;
    EXPECT_EQ(element.get(id), simdjson::SUCCESS);
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return ids;
}

const std::map<std::string, std::string>& texts() {
  static const auto* const all = [] {
    auto* made = new std::map<std::string, std::string>();
    each_row(shared_dir() / "tokenizers/texts.jsonl",
             [&](const io::Json& row) { (*made)[text_of(row, "id")] = text_of(row, "text"); });
    return made;
  }();
  return *all;
}

// bge-m3's file is kept as a head that borrows the vocabulary of the folder above it.
Result<Tokenizer> load_family(const std::string& family) {
  const auto folder = shared_dir() / "tokenizers" / family;
  if (!std::filesystem::exists(folder / "tokenizer.head.json")) return Tokenizer::load(folder / "tokenizer.json");
  std::string head = read_file(folder / "tokenizer.head.json");
  const std::string whole = read_file(folder.parent_path() / "tokenizer.json");
  const std::size_t begin = whole.find("\"vocab\":"), end = whole.rfind("\"byte_fallback\"");
  const std::size_t at = head.find("\"vocab\":"), rest = head.rfind("\"byte_fallback\"");
  EXPECT_NE(std::string::npos, std::max({begin, end, at, rest}));
  head = head.substr(0, at) + whole.substr(begin, end - begin) + head.substr(rest);
  return Tokenizer::parse(head, "tokenizer.head.json");
}

class GoldenIds : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    RERANK_NEED_SHARED("tokenizers");
    folder_ = shared_dir() / "tokenizers" / GetParam();
    auto loaded = load_family(GetParam());
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    tokenizer_ = std::make_unique<Tokenizer>(std::move(loaded).value());
  }
  bool has(const char* file) const { return std::filesystem::exists(folder_ / file); }

  std::filesystem::path folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(GoldenIds, OfTextsAreEqual) {
  each_row(folder_ / "golden.jsonl", [&](const io::Json& row) {
    const std::string id = text_of(row, "id");
    const std::string& text = texts().at(id);
    const auto plain = tokenizer_->encode_ids(text);
    ASSERT_TRUE(plain.ok()) << id << ": " << plain.error().message();
    EXPECT_EQ(plain.value(), ids_of(row, "ids")) << id;
    const auto whole = tokenizer_->encode(text);
    ASSERT_TRUE(whole.ok()) << id << ": " << whole.error().message();
    EXPECT_EQ(whole.value().ids, ids_of(row, "ids_special")) << id;
    EXPECT_EQ(tokenizer_->join(plain.value(), std::nullopt).ids, ids_of(row, "ids_special")) << id;
  });
}

TEST_P(GoldenIds, OfPairsAreEqual) {
  if (!has("golden_pairs.jsonl")) GTEST_SKIP() << "this variant has golden texts only";
  each_row(folder_ / "golden_pairs.jsonl", [&](const io::Json& row) {
    const std::string &a = texts().at(text_of(row, "id_a")), &b = texts().at(text_of(row, "id_b"));
    const auto pair = tokenizer_->encode_pair(a, b);
    ASSERT_TRUE(pair.ok()) << pair.error().message();
    EXPECT_EQ(pair.value().ids, ids_of(row, "ids"));
    EXPECT_EQ(pair.value().type_ids, ids_of(row, "type_ids"));
    const Ids ids_b = tokenizer_->encode_ids(b).value();
    const auto joined = tokenizer_->join(tokenizer_->encode_ids(a).value(), ids_b);
    EXPECT_EQ(joined.ids, ids_of(row, "ids"));
    EXPECT_EQ(joined.type_ids, ids_of(row, "type_ids"));
    EXPECT_EQ(joined.ids.size() - tokenizer_->special_tokens_of_pair(),
              tokenizer_->encode_ids(a).value().size() + ids_b.size());
  });
}

TEST_P(GoldenIds, DecodeToTheSameText) {
  if (!has("golden_decode.jsonl")) GTEST_SKIP() << "this variant has golden texts only";
  each_row(folder_ / "golden_decode.jsonl", [&](const io::Json& row) {
    const bool skip = row.get("skip_special").value().boolean().value();
    EXPECT_EQ(tokenizer_->decode(ids_of(row, "ids"), skip), text_of(row, "text"));
  });
}

TEST_P(GoldenIds, FollowTheTruncationAndPaddingOfTheFile) {
  if (!has("golden_truncpad.jsonl")) GTEST_SKIP() << "the file has neither block";
  each_row(folder_ / "golden_truncpad.jsonl", [&](const io::Json& row) {
    const auto encoding =
        tokenizer_->encode(texts().at(text_of(row, "id")), {.use_file_truncation = true, .use_file_padding = true});
    ASSERT_TRUE(encoding.ok()) << encoding.error().message();
    EXPECT_EQ(encoding.value().ids, ids_of(row, "ids_special"));
    EXPECT_EQ(Ids(encoding.value().attention_mask.begin(), encoding.value().attention_mask.end()),
              ids_of(row, "attention_mask"));
  });
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenIds,
                         ::testing::Values("bert", "xlm-roberta", "xlm-roberta/variant-bge-m3", "qwen2.5", "llama3",
                                           "mistral-tekken", "gemma", "gemma2", "minicpm"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
                           return name;
                         });

}  // namespace
}  // namespace rerank::tokenizer
