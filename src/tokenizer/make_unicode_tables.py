#!/usr/bin/env python3
"""Writes unicode_tables.inc: what the `tokenizers` library believes about every code point.

The library stands on several Rust crates and on Oniguruma, each with its own version of Unicode. Instead of guessing the
versions, this script asks the library itself, code point by code point, and writes down the answers as runs.
Grapheme classes come from the `regex` package, except where the library can be asked (which code points extend a cluster).

    pip install tokenizers regex
    python make_unicode_tables.py > unicode_tables.inc
"""

import base64
import struct
import sys

import regex
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CHARS = [chr(c) for c in CODE_POINTS]
EVERYTHING = "".join(CHARS)

CATEGORIES = ["Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
              "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs"]
GRAPHEME_CLASSES = ["Other", "CR", "LF", "Control", "Extend", "ZWJ", "Regional_Indicator", "Prepend", "SpacingMark", "L",
                    "V", "T", "LV", "LVT"]


def matched_by(pattern):
    """Code points that the library's regex engine lets `pattern` match."""
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return {ord(c) for piece, _ in split.pre_tokenize_str(EVERYTHING) for c in piece}


def alone_in(pre_tokenizer, before, after):
    """Code points that `pre_tokenizer` cuts from a letter on their left."""
    found = set()
    for c in CODE_POINTS:
        pieces = [p for p, _ in pre_tokenizer.pre_tokenize_str(before + chr(c) + after)]
        if chr(c) in pieces:
            found.add(c)
    return found


def joined_in(pre_tokenizer, before):
    return {c for c in CODE_POINTS
            if [p for p, _ in pre_tokenizer.pre_tokenize_str(before + chr(c))] == [before + chr(c)]}


def has_normal_form_data():
    """Code points that decompose, or that are reordered around marks of the highest or the lowest class."""
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    found = set()
    for c in CODE_POINTS:
        char = chr(c)
        if nfd.normalize_str(char) != char or nfkd.normalize_str(char) != char:
            found.add(c)
        elif c == 0x345 or nfd.normalize_str("\u0345" + char) != "\u0345" + char:
            found.add(c)
    return found


def charsmap_that_maps_a_to_b():
    """A SentencePiece charsmap with the single rule "a" -> "b", as a double-array trie of one key."""
    units = [0] * 512
    units[0] = 1 << 10                            # root: children lie at offset 1
    slot = 1 ^ ord("a")
    units[slot] = (4 << 10) | (1 << 8) | ord("a")  # has a leaf, at slot ^ 4
    units[slot ^ 4] = (1 << 31) | 0                # the leaf: value 0
    trie = struct.pack("<512I", *units)
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + b"b\0").decode()


def extends_cluster():
    """Code points that the library's grapheme segmentation glues to a letter before them.

    A cluster shorter than 6 bytes is replaced as a whole, so "a" + c becomes "b" exactly when c extends the cluster.
    """
    config = '{"type":"Precompiled","precompiled_charsmap":"%s"}' % charsmap_that_maps_a_to_b()
    shell = ('{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":%s,"pre_tokenizer":null,'
             '"post_processor":null,"decoder":null,"model":{"type":"WordPiece","unk_token":"u",'
             '"continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"u":0}}}')
    precompiled = tokenizers.Tokenizer.from_str(shell % config).normalizer
    assert precompiled.normalize_str("a") == "b"
    return {c for c in CODE_POINTS if precompiled.normalize_str("a" + chr(c)) == "b"}


def with_regex_property(name):
    return {ord(c) for c in regex.findall(r"\p{%s}" % name, EVERYTHING)}


