// The entries of a vocabulary by id: one block of text and where each entry ends in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace rerank::tokenizer {

class Vocabulary {
 public:
  // {"token": id, ...}. Ids may come in any order; kCorrupt unless they are exactly 0..n-1.
  static Result<Vocabulary> read_object(const io::Json& json);

  // Appends the entry of the next id.
  void push(std::string_view token);

  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t id) const {
    const std::uint32_t begin = id == 0 ? 0 : ends_[id - 1];
    return std::string_view(text_).substr(begin, ends_[id] - begin);
  }
  // Hints that operator[](id) comes soon: first where the entry lies, then its text.
  void prefetch_place(std::size_t id) const { __builtin_prefetch(&ends_[id]); }
  void prefetch_text(std::size_t id) const { __builtin_prefetch(text_.data() + (id == 0 ? 0 : ends_[id - 1])); }

  void shrink() {
    text_.shrink_to_fit();
    ends_.shrink_to_fit();
  }
  std::size_t memory() const { return text_.capacity() + ends_.capacity() * sizeof(std::uint32_t); }

 private:
  std::string text_;
  std::vector<std::uint32_t> ends_;
};

}  // namespace rerank::tokenizer
