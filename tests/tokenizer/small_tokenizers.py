"""Small tokenizers that between them use every component that src/tokenizer supports.

They are trained on a few sentences by the `tokenizers` package, so that a clone without reference data can compare with it.
"""

import json

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers)

SENTENCES = [
    "The quick brown fox jumps over the lazy dog, 42 times; isn't that 1,000 too many?",
    "Search engines rank passages by how well they answer a query: 3.14159 is not 22/7.",
    "def rank(query: str, passages: list[str]) -> list[float]:\n    return [score(query, p) for p in passages]",
    "Bücher über Größe und Maß; l'été dernier à Paris, où tout était fermé. ¿Qué pasó mañana?",
    "Москва слезам не верит. Быстрая коричневая лиса прыгает через ленивую собаку.",
    "北京是中国的首都。我喜欢读书，也喜欢写代码！東京都は日本の首都です。カタカナとひらがな。",
    "서울은 대한민국의 수도입니다. 빠른 갈색 여우가 게으른 개를 뛰어넘습니다.",
    "القاهرة عاصمة مصر. الثعلب البني السريع يقفز فوق الكلب الكسول ١٢٣.",
    "दिल्ली भारत की राजधानी है। तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย ๑๒๓",
    "Emoji 👩‍👩‍👧‍👦 🇩🇪 ☕️ ½ ﬁ Ⅳ ™ and    many   spaces\t\ttabs\r\n\r\nlines",
] * 3

SPECIAL = ["<s>", "</s>", "<unk>", "<pad>", "<mask>"]
GPT4_STYLE = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
              r"|\s+(?!\S)|\s+")
TEKKEN_STYLE = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"
                r"\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level(split, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    steps = [pre_tokenizers.Split(Regex(split), "isolated")] if split else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        steps + [pre_tokenizers.ByteLevel(add_prefix_space=not split, use_regex=not split)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.train_from_iterator(SENTENCES, trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=SPECIAL, show_progress=False))
    return tokenizer


def byte_fallback(normalizer, pre_tokenizer):
    """BPE over characters; what the vocabulary lacks is spelled in bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(SENTENCES, trainers.BpeTrainer(
        vocab_size=900, limit_alphabet=150, special_tokens=SPECIAL + ["<0x%02X>" % b for b in range(256)],
        show_progress=False))
    whole = json.loads(tokenizer.to_str())
    whole["added_tokens"] = [t for t in whole["added_tokens"] if not t["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    return tokenizer


def unigram(normalizer, pre_tokenizer, decoder):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    tokenizer.train_from_iterator(SENTENCES, trainers.UnigramTrainer(
        vocab_size=400, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False))
    return tokenizer


def affixes(prefix, suffix):
    """BPE whose pieces inside a word begin with `prefix`, and whose pieces at its end finish with `suffix`."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix=prefix, end_of_word_suffix=suffix))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(SENTENCES, trainers.BpeTrainer(
        vocab_size=700, special_tokens=SPECIAL, continuing_subword_prefix=prefix, end_of_word_suffix=suffix,
        show_progress=False))
    return tokenizer


def unigram_bytes():
    """Unigram that spells in bytes what its pieces lack."""
    whole = json.loads(unigram(normalizers.NFC(), pre_tokenizers.Metaspace(), decoders.Sequence(
        [decoders.Metaspace(), decoders.ByteFallback(), decoders.Fuse()])).to_str())
    whole["model"]["byte_fallback"] = True
    whole["model"]["vocab"] += [["<0x%02X>" % b, 0.0] for b in range(256)]
    return Tokenizer.from_str(json.dumps(whole))


def word_piece(normalizer, pre_tokenizer):
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(
        vocab_size=600, special_tokens=SPECIAL, show_progress=False))
    return tokenizer


def all_small():
    """(name, tokenizer), one after another."""
    made = {
        "bytelevel-gpt2": byte_level(None),
        "bytelevel-gpt4": byte_level(GPT4_STYLE, ignore_merges=True),
        "bytelevel-tekken": byte_level(TEKKEN_STYLE),
        "fallback-replace": byte_fallback(
            normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None),
        "fallback-split": byte_fallback(
            normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous")),
        "unigram-nfkc": unigram(
            normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]),
            pre_tokenizers.Metaspace(prepend_scheme="always"), decoders.Metaspace(prepend_scheme="always")),
        "unigram-first": unigram(
            normalizers.NFKD(), pre_tokenizers.Metaspace(prepend_scheme="first"),
            decoders.Metaspace(prepend_scheme="first")),
        "unigram-never": unigram(
            normalizers.Strip(), pre_tokenizers.Metaspace(prepend_scheme="never", split=False),
            decoders.Metaspace(prepend_scheme="never")),
        "unigram-words": unigram(
            normalizers.NFC(), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
            decoders.Metaspace()),
        "unigram-bytes": unigram_bytes(),
        "affixes-both": affixes("##", "</w>"),
        "affixes-end": affixes("", "</w>"),
        "wordpiece-bert": word_piece(normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()),
        "wordpiece-cased": word_piece(
            normalizers.BertNormalizer(lowercase=False, handle_chinese_chars=False), pre_tokenizers.Whitespace()),
        "wordpiece-accents": word_piece(
            normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]),
            pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"),
                                     pre_tokenizers.Digits(individual_digits=True)])),
        "wordpiece-split": word_piece(
            normalizers.NFC(),
            pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\w+|[^\w\s]"), "removed", invert=True),
                                     pre_tokenizers.Split(Regex("[aeiou]"), "merged_with_next"),
                                     pre_tokenizers.Digits()])),
    }
    roberta = made["bytelevel-gpt2"]
    roberta.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    made["wordpiece-bert"].post_processor = processors.BertProcessing(("</s>", 1), ("<s>", 0))
    made["bytelevel-gpt4"].add_tokens([
        AddedToken("<|plain|>", normalized=False), AddedToken("word", single_word=True),
        AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True)])
    made["wordpiece-bert"].add_tokens([
        AddedToken("ÉTÉ", normalized=True), AddedToken("word", single_word=True, normalized=False),
        AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False)])
    made["unigram-nfkc"].add_tokens([AddedToken("<left>", lstrip=True, rstrip=True), AddedToken("a b", normalized=True)])
    yield from made.items()