def main():
    category = dict.fromkeys(CODE_POINTS, 0)
    for index, name in enumerate(CATEGORIES):
        for c in matched_by(r"\p{%s}" % name):
            category[c] = index
    grapheme = dict.fromkeys(CODE_POINTS, 0)
    for index, name in enumerate(GRAPHEME_CLASSES):
        if index != 0:
            for c in with_regex_property("GCB=" + name):
                grapheme[c] = index
    extending = extends_cluster()
    for c in CODE_POINTS:
        extends_here = GRAPHEME_CLASSES[grapheme[c]] in ("Extend", "ZWJ", "SpacingMark")
        if extends_here and c not in extending:
            grapheme[c] = 0
        elif not extends_here and c in extending:
            grapheme[c] = GRAPHEME_CLASSES.index("Extend")

    bert = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    nfd = normalizers.NFD()
    clean = normalizers.BertNormalizer(**{**bert, "clean_text": True})
    cleaned = {c for c in CODE_POINTS if clean.normalize_str("a" + chr(c) + "b") == "ab"}
    spaces = matched_by(r"\s")
    nfc = normalizers.NFC()
    composites = []
    for c in CODE_POINTS:
        parts = nfd.normalize_str(chr(c))
        if len(parts) > 1 and not 0xAC00 <= c < 0xD7A4 and nfc.normalize_str(parts) == chr(c):
            first = nfc.normalize_str(parts[:-1])
            assert len(first) == 1, hex(c)
            composites.append((ord(first), ord(parts[-1]), c))
    composites.sort()

    bits = [
        ("kSpace", spaces),
        ("kWord", joined_in(pre_tokenizers.Whitespace(), "a")),
        ("kBertControl", cleaned),
        ("kBertAccent", removed_by_strip(normalizers.BertNormalizer(**{**bert, "strip_accents": True}), nfd)),
        ("kAccent", removed_by_strip(normalizers.StripAccents(), None)),
        ("kPunctuation", alone_in(pre_tokenizers.BertPreTokenizer(), "a", "b")),
        ("kNumeric", alone_in(pre_tokenizers.Digits(individual_digits=True), "a", "b")),
        ("kNormalizes", has_normal_form_data()),
        ("kPictographic", with_regex_property("Extended_Pictographic")),
        ("kConjunctConsonant", with_regex_property("InCB=Consonant")),
        ("kConjunctLinker", with_regex_property("InCB=Linker")),
        ("kConjunctExtend", with_regex_property("InCB=Extend")),
        ("kComposesBack", {second for _, second, _ in composites} | set(range(0x1161, 0x1176)) |
         set(range(0x11A8, 0x11C3))),
        ("kRegexWord", matched_by(r"\w")),
    ]
    flags = {c: category[c] | grapheme[c] << 5 for c in CODE_POINTS}
    for index, (_, members) in enumerate(bits):
        for c in members:
            flags[c] |= 1 << (9 + index)
    for c in range(0xD800, 0xE000):
        flags[c] = CATEGORIES.index("Cs")

    runs, last = [], None
    for c in range(0x110000):
        if flags[c] != last:
            last = flags[c]
            runs.append((c, last))

    lower = normalizers.Lowercase()
    lowered = []
    for c in CODE_POINTS:
        image = lower.normalize_str(chr(c))
        if image != chr(c) and len(image) == 1:
            lowered.append((c, ord(image) - c))
        elif image != chr(c):
            assert c == 0x130 and image == "i\u0307", hex(c)   # handled in code
    lower_runs = []                               # first, last, step, delta
    for c, delta in lowered:
        if lower_runs:
            first, end, step, d = lower_runs[-1]
            if d == delta and (c - end == step or (first == end and c - end in (1, 2))):
                lower_runs[-1] = (first, c, c - end, d)
                continue
        lower_runs.append((c, c, 1, delta))

    out = sys.stdout
    out.write("// Made by make_unicode_tables.py from tokenizers %s and regex %s. Do not edit.\n\n" %
              (tokenizers.__version__, regex.__version__))
    write_rows(out, "kPropertyRuns", "PropertyRun", ["{0x%X, 0x%X}" % r for r in runs])
    write_rows(out, "kLowerRuns", "LowerRun", ["{0x%X, 0x%X, %d, %d}" % r for r in lower_runs])
    write_rows(out, "kComposites", "Composite", ["{0x%X, 0x%X, 0x%X}" % r for r in composites])
    print(len(runs), "property runs,", len(lower_runs), "lower-case runs,", len(composites), "composites;",
          ", ".join("%s %d" % (name, len(members)) for name, members in bits), file=sys.stderr)


def removed_by_strip(normalizer, decompose):
    """Code points that an accent stripper removes (those that decompose are asked in their decomposed form)."""
    found = set()
    for c in CODE_POINTS:
        if decompose is not None and decompose.normalize_str(chr(c)) != chr(c):
            continue
        if normalizer.normalize_str("a" + chr(c)) == "a":
            found.add(c)
    return found


def write_rows(out, name, type_name, rows):
    out.write("constexpr %s %s[] = {\n" % (type_name, name))
    line = "   "
    for row in rows:
        if len(line) + len(row) + 2 > 120:
            out.write(line + "\n")
            line = "   "
        line += " " + row + ","
    out.write(line + "\n};\n\n")


if __name__ == "__main__":
    main()
