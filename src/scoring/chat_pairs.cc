#include "scoring/chat_pairs.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "base/try.h"
#include "base/utf8.h"
#include "scoring/instruction.h"
#include "scoring/lengths.h"
#include "scoring/tokenizer_config.h"

namespace rerank::scoring {
namespace {

using tokenizer::ChatMessage;
using tokenizer::Tokenizer;

constexpr std::string_view kSystemMessage =
    "Given a query and a piece of text, output a score of 1-7 based on how related the query is to the text. 1 means "
    "least related and 7 is most related.";

std::string before_passage(std::string_view query) {
  return fmt::format("<<<Query>>>\n{}\n\n<<<Context>>>\n", query);
}

Result<std::string> render(const ChatFormat& format, std::string_view system, std::string_view user) {
  const ChatMessage messages[] = {{"system", std::string(system)}, {"user", std::string(user)}};
  return format.chat_template.render(messages, format.options);
}

Status check_utf8(std::string_view text, const char* where) {
  const std::size_t bad = first_invalid_utf8(text);
  if (bad == std::string_view::npos) return {};
  return Error{Error::Code::kBadInput, fmt::format("is not valid UTF-8 at byte {}", bad), where, ""};
}

// What the template writes before the user message and after it.
struct Frame {
  std::string head, tail;
  bool keeps_message = false;  // whether it writes any message as it is

  static Result<Frame> find(const ChatFormat& format, std::string_view system) {
    const std::string plain = before_passage("what is panda?") + "a bear";
    RERANK_ASSIGN(const std::string text, render(format, system, plain));
    const std::size_t at = text.find(plain);
    if (at == std::string::npos || text.find(plain, at + 1) != std::string::npos)
      return Error{Error::Code::kUnsupported, "does not write the user message exactly once", "chat template",
                   "use the template that the model was trained with"};
    Frame frame{text.substr(0, at), text.substr(at + plain.size()), true};
    // What templates are known to change: surrounding space, quotes, markup, reasoning in angle brackets, letters.
    for (const std::string_view odd : {"A 'b' \"c\" &amp; <d> {{ e }} {% f %} \\n \t \xC3\x84\xE4\xB8\xAD \n\t ",
                                       " \n<think>\nx\n</think>\n\ny</think> <|z|> [INST] "}) {
      const std::string message = before_passage(odd) + std::string(odd);
      RERANK_ASSIGN(const std::string rendered, render(format, system, message));
      frame.keeps_message = frame.keeps_message && rendered == frame.head + message + frame.tail;
    }
    return frame;
  }
};

// The frame as it is tokenized: ids of its outer parts, and the text between them that is tokenized with the message.
struct TokenizedFrame {
  std::vector<std::int32_t> before, after;
  std::string open, close;
};

// A token that the file marks special: decoding can leave it out.
bool is_control(const Tokenizer& tokenizer, std::int32_t id) {
  const std::span<const std::int32_t> ids(&id, 1);
  return !tokenizer.decode(ids, false).empty() && tokenizer.decode(ids, true).empty();
}

// Cuts the frame at the control tokens next to the message, so that what lies between them can be tokenized without
// any. Tokenizers treat the parts on both sides of such a token apart, unless it takes in the text next to it or the
// first word of a text is special: whether one does is tried out.
Result<TokenizedFrame> cut_at_control_tokens(const Tokenizer& tokenizer, const Frame& frame) {
  tokenizer::EncodeOptions plain;
  plain.add_special_tokens = false;
  RERANK_ASSIGN(const tokenizer::Encoding head, tokenizer.encode(frame.head, plain));
  RERANK_ASSIGN(const tokenizer::Encoding tail, tokenizer.encode(frame.tail, plain));
  std::size_t head_end = 0, tail_begin = frame.tail.size();
  for (std::size_t i = 0; i < head.ids.size(); ++i)
    if (is_control(tokenizer, head.ids[i])) head_end = head.offsets[i].end;
  for (std::size_t i = tail.ids.size(); i-- > 0;)
    if (is_control(tokenizer, tail.ids[i])) tail_begin = tail.offsets[i].begin;

  TokenizedFrame tokenized;
  RERANK_ASSIGN(tokenized.before, tokenizer.encode_ids(std::string_view(frame.head).substr(0, head_end)));
  RERANK_ASSIGN(tokenized.after, tokenizer.encode_ids(std::string_view(frame.tail).substr(tail_begin)));
  tokenized.open = frame.head.substr(head_end);
  tokenized.close = frame.tail.substr(0, tail_begin);
  for (const std::string_view end : {"", "a", "a ", "a\n", " \t\n "}) {
    const std::string message = before_passage("b") + std::string(end);
    RERANK_ASSIGN(const auto whole, tokenizer.encode_ids(frame.head + message + frame.tail));
    RERANK_ASSIGN(const auto middle, tokenizer.encode_ids(tokenized.open + message + tokenized.close));
    std::vector<std::int32_t> parts = tokenized.before;
    parts.insert(parts.end(), middle.begin(), middle.end());
    parts.insert(parts.end(), tokenized.after.begin(), tokenized.after.end());
    if (parts != whole)
      return Error{Error::Code::kUnsupported, "control tokens change the tokens of the text next to them",
                   "tokenizer.json",
                   "only texts that may spell control tokens can be scored: leave out "
                   "--no-special-in-text"};
  }
  return tokenized;
}

class ChatEncoder : public PairEncoder {
 public:
  struct Parts {
    const Tokenizer& tokenizer;
    ChatFormat format;
    std::string system;
    Frame frame;
    TokenizedFrame tokenized;
    InstructionFormats instructions;
    std::size_t max_length, query_max_length;  // 0: the query is not cut
    tokenizer::EncodeOptions encode_options;
  };
  explicit ChatEncoder(Parts parts) : parts_(std::move(parts)) {}

