// tokenizer.json, run as its five stages. The reference is the `tokenizers` library: equal ids and offsets for any
// text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"
#include "tokenizer/text.h"

namespace rerank::tokenizer {

// ByteRange (tokenizer/text.h) is a range of bytes of the caller's UTF-8.

// Parallel vectors, one entry a token. Special tokens have the offset 0..0.
struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
  std::vector<ByteRange> offsets;
  std::vector<std::uint8_t> attention_mask;       // 0 for padding
  std::vector<std::uint8_t> special_tokens_mask;  // 1 for what the post-processor added, and for padding
};

struct EncodeOptions {
  bool add_special_tokens = true;    // encode() and encode_pair(): what the post-processor adds
  bool use_file_truncation = false;  // encode() and encode_pair(): the file's "truncation"; only the first part is kept
  bool use_file_padding = false;     // encode() and encode_pair(): the file's "padding"
  bool special_tokens_in_text =
      true;  // text that spells a control token becomes it, as in the library; false: plain text
};

// Immutable after loading, safe to share between threads.
class Tokenizer {
 public:
  // kUnsupported, kCorrupt, kNotFound and kIo name the file and the JSON path.
  static Result<Tokenizer> load(const std::filesystem::path& tokenizer_json);
  // The same from text in memory; errors call it `file_name_for_errors`.
  static Result<Tokenizer> parse(std::string_view json, std::string file_name_for_errors);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Ids of one text without special tokens; truncation and padding of the file play no part. kBadInput when the text is
  // not valid UTF-8 (with the byte offset) or longer than 1 GiB.
  Result<std::vector<std::int32_t>> encode_ids(std::string_view text, const EncodeOptions& options = {}) const;
  // The same for many texts, on up to `threads` threads; the first error in text order.
  Result<std::vector<std::vector<std::int32_t>>> encode_ids_batch(std::span<const std::string_view> texts, int threads,
                                                                  const EncodeOptions& options = {}) const;
  Result<Encoding> encode(std::string_view text, const EncodeOptions& options = {}) const;
  Result<Encoding> encode_pair(std::string_view a, std::string_view b, const EncodeOptions& options = {}) const;

  // The post-processor alone, on ids that were made (and cut) before; b == nullopt takes the template of a single text.
  struct Joined {
    std::vector<std::int32_t> ids, type_ids;
  };
  Joined join(std::span<const std::int32_t> a, std::optional<std::span<const std::int32_t>> b) const;
  std::size_t special_tokens_of_single() const;
  std::size_t special_tokens_of_pair() const;

  // The text of `ids`; ids that name nothing are left out, as in the library.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;

  std::optional<std::int32_t> token_to_id(std::string_view token) const;
  std::optional<std::string_view> id_to_token(std::int32_t id) const;
  // Ids are 0..vocab_size()-1, added tokens included.
  std::size_t vocab_size() const;

  // Bytes held by the vocabulary tables.
  std::size_t memory() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace rerank::tokenizer
