#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <variant>

#include "io/mapped_file.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/component.h"
#include "tokenizer/decoders.h"
#include "tokenizer/limits.h"
#include "tokenizer/normalizers.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizers.h"
#include "tokenizer/unicode.h"
#include "tokenizer/unigram.h"
#include "tokenizer/wordpiece.h"

namespace rerank::tokenizer {
namespace {

// A closed set: the compiler lists the places to extend.
using Model = std::variant<Bpe, Unigram, WordPiece>;

constexpr std::size_t kMaxText = std::size_t{1} << 30;

// `raw_bytes`, in: the pieces come from the byte alphabet; out: the model wants them as bytes.
Result<Model> read_model(const io::Json& root, bool& raw_bytes) {
  RERANK_ASSIGN(const io::Json json, root.get("model"));
  // The oldest files have no type; the library then goes by the fields.
  RERANK_ASSIGN(std::string type, json.string_or("type", ""));
  if (type.empty()) {
    const auto vocab = json.find("vocab");
    type = json.find("merges") ? "BPE" : vocab && vocab->is_array() ? "Unigram" : "WordPiece";
  }
  raw_bytes = raw_bytes && type == "BPE" && Bpe::can_use_raw_bytes(json);
  if (type == "BPE") {
    RERANK_ASSIGN(Bpe model, Bpe::read(json, raw_bytes));
    return Model(std::move(model));
  }
  if (type == "Unigram") {
    RERANK_ASSIGN(Unigram model, Unigram::read(json));
    return Model(std::move(model));
  }
  if (type == "WordPiece") {
    RERANK_ASSIGN(WordPiece model, WordPiece::read(json));
    return Model(std::move(model));
  }
  return unknown_type(json, "model", type, "BPE, Unigram, WordPiece");
}

const Vocabulary& vocabulary_of(const Model& model) {
  return std::visit([](const auto& m) -> const Vocabulary& { return m.vocabulary(); }, model);
}

std::optional<std::int32_t> find_in(const Model& model, std::string_view token) {
  return std::visit([&](const auto& m) { return m.find(token); }, model);
}

Status tokenize_with(const Bpe& model, std::string_view piece, const BlockedIds& blocked, BpeScratch& scratch,
                     TokenSink& sink) {
  model.tokenize(piece, blocked, scratch, sink);
  return {};
}
Status tokenize_with(const Unigram& model, std::string_view piece, const BlockedIds& blocked, BpeScratch&,
                     TokenSink& sink) {
  return model.tokenize(piece, blocked, sink);
}
Status tokenize_with(const WordPiece& model, std::string_view piece, const BlockedIds& blocked, BpeScratch&,
                     TokenSink& sink) {
  model.tokenize(piece, blocked, sink);
  return {};
}

// Scratch memory that waits for the next text. At most kKept lie idle; a lock guards only taking and giving back.
class ScratchPool {
 public:
  class Lease {
   public:
    explicit Lease(ScratchPool& pool) : pool_(pool), scratch_(pool.take()) {}
    ~Lease() { pool_.give_back(std::move(scratch_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    BpeScratch& operator*() const { return *scratch_; }

   private:
    ScratchPool& pool_;
    std::unique_ptr<BpeScratch> scratch_;
  };

 private:
  static constexpr std::size_t kKept = 256;

  std::unique_ptr<BpeScratch> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto scratch = std::move(idle_.back());
        idle_.pop_back();
        return scratch;
      }
    }
    return std::make_unique<BpeScratch>();
  }
  void give_back(std::unique_ptr<BpeScratch> scratch) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kKept) idle_.push_back(std::move(scratch));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<BpeScratch>> idle_;
};

}  // namespace

struct Tokenizer::State {
  std::vector<Normalizer> normalizers;
  std::vector<PreTokenizer> pre_tokenizers;
  Model model;
  AddedTokens added;
  PostProcessor post_processor;
  std::vector<Decoder> decoders;
  std::optional<Truncation> truncation;
  std::optional<Padding> padding;
  BlockedIds control_ids;  // what special_tokens_in_text = false keeps the model from making
  bool raw_bytes = false;  // the model has its vocabulary in bytes: see pre_tokenize()
  bool needs_sources = false;
  mutable ScratchPool scratch_pool;

  explicit State(Model made) : model(std::move(made)) {}