  Result<EncodedQuery> encode_query(std::string_view query) const override {
    RERANK_TRY(check_utf8(query, "query"));
    EncodedQuery encoded;
    encoded.text = parts_.instructions.query.apply(query);
    if (parts_.query_max_length == 0) return encoded;
    RERANK_ASSIGN(const auto tokens, parts_.tokenizer.encode(encoded.text, parts_.encode_options));
    if (tokens.ids.size() <= parts_.query_max_length) return encoded;
    encoded.cut_tokens = static_cast<std::uint32_t>(tokens.ids.size() - parts_.query_max_length);
    encoded.text.resize(tokens.offsets[parts_.query_max_length - 1].end);
    return encoded;
  }

  Result<EncodedPair> encode(const EncodedQuery& query, std::string_view passage) const override {
    RERANK_TRY(check_utf8(passage, "passage"));
    const std::string before = before_passage(query.text);
    RERANK_ASSIGN(const std::string message, written(before + parts_.instructions.passage.apply(passage)));
    const std::string text = parts_.tokenized.open + message + parts_.tokenized.close;
    RERANK_ASSIGN(auto ids, parts_.tokenizer.encode_ids(text, parts_.encode_options));
    EncodedPair pair;
    pair.cut_tokens = query.cut_tokens;
    const std::size_t outer = parts_.tokenized.before.size() + parts_.tokenized.after.size();
    if (outer + ids.size() > parts_.max_length) {
      const std::size_t excess = outer + ids.size() - parts_.max_length;
      RERANK_ASSIGN(const std::string written_before, written(before + "x"));
      const std::size_t begin = parts_.tokenized.open.size() + written_before.size() - 1;
      RERANK_TRY(cut_passage(text, begin, parts_.tokenized.open.size() + message.size(), excess, ids));
      pair.cut_tokens += static_cast<std::uint32_t>(excess);
    }
    pair.ids.reserve(outer + ids.size());
    pair.ids = parts_.tokenized.before;
    pair.ids.insert(pair.ids.end(), ids.begin(), ids.end());
    pair.ids.insert(pair.ids.end(), parts_.tokenized.after.begin(), parts_.tokenized.after.end());
    return pair;
  }

 private:
  // The user message as the template writes it.
  Result<std::string> written(std::string message) const {
    if (parts_.frame.keeps_message) return message;
    RERANK_ASSIGN(std::string text, render(parts_.format, parts_.system, message));
    const auto& [head, tail, keeps_message] = parts_.frame;
    if (text.size() < head.size() + tail.size() || !text.starts_with(head) || !text.ends_with(tail))
      return Error{Error::Code::kUnsupported, "writes something else around this user message", "chat template", ""};
    return text.substr(head.size(), text.size() - head.size() - tail.size());
  }

  // Takes the last `excess` tokens that lie in the passage, bytes [begin, end) of `text`, out of `ids`.
  Status cut_passage(const std::string& text, std::size_t begin, std::size_t end, std::size_t excess,
                     std::vector<std::int32_t>& ids) const {
    RERANK_ASSIGN(const tokenizer::Encoding tokens, parts_.tokenizer.encode(text, parts_.encode_options));
    std::size_t first = 0, last = tokens.ids.size();
    while (first < last && tokens.offsets[first].begin < begin) ++first;
    while (last > first && tokens.offsets[last - 1].end > end) --last;
    if (excess > last - first)
      return Error{Error::Code::kBadInput,
                   fmt::format("the query leaves no room for the passage: without any passage the pair has {} tokens, "
                               "{} are allowed",
                               parts_.max_length + excess - (last - first), parts_.max_length),
                   "query", "use a larger --max-length, or cut the query with --query-max-length"};
    ids = tokens.ids;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(last - excess),
              ids.begin() + static_cast<std::ptrdiff_t>(last));
    return {};
  }

