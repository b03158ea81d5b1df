// Every id that the reference library gave, for every real tokenizer.json that is at hand.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "io/json.h"
#include "support/shared_data.h"
#include "tokenizer/limits.h"
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
  if (!has("golden_pairs.jsonl")) return;  // the variant of bge-m3 has golden texts only
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
  if (!has("golden_decode.jsonl")) return;
  each_row(folder_ / "golden_decode.jsonl", [&](const io::Json& row) {
    const bool skip = row.get("skip_special").value().boolean().value();
    EXPECT_EQ(tokenizer_->decode(ids_of(row, "ids"), skip), text_of(row, "text"));
  });
}

TEST_P(GoldenIds, FollowTheTruncationAndPaddingOfTheFile) {
  if (!has("golden_truncpad.jsonl")) return;  // most files have neither block
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

// What the cross-encoders of ../shared/golden saw, cut as transformers cuts a pair: the longer text first.
class GoldenCheckpoint : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenCheckpoint, SawTheseIds) {
  RERANK_NEED_SHARED("golden");
  const auto folder = shared_dir() / "golden" / GetParam();
  const auto tokenizer = Tokenizer::load(folder / "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  const auto document = io::JsonDocument::parse(read_file(folder / "golden.json"), "golden.json");
  ASSERT_TRUE(document.ok());
  std::map<std::string, std::pair<std::string, std::string>> pairs;
  const io::Json root = document.value().root(), pair_list = root.get("pairs").value();
  const simdjson::dom::array all_pairs = pair_list.array().value();
  for (const auto element : all_pairs) {
    const io::Json pair = pair_list.item(element, 0);
    pairs[text_of(pair, "id")] = {text_of(pair, "query"), text_of(pair, "passage")};
  }
  int compared = 0;
  const io::Json setting_list = root.get("settings").value();
  const simdjson::dom::array settings = setting_list.array().value();
  for (const auto setting_element : settings) {
    const io::Json setting = setting_list.item(setting_element, 0);
    const std::string id = text_of(setting, "id");
    if (id.substr(0, 3) != "hf-") continue;
    Truncation truncation;
    truncation.max_length = static_cast<std::size_t>(std::stoi(id.substr(3)));
    const io::Json result_list = setting.get("results").value();
    const simdjson::dom::array results = result_list.array().value();
    for (const auto result_element : results) {
      const io::Json result = result_list.item(result_element, 0);
      const auto& [query, passage] = pairs.at(text_of(result, "pair"));
      Ids a = tokenizer.value().encode_ids(query).value(), b = tokenizer.value().encode_ids(passage).value();
      const auto kept = plan_truncation(truncation, a.size(), b.size(), tokenizer.value().special_tokens_of_pair());
      ASSERT_TRUE(kept.ok()) << kept.error().message();
      a.resize(kept.value().first);
      b.resize(kept.value().second);
      EXPECT_EQ(tokenizer.value().join(a, b).ids, ids_of(result, "input_ids")) << id << ' ' << text_of(result, "pair");
      ++compared;
    }
  }
  EXPECT_GT(compared, 0);
}

INSTANTIATE_TEST_SUITE_P(CrossEncoders, GoldenCheckpoint,
                         ::testing::Values("bge-reranker-base", "bge-reranker-v2-m3", "ms-marco-minilm"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
                           return name;
                         });

}  // namespace
}  // namespace rerank::tokenizer