  // Stages 1 and 2.
  Status cut(std::string_view text, bool tracked, bool skip_special, PreTokenized& out) const {
    if (const std::size_t bad = first_invalid_utf8(text); bad != std::string_view::npos)
      return Error{Error::Code::kBadInput, fmt::format("is not valid UTF-8 at byte {}", bad), "text", ""};
    if (text.size() > kMaxText)
      return Error{Error::Code::kBadInput, fmt::format("has {} bytes, at most {} are supported", text.size(), kMaxText),
                   "text", ""};
    out.text.clear();
    out.text.tracked = tracked;
    out.pieces.clear();
    std::vector<Piece> originals, found;
    added.cut_original(text, skip_special, originals);
    Text part, scratch;
    for (const Piece& original : originals) {
      const auto begin = static_cast<std::uint32_t>(out.text.bytes.size());
      if (original.token >= 0) {
        out.text.append_original(text, original.begin, original.end);
        out.pieces.push_back({begin, static_cast<std::uint32_t>(out.text.bytes.size()), original.token});
        continue;
      }
      part.clear();
      part.tracked = tracked;
      part.append_original(text, original.begin, original.end);
      RERANK_TRY(normalize(normalizers, original.begin, part, scratch));
      found.clear();
      added.cut_normalized(part.bytes, skip_special, found);
      out.text.append(part, 0, part.bytes.size());
      for (const Piece& piece : found)
        if (piece.begin < piece.end) out.pieces.push_back({begin + piece.begin, begin + piece.end, piece.token});
    }
    return pre_tokenize(pre_tokenizers, raw_bytes, out);
  }

  // Stage 3.
  Status tokenize(const PreTokenized& text, bool skip_special, TokenSink& sink) const {
    static const BlockedIds kNothing;
    const BlockedIds& blocked = skip_special ? control_ids : kNothing;
    const ScratchPool::Lease scratch(scratch_pool);
    return std::visit(
        [&](const auto& m) -> Status {
          for (const Piece& piece : text.pieces) {
            sink.origin = piece.begin;
            if (piece.token >= 0) {
              sink.put(piece.token, 0, piece.end - piece.begin);
            } else {
              RERANK_TRY(tokenize_with(m, text.view(piece), blocked, *scratch, sink));
            }
          }
          return {};
        },
        model);
  }

  // Ids and offsets of one text.
  Status encode(std::string_view text, const EncodeOptions& options, std::vector<std::int32_t>& ids,
                std::vector<ByteRange>& offsets) const {
    PreTokenized cut_text;
    RERANK_TRY(cut(text, /*tracked=*/true, !options.special_tokens_in_text, cut_text));
    std::vector<ByteRange> ranges;
    TokenSink sink{ids, &ranges, 0};
    RERANK_TRY(tokenize(cut_text, !options.special_tokens_in_text, sink));
    offsets.reserve(ranges.size());
    std::size_t piece = 0;  // the one that token i lies in
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const auto [begin, end] = ranges[i];
      while (cut_text.pieces[piece].end <= begin) ++piece;
      ByteRange offset{cut_text.text.source[begin].begin, cut_text.text.source[end - 1].end};
      if (post_processor.trims()) offset = trimmed(text, cut_text, cut_text.pieces[piece], ranges[i], offset, i);
      offsets.push_back(offset);
    }
    return {};
  }

  // `text` is the caller's; the token of `range` was found in `piece` of `changed`.
  ByteRange trimmed(std::string_view text, const PreTokenized& changed, const Piece& piece, ByteRange range,
                    ByteRange offset, std::size_t index) const {
    const UnicodeTable& unicode = UnicodeTable::get();
    // In the byte alphabet U+0120 is the space; raw bytes have it as itself, and no other white space.
    const bool raw = raw_bytes && piece.token < 0;
    const auto is_space = [&](char32_t c) { return raw ? c == ' ' : c == 0x120 || unicode.has(c, kSpace); };
    const std::string_view token = std::string_view(changed.text.bytes).substr(range.begin, range.end - range.begin);
    std::size_t leading = 0, trailing = 0;
    bool only_spaces = true;
    for (std::size_t at = 0; at < token.size();) {
      const CodePoint c = raw ? CodePoint{static_cast<unsigned char>(token[at]), 1} : decode_utf8(token, at);
      at += c.length;
      if (is_space(c.value)) {
        ++trailing;
        if (only_spaces) ++leading;
      } else {
        trailing = 0;
        only_spaces = false;
      }
    }
    return post_processor.trim(text, offset, index, leading, trailing);
  }

  Result<Encoding> join(std::vector<std::int32_t> ids[2], std::vector<ByteRange> offsets[2], bool pair,
                        const EncodeOptions& options) const {
    const std::size_t special = !options.add_special_tokens ? 0
                                : pair                      ? post_processor.special_tokens_of_pair()
                                                            : post_processor.special_tokens_of_single();
    if (options.use_file_truncation && truncation) {
      RERANK_ASSIGN(const Kept kept, plan_truncation(*truncation, ids[0].size(),
                                                     pair ? std::optional(ids[1].size()) : std::nullopt, special));
      const std::size_t wanted[2] = {kept.first, kept.second};
      for (std::size_t i = 0; i < 2; ++i) {
        if (ids[i].size() <= wanted[i]) continue;
        const auto excess = static_cast<std::ptrdiff_t>(ids[i].size() - wanted[i]);
        const bool left = truncation->direction == Side::kLeft;
        ids[i].erase(left ? ids[i].begin() : ids[i].end() - excess, left ? ids[i].begin() + excess : ids[i].end());
        offsets[i].erase(left ? offsets[i].begin() : offsets[i].end() - excess,
                         left ? offsets[i].begin() + excess : offsets[i].end());
      }
    }
    Encoding out;
    for (const TemplatePart& part : pair ? post_processor.for_pair() : post_processor.for_single()) {
      if (part.kind == TemplatePart::Kind::kSpecial) {
        if (!options.add_special_tokens) continue;
        out.ids.insert(out.ids.end(), part.ids.begin(), part.ids.end());
        out.offsets.resize(out.ids.size());
        out.special_tokens_mask.resize(out.ids.size(), 1);
      } else {
        const std::size_t which = part.kind == TemplatePart::Kind::kFirst ? 0 : 1;
        out.ids.insert(out.ids.end(), ids[which].begin(), ids[which].end());
        out.offsets.insert(out.offsets.end(), offsets[which].begin(), offsets[which].end());
        out.special_tokens_mask.resize(out.ids.size(), 0);
      }
      out.type_ids.resize(out.ids.size(), part.type_id);
    }
    out.attention_mask.assign(out.ids.size(), 1);
    if (options.use_file_padding && padding) {
      const std::size_t missing = padding->padded_length(out.ids.size()) - out.ids.size();
      const auto pad = [&](auto& values, auto value) {
        values.insert(padding->direction == Side::kLeft ? values.begin() : values.end(), missing, value);
      };
      pad(out.ids, padding->id);
      pad(out.type_ids, padding->type_id);
      pad(out.offsets, ByteRange{});
      pad(out.attention_mask, std::uint8_t{0});
      pad(out.special_tokens_mask, std::uint8_t{1});
    }
    return out;
  }
};

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& tokenizer_json) {
  RERANK_ASSIGN(const io::MappedFile file, io::MappedFile::open(tokenizer_json));
  return parse(file.text(), tokenizer_json.string());
}