  Parts parts_;
};

Result<std::string> template_text(const std::optional<io::Json>& config, std::optional<std::string_view> jinja,
                                  const std::string& name) {
  if (jinja) return std::string(*jinja);
  const auto value = config ? config->find("chat_template") : std::nullopt;
  if (value && !value->is_array()) {
    RERANK_ASSIGN(const std::string_view text, value->string());
    return std::string(text);
  }
  if (value) {
    std::size_t index = 0;
    RERANK_ASSIGN(const auto list, value->array());
    for (const auto element : list) {
      const io::Json item = value->item(element, index++);
      RERANK_ASSIGN(const std::string_view item_name, item.string_at("name"));
      if (item_name != "default") continue;
      RERANK_ASSIGN(const std::string_view text, item.string_at("template"));
      return std::string(text);
    }
  }
  return Error{Error::Code::kNotFound, "has no chat template, which this method writes its pairs with", name,
               "copy \"chat_template\" from the model it was trained from"};
}

}  // namespace

Result<ChatFormat> read_chat_format(const io::Checkpoint& checkpoint,
                                    std::optional<std::string_view> chat_template_jinja) {
  const std::string name = checkpoint.name() + "/tokenizer_config.json";
  RERANK_ASSIGN(const auto document, read_tokenizer_config(checkpoint));
  const std::optional<io::Json> config = document ? std::optional(document->root()) : std::nullopt;
  RERANK_ASSIGN(const std::string source, template_text(config, chat_template_jinja, name));
  RERANK_ASSIGN(auto chat_template, tokenizer::ChatTemplate::parse(source, "chat template"));
  ChatFormat format{std::move(chat_template), {}};
  if (config) {
    RERANK_ASSIGN(const StatedToken bos, stated_token(*config, "bos_token"));
    RERANK_ASSIGN(const StatedToken eos, stated_token(*config, "eos_token"));
    format.options.bos_token = bos.text.value_or("");
    format.options.eos_token = eos.text.value_or("");
  }
  // Filters and functions that are not known show only where they are used; so does a template without system messages.
  auto trial = Frame::find(format, kSystemMessage);
  if (trial.ok()) return format;
  trial.error().code = Error::Code::kUnsupported;
  return std::move(trial.error());
}

Result<PairEncoderPtr> make_chat_pairs(const Tokenizer& tokenizer, const ChatFormat& format,
                                       const ScoreOptions& options, int max_positions) {
  RERANK_TRY(check_lengths(options));
  const int max_length = options.max_length == 0 ? max_positions : options.max_length;
  RERANK_TRY(check_positions(max_length, max_length, max_positions));
  RERANK_ASSIGN(auto instructions, InstructionFormats::make(options));
  std::string system(options.prompt ? std::string_view(*options.prompt) : kSystemMessage);
  RERANK_TRY(check_utf8(system, "--prompt"));
  RERANK_ASSIGN(Frame frame, Frame::find(format, system));
  RERANK_ASSIGN(const auto fixed, tokenizer.encode_ids(frame.head + before_passage("") + frame.tail));
  if (fixed.size() > static_cast<std::size_t>(max_length))
    return Error{
        Error::Code::kBadInput,
        fmt::format("{} tokens have no room for the {} of the chat around query and passage", max_length, fixed.size()),
        "--max-length", fmt::format("leave it out for the model's {} positions", max_positions)};
  TokenizedFrame tokenized{{}, {}, frame.head, frame.tail};
  if (!options.special_tokens_in_text) {
    RERANK_ASSIGN(tokenized, cut_at_control_tokens(tokenizer, frame));
  }
  tokenizer::EncodeOptions encode_options;
  encode_options.add_special_tokens = false;
  encode_options.special_tokens_in_text = options.special_tokens_in_text;
  return PairEncoderPtr(new ChatEncoder(ChatEncoder::Parts{
      tokenizer, format, std::move(system), std::move(frame), std::move(tokenized), std::move(instructions),
      static_cast<std::size_t>(max_length), static_cast<std::size_t>(options.query_max_length), encode_options}));
}

}  // namespace rerank::scoring
