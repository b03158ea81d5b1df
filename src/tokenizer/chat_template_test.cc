#include "tokenizer/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "io/json.h"
#include "support/shared_data.h"

namespace rerank::tokenizer {
namespace {

using testing::shared_dir;

std::vector<ChatMessage> messages_of(const io::Json& row) {
  std::vector<ChatMessage> messages;
  const io::Json list = row.get("messages").value();
  const simdjson::dom::array elements = list.array().value();
  for (const auto element : elements) {
    const io::Json message = list.item(element, messages.size());
    messages.push_back({std::string(message.get("role").value().string().value()),
                        std::string(message.get("content").value().string().value())});
  }
  return messages;
}

std::string text_of(const io::Json& row, std::string_view key) {
  return std::string(row.get(key).value().string().value());
}

// Rows of make_chat_golden.py: what transformers made of each template.
void check_rows(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  ASSERT_TRUE(in) << path;
  std::string line;
  int rows = 0;
  while (std::getline(in, line)) {
    const auto document = io::JsonDocument::parse(line, path.filename().string());
    ASSERT_TRUE(document.ok());
    const io::Json row = document.value().root();
    const std::string source = text_of(row, "template");
    SCOPED_TRACE(source);
    const auto chat_template = ChatTemplate::parse(source, "template");
    ASSERT_TRUE(chat_template.ok()) << chat_template.error().message();
    const auto text = chat_template.value().render(
        messages_of(row), {.add_generation_prompt = row.get("add_generation_prompt").value().boolean().value(),
                           .bos_token = "<s>",
                           .eos_token = "</s>"});
    ++rows;
    if (row.find("error")) {
      EXPECT_FALSE(text.ok()) << "rendered, but transformers fails with " << text_of(row, "error");
      continue;
    }
    ASSERT_TRUE(text.ok()) << text.error().message();
    EXPECT_EQ(text.value(), text_of(row, "text"));
  }
  EXPECT_GT(rows, 0);
}

TEST(ChatTemplates, RenderAsTransformersDoes) {
  check_rows(std::filesystem::path(RERANK_SOURCE_DIR) / "tests/tokenizer/chat_golden.jsonl");
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

struct OwnCase {
  const char* why;
  const char* file;
  std::vector<ChatMessage> messages;
  std::string expected;  // from apply_chat_template of transformers
};

TEST(ChatTemplates, OfCheckpointsRenderFromTheirOwnText) {
  RERANK_NEED_SHARED("tokenizers");
  const OwnCase cases[] = {
      {"no system message: Qwen puts its own",
       "qwen2.5",
       {{"user", "no system message"}},
       "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
       "<|im_start|>user\nno system message<|im_end|>\n<|im_start|>assistant\n"},
      {"a system message and several turns",
       "qwen2.5",
       {{"system", "S"}, {"user", "a"}, {"assistant", "b"}, {"user", " c "}},
       "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
       "<|im_start|>user\n c <|im_end|>\n<|im_start|>assistant\n"},
      {"Llama 3 trims and dates",
       "llama3",
       {{"system", " S\n"}, {"user", " a "}},
       "<|bos|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul "
       "2024\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>"
       "<|start_header_id|>assistant<|end_header_id|>\n\n"},
      {"Gemma 2 calls the assistant model",
       "gemma2",
       {{"user", "a "}, {"assistant", " b"}, {"user", "c"}},
       "<|bos|><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n<start_of_turn>user\nc"
       "<end_of_turn>\n<start_of_turn>model\n"},
  };
  for (const OwnCase& c : cases) {
    SCOPED_TRACE(c.why);
    const auto path = shared_dir() / "tokenizers" / c.file / "chat_template.jinja";
    const auto chat_template = ChatTemplate::parse(read_file(path), path.string());
    ASSERT_TRUE(chat_template.ok()) << chat_template.error().message();
    const auto text = chat_template.value().render(c.messages, {.bos_token = "<|bos|>"});
    ASSERT_TRUE(text.ok()) << text.error().message();
    EXPECT_EQ(text.value(), c.expected);
  }
}

TEST(ChatTemplates, OfGemmaRefusesASystemMessage) {
  RERANK_NEED_SHARED("tokenizers");
  const auto chat_template =
      ChatTemplate::parse(read_file(shared_dir() / "tokenizers/gemma2/chat_template.jinja"), "gemma2");
  ASSERT_TRUE(chat_template.ok());
  const std::vector<ChatMessage> messages = {{"system", "S"}, {"user", "a"}};
  const auto text = chat_template.value().render(messages);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, Error::Code::kBadInput);
  EXPECT_NE(text.error().message().find("System role not supported"), std::string::npos) << text.error().message();
}

// The golden texts of the checkpoints' own templates, made by make_chat_golden.py --check where transformers is at
// hand.
TEST(ChatTemplates, OfCheckpointsEqualTheGoldenRows) {
  const char* const rows = std::getenv("RERANK_CHAT_GOLDEN");
  if (rows == nullptr) GTEST_SKIP() << "RERANK_CHAT_GOLDEN names no file of golden rows";
  check_rows(rows);
}

struct BadTemplate {
  const char* why;
  const char* source;
  Error::Code code;
  const char* shows;
};

TEST(ChatTemplates, ThatAreWrongSayWhere) {
  const BadTemplate cases[] = {
      {"tag without end", "a\n{{ x ", Error::Code::kCorrupt, "line 2"},
      {"if without end", "{% if true %}x", Error::Code::kCorrupt, "ends with the template"},
      {"end without if", "{% endif %}", Error::Code::kCorrupt, "endif"},
      {"wrong end", "{% for m in messages %}{% endif %}", Error::Code::kCorrupt, "endif"},
      {"string without end", "{{ 'x }}", Error::Code::kCorrupt, "no end"},
      {"nothing to print", "{{ }}", Error::Code::kCorrupt, "value is expected"},
      {"words behind the end", "{{ a b }}", Error::Code::kCorrupt, "goes on"},
      {"macro", "\n\n{% macro f() %}{% endmacro %}", Error::Code::kUnsupported, "line 3: the statement \"macro\""},
      {"filter block", "{% filter upper %}x{% endfilter %}", Error::Code::kUnsupported, "filter"},
      {"dictionary", "{{ {'a': 1} }}", Error::Code::kUnsupported, "{"},
      {"fraction", "{{ 1.5 }}", Error::Code::kUnsupported, "1."},
      {"loop with a condition", "{% for m in messages if m %}{% endfor %}", Error::Code::kUnsupported,
       "condition in for"},
  };
  for (const BadTemplate& c : cases) {
    const auto chat_template = ChatTemplate::parse(c.source, "chat_template.jinja");
    ASSERT_FALSE(chat_template.ok()) << c.why;
    EXPECT_EQ(chat_template.error().code, c.code) << c.why;
    EXPECT_NE(chat_template.error().message().find(c.shows), std::string::npos) << chat_template.error().message();
    EXPECT_EQ(chat_template.error().where, "chat_template.jinja");
  }
}

TEST(ChatTemplates, ThatReachUnknownConstructsOrRunOnAreErrors) {
  const BadTemplate cases[] = {
      {"filter", "x\n{{ messages | tojson }}", Error::Code::kUnsupported, "line 2: the filter \"tojson\""},
      {"function", "{{ range(3) }}", Error::Code::kUnsupported, "the function \"range\""},
      {"test", "{{ 3 is odd }}", Error::Code::kUnsupported, "the test \"odd\""},
      {"endless",
       "{% for a in messages %}{% for b in messages %}{% for c in messages %}{% for d in messages %}"
       "{% for e in messages %}{% for f in messages %}{{ a.role }}{% endfor %}{% endfor %}{% endfor %}{% endfor %}"
       "{% endfor %}{% endfor %}",
       Error::Code::kBadInput, "stopped"},
  };
  const std::vector<ChatMessage> messages(16, ChatMessage{"user", "x"});
  for (const BadTemplate& c : cases) {
    const auto chat_template = ChatTemplate::parse(c.source, "t");
    ASSERT_TRUE(chat_template.ok()) << c.why;
    const auto text = chat_template.value().render(messages);
    ASSERT_FALSE(text.ok()) << c.why;
    EXPECT_EQ(text.error().code, c.code) << c.why;
    EXPECT_NE(text.error().message().find(c.shows), std::string::npos) << text.error().message();
  }
}

}  // namespace
}  // namespace rerank::tokenizer