Result<Tokenizer> Tokenizer::parse(std::string_view json, std::string file_name_for_errors) {
  RERANK_ASSIGN(const io::JsonDocument document, io::JsonDocument::parse(json, std::move(file_name_for_errors)));
  const io::Json root = document.root();
  if (!root.is_object()) return root.expected("an object");
  std::vector<PreTokenizer> pre_tokenizers;
  if (const auto pre_tokenizer = root.find("pre_tokenizer")) {
    RERANK_ASSIGN(pre_tokenizers, read_pre_tokenizers(*pre_tokenizer));
  }
  bool raw_bytes = !pre_tokenizers.empty() && std::holds_alternative<ByteAlphabet>(pre_tokenizers.back());
  RERANK_ASSIGN(Model model, read_model(root, raw_bytes));
  auto state = std::make_unique<State>(std::move(model));
  state->raw_bytes = raw_bytes;
  state->pre_tokenizers = std::move(pre_tokenizers);
  if (const auto normalizer = root.find("normalizer")) {
    RERANK_ASSIGN(state->normalizers, read_normalizers(*normalizer));
  }
  if (const auto post_processor = root.find("post_processor")) {
    RERANK_ASSIGN(state->post_processor, PostProcessor::read(*post_processor));
  }
  if (const auto decoder = root.find("decoder")) {
    RERANK_ASSIGN(state->decoders, read_decoders(*decoder));
  }
  RERANK_ASSIGN(state->truncation, Truncation::read(root));
  RERANK_ASSIGN(state->padding, Padding::read(root));
  if (const auto added = root.find("added_tokens")) {
    RERANK_ASSIGN(state->added, AddedTokens::read(*added, state->normalizers, vocabulary_of(state->model).size(),
                                                  [&](std::string_view text) { return find_in(state->model, text); }));
  }
  state->needs_sources = need_sources(state->pre_tokenizers);

  const std::size_t size = std::max(state->added.size(), vocabulary_of(state->model).size());
  if (state->post_processor.highest_id() >= static_cast<std::int64_t>(size)) {
    RERANK_ASSIGN(const io::Json processor, root.get("post_processor"));
    return processor.error(Error::Code::kCorrupt, fmt::format("inserts the id {}, but the vocabulary ends at {}",
                                                              state->post_processor.highest_id(), size - 1));
  }
  std::vector<bool> control(size);
  for (const AddedToken& token : state->added.all())
    if (token.special) control[static_cast<std::size_t>(token.id)] = true;
  state->control_ids = BlockedIds(std::move(control));
  return Tokenizer(std::move(state));
}

