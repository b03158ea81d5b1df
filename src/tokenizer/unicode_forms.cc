#include "tokenizer/unicode_forms.h"

#include <utf8proc.h>

#include <vector>

#include "tokenizer/unicode.h"

namespace rerank::tokenizer {
namespace {

struct Change {
  char32_t c;
  std::ptrdiff_t change;
  int combining_class;
};

int combining_class(const UnicodeTable& unicode, char32_t c) {
  if (!unicode.has(c, kNormalizes)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

// Decomposes `text` into `out`, in canonical order.
void decompose_into(Decomposition kind, std::string_view text, std::vector<Change>& out) {
  const UnicodeTable& unicode = UnicodeTable::get();
  out.clear();
  std::size_t run = 0;  // start of the characters that still may be reordered
  const auto sort_run = [&] {
    std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(run), out.end(),
                     [](const Change& a, const Change& b) { return a.combining_class < b.combining_class; });
  };
  const auto push = [&](char32_t c, std::ptrdiff_t change) {
    const int klass = combining_class(unicode, c);
    if (klass == 0) sort_run();
    out.push_back({c, change, klass});
    if (klass == 0) run = out.size();
  };
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    at += c.length;
    if (!unicode.has(c.value, kNormalizes)) {
      push(c.value, 0);
      continue;
    }
    utf8proc_int32_t parts[32];
    int boundary = 0;
    const auto options =
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (kind == Decomposition::kCompatible ? UTF8PROC_COMPAT : 0));
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.value), parts, std::size(parts), options, &boundary);
    for (utf8proc_ssize_t i = 0; i < count; ++i) push(static_cast<char32_t>(parts[i]), i == 0 ? 0 : 1);
  }
  sort_run();
}

// Composes in place. A character that is composed into one before it hands its change to it.
void compose_in_place(std::vector<Change>& changes) {
  const UnicodeTable& unicode = UnicodeTable::get();
  std::size_t write = 0;
  std::size_t starter = changes.size();  // index in the output of the character that may compose
  int last_class = -1;                   // class of the last character kept since the starter; -1: none
  for (const Change now : changes) {
    if (starter < write && (last_class < 0 || last_class < now.combining_class)) {
      const char32_t whole = unicode.compose(changes[starter].c, now.c);
      if (whole != 0) {
        changes[starter].c = whole;
        changes[starter].change += now.change - 1;
        continue;
      }
    }
    changes[write] = now;
    if (now.combining_class == 0) {
      starter = write;
      last_class = -1;
    } else if (starter < write) {
      last_class = now.combining_class;
    }
    ++write;
  }
  changes.resize(write);
}

// Whether no normal form changes this character or joins it to the one before.
bool inert(const UnicodeTable& unicode, char32_t c) {
  return !unicode.has(c, kNormalizes | kComposesBack);
}

// Calls `as_is(begin, end)` for stretches that no normal form changes and `change(begin, end)` for the others.
template <class AsIs, class Changed>
void walk(std::string_view text, AsIs&& as_is, Changed&& changed) {
  const UnicodeTable& unicode = UnicodeTable::get();
  std::size_t done = 0, at = 0, previous = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      previous = at++;
      continue;
    }
    const CodePoint c = decode_utf8(text, at);
    if (inert(unicode, c.value)) {
      previous = at;
      at += c.length;
      continue;
    }
    const std::size_t begin = std::max(previous, done);  // it may compose with the character before
    if (done < begin) as_is(done, begin);
    while (at < text.size()) {
      const CodePoint next = decode_utf8(text, at);
      if (inert(unicode, next.value)) break;
      at += next.length;
    }
    changed(begin, at);
    done = previous = at;
  }
  if (done < text.size()) as_is(done, text.size());
}

}  // namespace

void to_normal_form(Decomposition decomposition, bool compose, const Text& in, std::uint32_t origin, Text& out) {
  std::vector<Change> changes;
  if (in.tracked) {
    decompose_into(decomposition, in.bytes, changes);
    if (compose) compose_in_place(changes);
    Rewriter rewriter(in, origin, out);
    for (const Change& change : changes) rewriter.put(change.c, change.change);
    return;
  }
  const std::string_view text = in.bytes;
  walk(
      text, [&](std::size_t begin, std::size_t end) { out.bytes.append(text, begin, end - begin); },
      [&](std::size_t begin, std::size_t end) {
        decompose_into(decomposition, text.substr(begin, end - begin), changes);
        if (compose) compose_in_place(changes);
        for (const Change& change : changes) append_utf8(change.c, out.bytes);
      });
}

void decompose(std::string_view in, std::string& out) {
  std::vector<Change> changes;
  walk(
      in, [&](std::size_t begin, std::size_t end) { out.append(in, begin, end - begin); },
      [&](std::size_t begin, std::size_t end) {
        decompose_into(Decomposition::kCanonical, in.substr(begin, end - begin), changes);
        for (const Change& change : changes) append_utf8(change.c, out);
      });
}

}  // namespace rerank::tokenizer
