// Unicode normal forms as the library makes them: Unicode 9 tables, and its own account of which character became
// which. Source: the `unicode-normalization-alignments` crate, whose decomposition and recomposition give (character,
// change).
#pragma once

#include "tokenizer/text.h"

namespace rerank::tokenizer {

enum class Decomposition { kCanonical, kCompatible };

// Appends the normal form of `in` to `out`.
void to_normal_form(Decomposition decomposition, bool compose, const Text& in, std::uint32_t origin, Text& out);

// Appends the canonical decomposition of an untracked text in canonical order to `out`.
void decompose(std::string_view in, std::string& out);

}  // namespace rerank::tokenizer