Result<std::vector<std::int32_t>> Tokenizer::encode_ids(std::string_view text, const EncodeOptions& options) const {
  PreTokenized cut_text;
  RERANK_TRY(state_->cut(text, state_->needs_sources, !options.special_tokens_in_text, cut_text));
  std::vector<std::int32_t> ids;
  ids.reserve(text.size() / 3 + 4);
  TokenSink sink{ids, nullptr, 0};
  RERANK_TRY(state_->tokenize(cut_text, !options.special_tokens_in_text, sink));
  return ids;
}

Result<std::vector<std::vector<std::int32_t>>> Tokenizer::encode_ids_batch(std::span<const std::string_view> texts,
                                                                           int threads,
                                                                           const EncodeOptions& options) const {
  std::vector<std::vector<std::int32_t>> ids(texts.size());
  std::vector<std::optional<Error>> errors(texts.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < texts.size(); i = next++) {
      auto encoded = encode_ids(texts[i], options);
      if (encoded.ok())
        ids[i] = std::move(encoded).value();
      else
        errors[i] = std::move(encoded.error());
    }
  };
  const std::size_t wanted = std::min<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), texts.size());
  std::vector<std::thread> workers;
  for (std::size_t i = 1; i < wanted; ++i) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (!errors[i]) continue;
    errors[i]->where = fmt::format("text {}", i);
    return std::move(*errors[i]);
  }
  return ids;
}

Result<Encoding> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<std::int32_t> ids[2];
  std::vector<ByteRange> offsets[2];
  RERANK_TRY(state_->encode(text, options, ids[0], offsets[0]));
  return state_->join(ids, offsets, false, options);
}

Result<Encoding> Tokenizer::encode_pair(std::string_view a, std::string_view b, const EncodeOptions& options) const {
  std::vector<std::int32_t> ids[2];
  std::vector<ByteRange> offsets[2];
  RERANK_TRY(state_->encode(a, options, ids[0], offsets[0]));
  RERANK_TRY(state_->encode(b, options, ids[1], offsets[1]));
  return state_->join(ids, offsets, true, options);
}

Tokenizer::Joined Tokenizer::join(std::span<const std::int32_t> a,
                                  std::optional<std::span<const std::int32_t>> b) const {
  Joined out;
  const PostProcessor& post_processor = state_->post_processor;
  for (const TemplatePart& part : b ? post_processor.for_pair() : post_processor.for_single()) {
    const std::span<const std::int32_t> ids = part.kind == TemplatePart::Kind::kSpecial ? std::span(part.ids)
                                              : part.kind == TemplatePart::Kind::kFirst ? a
                                                                                        : *b;
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.type_ids.resize(out.ids.size(), part.type_id);
  }
  return out;
}

std::size_t Tokenizer::special_tokens_of_single() const {
  return state_->post_processor.special_tokens_of_single();
}
std::size_t Tokenizer::special_tokens_of_pair() const {
  return state_->post_processor.special_tokens_of_pair();
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    const auto token = id_to_token(id);
    if (!token) continue;
    if (skip_special_tokens) {
      const AddedToken* added = state_->added.by_content(*token);
      if (added != nullptr && added->special) continue;
    }
    tokens.emplace_back(*token);
  }
  return decode_tokens(state_->decoders, std::move(tokens));
}

std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  if (const AddedToken* added = state_->added.by_content(token)) return added->id;
  return find_in(state_->model, token);
}

std::optional<std::string_view> Tokenizer::id_to_token(std::int32_t id) const {
  if (const AddedToken* added = state_->added.by_id(id)) return added->decoded;
  const Vocabulary& vocabulary = vocabulary_of(state_->model);
  if (id < 0 || static_cast<std::size_t>(id) >= vocabulary.size()) return std::nullopt;
  return vocabulary[static_cast<std::size_t>(id)];
}

std::size_t Tokenizer::vocab_size() const {
  return std::max(state_->added.size(), vocabulary_of(state_->model).size());
}

std::size_t Tokenizer::memory() const {
  return std::visit([](const auto& m) { return m.memory(); }, state_->model);
}

}  // namespace rerank::tokenizer
