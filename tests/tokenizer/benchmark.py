#!/usr/bin/env python3
"""Speed of src/tokenizer beside `tokenizers` (and tiktoken where it has the vocabulary), one thread, one interleaved run.

    benchmark.py --probe build/.../tokenizer_probe --tokenizer DIR/tokenizer.json --corpus FILE.jsonl [--tiktoken]

Prints megabytes of UTF-8 a second for each corpus: the fastest of several passes, each program's passes in turn.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"


class Probe:
    def __init__(self, program, path):
        self.process = subprocess.Popen([program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def seconds(self, texts):
        data = [text.encode() for text in texts]
        self.process.stdin.write(b"T" + struct.pack("<II", 2, len(data)) +
                                 b"".join(struct.pack("<I", len(text)) + text for text in data))
        self.process.stdin.flush()
        status, nanoseconds, ids = struct.unpack("<III", self.process.stdout.read(12))
        assert status == 0
        return nanoseconds / 1e9, ids


def tiktoken_of(path):
    """The same byte-level vocabulary as a tiktoken encoding: ranks are ids."""
    import tiktoken
    with open(path, encoding="utf-8") as file:
        whole = json.load(file)
    printable = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    byte_of = {chr(b): b for b in printable}
    byte_of.update({chr(256 + n): b for n, b in enumerate(b for b in range(256) if b not in printable)})
    added = {token["content"] for token in whole["added_tokens"]}
    ranks = {bytes(byte_of[c] for c in token): rank for token, rank in whole["model"]["vocab"].items()
             if token not in added and all(c in byte_of for c in token)}
    pattern = whole["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    return tiktoken.Encoding("local", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", required=True)
    parser.add_argument("--tokenizer", action="append", required=True)
    parser.add_argument("--corpus", action="append", required=True)
    parser.add_argument("--megabytes", type=float, default=1.0, help="text to take of each corpus")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--tiktoken", action="store_true", help="where the vocabulary is byte-level")
    options = parser.parse_args()
    import tokenizers
    for path in options.tokenizer:
        reference = tokenizers.Tokenizer.from_file(path)
        reference.no_truncation()
        reference.no_padding()
        probe = Probe(options.probe, path)
        other = None
        if options.tiktoken:
            try:
                other = tiktoken_of(path)
            except (AttributeError, KeyError, TypeError, ImportError, ValueError):
                pass
        for corpus in options.corpus:
            texts, size = [], 0
            with open(corpus, encoding="utf-8") as lines:
                for line in lines:
                    texts.append(json.loads(line)["text"])
                    size += len(texts[-1].encode())
                    if size > options.megabytes * 1e6:
                        break
            best = {}
            for _ in range(options.passes):
                seconds, count = probe.seconds(texts)
                best["ours"] = min(best.get("ours", 1e9), seconds)
                for name, run in (("tokenizers", lambda: reference.encode_batch(texts, add_special_tokens=False)),
                                  ("tokenizers fast", lambda: reference.encode_batch_fast(texts, add_special_tokens=False)),
                                  ("tiktoken", lambda: [other.encode_ordinary(text) for text in texts])):
                    if name == "tiktoken" and other is None:
                        continue
                    start = time.perf_counter()
                    run()
                    best[name] = min(best.get(name, 1e9), time.perf_counter() - start)
            name = os.path.basename(os.path.dirname(os.path.abspath(path)))
            rates = ", ".join("%s %.1f MB/s (%.1fx)" % (who, size / 1e6 / s, s / best["ours"]) if who != "ours" else
                              "ours %.1f MB/s" % (size / 1e6 / s) for who, s in best.items())
            print("%s on %s: %s" % (name, "/".join(os.path.abspath(corpus).split("/")[-3:-1]), rates), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
