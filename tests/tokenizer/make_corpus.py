#!/usr/bin/env python3
"""Writes the seed corpora of the tokenizer's fuzz targets into tests/corpus/tokenizer*: `python make_corpus.py`."""

import json
import os

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "corpus")

WORD_PIECE = {"type": "WordPiece", "unk_token": "u", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
              "vocab": {"u": 0, "a": 1, "##b": 2, "<s>": 3}}
UNIGRAM = {"type": "Unigram", "unk_id": 0, "byte_fallback": True,
           "vocab": [["<unk>", 0.0], ["a", -1.5], ["▁", -2.25], ["▁ab", -3.4715776443481445], ["<0x41>", -9]]}
BPE = {"type": "BPE", "dropout": None, "unk_token": "u", "continuing_subword_prefix": "##", "end_of_word_suffix": "$",
       "fuse_unk": True, "byte_fallback": False, "ignore_merges": False,
       "vocab": {"u": 0, "a": 1, "##b": 2, "ab": 3, "##b$": 4, "ab$": 5}, "merges": ["a ##b", ["a", "##b$"]]}
SPECIAL = [{"id": 3, "content": "<s>", "single_word": True, "lstrip": True, "rstrip": True, "normalized": True,
            "special": True}]
TEMPLATE = {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "s", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"s": {"id": "s", "ids": [1, 2], "tokens": ["a", "b"]}}}


def whole(model, **stages):
    out = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
           "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model}
    out.update(stages)
    return json.dumps(out, ensure_ascii=False).encode()


def sequence(key, *steps):
    return {"type": "Sequence", key: list(steps)}


JSON_SEEDS = {
    "word-piece": whole(
        WORD_PIECE, added_tokens=SPECIAL, post_processor=TEMPLATE,
        normalizer={"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                    "lowercase": True},
        pre_tokenizer={"type": "BertPreTokenizer"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
        truncation={"direction": "Left", "max_length": 4, "strategy": "OnlyFirst", "stride": 0},
        padding={"strategy": {"Fixed": 8}, "direction": "Left", "pad_to_multiple_of": 3, "pad_id": 0, "pad_type_id": 0,
                 "pad_token": "u"}),
    "unigram": whole(
        UNIGRAM,
        normalizer=sequence("normalizers", {"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": True},
                            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}),
        pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
        decoder={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}),
    "bpe-affixes": whole(
        BPE, pre_tokenizer=sequence("pretokenizers", {"type": "Whitespace"}, {"type": "Digits", "individual_digits": True},
                                    {"type": "Punctuation", "behavior": "Contiguous"}),
        post_processor={"type": "RobertaProcessing", "sep": ["a", 1], "cls": ["u", 0], "trim_offsets": True,
                        "add_prefix_space": True},
        decoder=sequence("decoders", {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                         {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1})),
    "bpe-bytes": whole(
        {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "Ġa": 3, "ab": 4}, "merges": ["Ġ a", "a b"], "ignore_merges": True},
        normalizer={"type": "NFC"},
        pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        post_processor=sequence("processors", {"type": "ByteLevel", "trim_offsets": True}, TEMPLATE),
        decoder={"type": "ByteLevel"}),
    "split": whole(
        WORD_PIECE, normalizer=sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, {"type": "StripAccents"},
                                        {"type": "Lowercase"}, {"type": "NFD"}),
        pre_tokenizer={"type": "Split", "pattern": {"Regex": "(?i:a)+|[^\\s\\p{L}]?\\w{1,3}(?!x)"},
                       "behavior": "MergedWithNext", "invert": True}),
    "precompiled": whole(UNIGRAM, normalizer={"type": "Precompiled", "precompiled_charsmap": "BAAAAAAEAAA="}),
    "unknown-type": whole(WORD_PIECE, decoder={"type": "CTC"}),
    "cut-short": whole(WORD_PIECE)[:-9],
}
TEXT_SEEDS = {
    "ascii": "It's 1234 a  ab\tabc\r\n\n  end", "control": "<s>a </s>  b<s", "latin": "Ça été İSTANBUL ß ﬁ ½ ª́",
    "cjk": "中文 한국어 ｶﾞ 豈 日本語", "indic": "क्षि தமிழ் ก็", "emoji": "👩‍👩‍👧‍👦🇩🇪🇫🇷☕️",
    "spaces": "\u00a0\u3000\u2028 \u200b\ufeff▁▁Ġ", "zero": "a\0b\x07\x7f",
}
TEMPLATE_SEEDS = {
    "chatml": "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m.content | trim }}{% endfor %}"
              "{%- if add_generation_prompt -%} go {%- endif %}",
    "set": "{%- set ns = namespace(n=0) %}{% set x = messages[1:] %}{% set ns.n = -1 %}{{ ns.n ~ x | length }}{# c #}",
    "logic": "{{ 'a' if not x is defined and 1 + 2 * 3 == 7 or 'b' in ['b'] else none }}\n  {% break %}",
    "refuse": "{{ raise_exception('no') }}",
    "loop": "{% for a, b in messages %}{% else %}{% endfor %}{% if a %}{% elif b %}{% else %}{% endif %}",
}


def write(folder, seeds):
    os.makedirs(os.path.join(CORPUS, folder), exist_ok=True)
    for name, data in seeds.items():
        with open(os.path.join(CORPUS, folder, name), "wb") as file:
            file.write(data)


def main():
    write("tokenizer_json", JSON_SEEDS)
    write("tokenizer_encode", {"%d-%s" % (kind, name): bytes([kind]) + text.encode()
                               for kind in range(4) for name, text in TEXT_SEEDS.items()})
    write("tokenizer_chat_template", {name: text.encode() for name, text in TEMPLATE_SEEDS.items()})


if __name__ == "__main__":
    main()
