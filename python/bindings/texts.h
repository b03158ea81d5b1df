// The texts of a call, as Python has them.
#pragma once

#include <nanobind/nanobind.h>

#include <span>
#include <vector>

#include "rerank/engine.h"

namespace rerank::python {

// Borrows the UTF-8 that Python keeps with each str, and holds the strings: lists may change while the GIL is released.
// Made and destroyed with the GIL held. Raises WrongTypeError for what is no text, TooShortError for a pair without a
// passage, BadInputError for a str that no UTF-8 can spell; all name the pair.
class Texts {
 public:
  // `pairs`: a sequence of sequences (query, passage) of str.
  static Texts of_pairs(nanobind::handle pairs);
  // One query, and a sequence of passages.
  static Texts of_passages(nanobind::handle query, nanobind::handle passages);

  std::span<const Pair> pairs() const { return pairs_; }

 private:
  std::string_view borrow(nanobind::handle text, std::size_t pair_idx, const char* role);

  std::vector<nanobind::object> held_;
  std::vector<Pair> pairs_;
};

}  // namespace rerank::python
