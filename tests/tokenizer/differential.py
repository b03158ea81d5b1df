#!/usr/bin/env python3
"""Compares src/tokenizer with the real `tokenizers` package: ids, offsets and decoded text of random strings.

    differential.py --probe build/.../tokenizer_probe                      # small tokenizers that it makes itself
    differential.py --probe ... --tokenizer DIR/tokenizer.json [...]       # real ones
    differential.py --probe ... --corpus FILE.jsonl [...]                  # strings are also made from {"text"} of these

Ends with 0 when all are equal, 1 with the first differences, 77 when the package is not installed.
"""

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

NOISE = (list("  \t\n\r\u00a0\u0085\u2028\u3000\u200b\u200d\u200c\ufeff\ufffd\u0000\u0007\u007f\u180e\u202e▁Ġ##'’ſKÅ") +
         ["\u0301", "\u0327", "\u0345", "\u093c", "\u094d", "\u0e33", "\u1161", "\u11a8", "\ufe0f", "\U0001f1e9",
          "\U0001f469\u200d\U0001f467", "\U000e0067", "'S", "'ll", "n't", "ﬁ", "½", "Ǆ", "İ", "ẞ", "한", "각", "豈", "が",
          "<s>", "</s>", "<mask>", " <mask>", "[MASK]", "<left>", " <left> ", "<right>  ", "word", "sword", "<0x41>", "a b",
          "<|im_start|>", "<|endoftext|>", "[INST]", "<|plain|>", "<bos>", "<unk>", "\r\n", "    ", "\n\n\n", "..."])
BLOCKS = [(0x20, 0x7F), (0x20, 0x7F), (0xA0, 0x250), (0x250, 0x370), (0x370, 0x600), (0x600, 0x900), (0x900, 0xE00),
          (0xE00, 0x1200), (0x1200, 0x2000), (0x2000, 0x2C00), (0x2C00, 0x3100), (0x3040, 0x3100), (0x4E00, 0x5200),
          (0xA000, 0xAC00), (0xAC00, 0xB000), (0xF900, 0x10000), (0x10000, 0x12000), (0x1D000, 0x1F000),
          (0x1F000, 0x20000), (0x20000, 0x2A000), (0xE0000, 0xE0200), (0, 0x110000)]


def random_char(rng):
    low, high = rng.choice(BLOCKS)
    c = rng.randrange(low, high)
    return chr(c) if not 0xD800 <= c < 0xE000 else " "


def random_text(rng):
    """Code points from a few blocks, so that neighbours have something to do with each other."""
    blocks = [rng.choice(BLOCKS) for _ in range(rng.randrange(1, 4))]
    out = []
    for _ in range(rng.randrange(0, 40)):
        if rng.random() < 0.15:
            out.append(rng.choice(NOISE))
            continue
        low, high = rng.choice(blocks)
        c = rng.randrange(low, high)
        out.append(chr(c) if not 0xD800 <= c < 0xE000 else " ")
    return "".join(out)


