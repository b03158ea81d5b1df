"""Reads training sources and evaluation collections, and turns them into BERT pairs."""
import gzip
import json
import os

import numpy as np

CLS, SEP, PAD = 101, 102, 0


def join_title(passage):
    """The text that is ranked: the title, where there is one, a blank, and the text, as BEIR evaluations join them."""
    title = passage.get("title") or ""
    return title + " " + passage["text"] if title else passage["text"]


def find_source(folders, name):
    """The path of a source's files without their endings, in the first of the folders that has it."""
    for folder in folders:
        if os.path.exists(os.path.join(folder, name + ".passages.jsonl.gz")):
            return os.path.join(folder, name)
    raise SystemExit(f"error: no source {name} in {', '.join(folders)}; training/README.md tells where sources come from")


def read_lines(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_lines(path, rows):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def load_tokenizer(model_dir):
    """The package's tokenizer.json truncates and pads to 128 tokens; pairs are cut here instead."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(model_dir, "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenize(tokenizer, texts):
    """Token ids of each text, without special tokens."""
    out = []
    for start in range(0, len(texts), 1024):
        encodings = tokenizer.encode_batch(texts[start:start + 1024], add_special_tokens=False)
        out.extend(np.array(e.ids, dtype=np.int32) for e in encodings)
    return out


def pair_length(query, passage, max_length):
    return min(len(query) + len(passage) + 3, max_length)


def list_length(query, passages, max_length):
    return sum(pair_length(query, passage, max_length) for passage in passages)


def collate(pairs, max_length):
    """[CLS] query [SEP] passage [SEP] with token types 0 and 1. A pair that is too long loses the end of its passage;
    a query is cut only where it alone would fill the pair. Returns ids, types and mask as int64 arrays."""
    rows = []
    for query, passage in pairs:
        query = query[:max_length - 4]
        rows.append((query, passage[:max_length - 3 - len(query)]))
    width = max(len(q) + len(p) + 3 for q, p in rows)
    ids = np.full((len(rows), width), PAD, dtype=np.int64)
    types = np.zeros_like(ids)
    mask = np.zeros_like(ids)
    for row, (q, p) in enumerate(rows):
        end = len(q) + len(p) + 3
        ids[row, 0] = CLS
        ids[row, 1:1 + len(q)] = q
        ids[row, 1 + len(q)] = SEP
        ids[row, 2 + len(q):end - 1] = p
        ids[row, end - 1] = SEP
        types[row, 2 + len(q):end] = 1
        mask[row, :end] = 1
    return ids, types, mask