def mutated_text(rng, sources):
    text = rng.choice(sources)
    start = rng.randrange(max(1, len(text)))
    chars = list(text[start:start + rng.randrange(1, 160)])
    for _ in range(rng.randrange(0, 5)):
        at = rng.randrange(len(chars) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            chars.insert(at, rng.choice(NOISE))
        elif kind == 1:
            chars.insert(at, random_char(rng))
        elif kind == 2 and at < len(chars):
            del chars[at]
        elif kind == 3 and at < len(chars):
            chars[at:at + 1] = [chars[at]] * rng.randrange(2, 12)
        elif kind == 4 and at < len(chars):
            chars[at] = chars[at].swapcase()
    text = "".join(chars)
    form = rng.randrange(8)
    return unicodedata.normalize(["NFD", "NFC"][form], text) if form < 2 else text


class Probe:
    def __init__(self, program, tokenizer_json):
        self.process = subprocess.Popen([program, tokenizer_json], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def number(self):
        return struct.unpack("<I", self.exactly(4))[0]

    def exactly(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise SystemExit("the probe ended early: %r" % self.process.wait())
        return data

    def status(self):
        if self.number() != 0:
            raise SystemExit("the probe failed: " + self.exactly(self.number()).decode())

    def encode(self, text, kind=b"E"):
        data = text.encode()
        self.process.stdin.write(kind + struct.pack("<I", len(data)) + data)
        self.process.stdin.flush()
        self.status()
        count = self.number()
        fast = struct.unpack("<%di" % count, self.exactly(4 * count))
        count = self.number()
        ids = struct.unpack("<%di" % count, self.exactly(4 * count))
        flat = struct.unpack("<%dI" % (2 * count), self.exactly(8 * count))
        return fast, ids, list(zip(flat[::2], flat[1::2]))

    def decode(self, ids, skip):
        self.process.stdin.write(b"D" + struct.pack("<II%di" % len(ids), int(skip), len(ids), *ids))
        self.process.stdin.flush()
        self.status()
        return self.exactly(self.number()).decode()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def in_characters(text, offsets):
    """Byte offsets as the Python package reports them, in characters."""
    at = [0] * (len(text.encode()) + 1)
    position = 0
    for index, char in enumerate(text):
        size = len(char.encode())
        for byte in range(size):
            at[position + byte] = index
        position += size
    at[position] = len(text)
    return [(at[begin], at[end]) for begin, end in offsets]


def compare(name, path, program, count, seed, sources, show):
    import tokenizers
    reference = tokenizers.Tokenizer.from_file(path)
    reference.no_truncation()
    reference.no_padding()
    size = reference.get_vocab_size()
    probe = Probe(program, path)
    rng = random.Random(seed)
    differences = 0

    def differ(what, text, ours, theirs):
        nonlocal differences
        differences += 1
        if differences <= show:
            print("%s: %s differ for %r\n  ours   %r\n  theirs %r" % (name, what, text, ours, theirs), flush=True)

    done = 0
    while done < count:
        texts = [mutated_text(rng, sources) if rng.random() < 0.6 else random_text(rng)
                 for _ in range(min(512, count - done))]
        done += len(texts)
        for text, expected in zip(texts, reference.encode_batch(texts, add_special_tokens=False)):
            fast, ids, offsets = probe.encode(text)
            if list(fast) != expected.ids:
                differ("ids", text, list(fast), expected.ids)
            elif list(ids) != expected.ids:
                differ("ids with offsets", text, list(ids), expected.ids)
            elif in_characters(text, offsets) != expected.offsets:
                differ("offsets", text, in_characters(text, offsets), expected.offsets)
            if rng.random() < 0.2:
                some = list(expected.ids) if rng.random() < 0.5 else [rng.randrange(size + 3) for _ in range(rng.randrange(20))]
                start = rng.randrange(len(some) + 1)
                some, skip = some[start:], rng.random() < 0.5
                ours, theirs = probe.decode(some, skip), reference.decode(some, skip_special_tokens=skip)
                if ours != theirs:
                    differ("decoded texts", some, ours, theirs)
    probe.close()
    print("%s: %d differences in %d strings" % (name, differences, count), flush=True)
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", required=True)
    parser.add_argument("--tokenizer", action="append", default=[])
    parser.add_argument("--corpus", action="append", default=[])
    parser.add_argument("--count", type=int, default=2000, help="strings a tokenizer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=5, help="differences to print a tokenizer")
    options = parser.parse_args()
    try:
        import tokenizers
    except ImportError:
        print("skipped: the Python package `tokenizers` is not installed")
        return 77
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import small_tokenizers

    sources = list(small_tokenizers.SENTENCES)
    for path in options.corpus:
        with open(path, encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
        sources += [text for text in texts if text][:2000]
    differences = 0
    if options.tokenizer:
        for path in options.tokenizer:
            name = os.path.basename(os.path.dirname(os.path.abspath(path)))
            differences += compare(name, path, options.probe, options.count, options.seed, sources, options.show)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for name, tokenizer in small_tokenizers.all_small():
                path = os.path.join(folder, name + ".json")
                tokenizer.save(path)
                differences += compare(name, path, options.probe, options.count, options.seed, sources, options.show)
    print("tokenizers %s: %d differences" % (tokenizers.__version__, differences))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
