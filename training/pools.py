"""Pools: the passages and queries of one training source, with what the teacher knows about every pair of them.

A pool takes some queries of a source, their positives and negatives, and further passages up to a limit. It may cut long
passages into parts, and make queries of its own from passages: a sentence, whose positive is the passage without it, or rare
words, whose positive is the passage. The choice depends on the seed and the pool's name alone.
"""
import re
import zlib

import numpy as np

import bm25
import data

SENTENCE = re.compile(r"(?<=[a-z0-9)\"'][.?!]) +(?=[A-Z0-9\"(])")


def sentences(text):
    return [s for s in SENTENCE.split(text) if s]


def cut_in_parts(text, words):
    """Parts of whole sentences of about `words` words; what remains at the end joins the last part when it is short."""
    parts, current, count = [], [], 0
    for sentence in sentences(text):
        current.append(sentence)
        count += len(sentence.split())
        if count >= words:
            parts.append(" ".join(current))
            current, count = [], 0
    if current:
        if parts and count < words // 2:
            parts[-1] += " " + " ".join(current)
        else:
            parts.append(" ".join(current))
    return parts


class Pool:
    """queries, passages: texts; answers[i]: the passages that answer query i, as a set; the first one found is
    positives[i]; barred[i]: passages that may not stand beside query i, since they hold its text."""

    def __init__(self, name, options, data_dirs, seed):
        self.name = name
        rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
        source = data.find_source(data_dirs, options["source"])
        texts = [data.join_title(p) for p in data.read_lines(source + ".passages.jsonl.gz")]
        if "part_words" in options:
            # The source's pairs do not say which part answers, so such a pool has made queries only.
            texts = [part for text in texts for part in cut_in_parts(text, options["part_words"])]
            pairs = []
        else:
            pairs = data.read_lines(source + ".pairs.jsonl.gz")
        answers, given = {}, {}
        for pair in pairs:
            answers.setdefault(pair["query"], []).append(pair["positive"])
            given.setdefault(pair["query"], []).extend(pair["negatives"])
        chosen = list(answers)
        chosen = [chosen[i] for i in sorted(rng.permutation(len(chosen))[:options.get("queries", len(chosen))])]
        # The positives, then the source's own negatives, then others, up to the limit.
        wanted = dict.fromkeys(p for q in chosen for p in answers[q])
        others = dict.fromkeys([*(p for q in chosen for p in given[q]), *map(int, rng.permutation(len(texts)))])
        kept = sorted([*wanted, *[p for p in others if p not in wanted][:max(0, options["passages"] - len(wanted))]])
        number = {p: i for i, p in enumerate(kept)}
        self.passages = [texts[p] for p in kept]
        self.queries = chosen
        self.answers = [{number[p] for p in answers[q]} for q in chosen]
        self.positives = [number[answers[q][0]] for q in chosen]
        self.barred = [set(a) for a in self.answers]
        self.made = len(chosen)  # queries from here on are made ones
        self.make_queries(options.get("made", {}), rng)
        self.index = bm25.Index(self.passages)

    def make_queries(self, counts, rng):
        """Queries out of passages: a sentence, whose passage then lacks it; or two to six rare words."""
        originals = len(self.passages)
        index = bm25.Index(self.passages) if counts.get("words") else None
        order = [int(i) for i in rng.permutation(originals)]
        for kind in ("sentence", "words"):
            left = counts.get(kind, 0)
            while left and order:
                i = order.pop()
                text = self.passages[i]
                if kind == "words":
                    query = " ".join(index.rarest(text, int(rng.integers(3, 9)))[:int(rng.integers(2, 7))])
                    if not query:
                        continue
                    self.add(query, i, {i})
                else:
                    parts = sentences(text)
                    fit = [k for k, s in enumerate(parts) if 6 <= len(s.split()) <= 40]
                    if len(parts) < 3 or not fit:
                        continue
                    k = fit[int(rng.integers(len(fit)))]
                    self.passages.append(" ".join(parts[:k] + parts[k + 1:]))
                    self.add(parts[k].rstrip("."), len(self.passages) - 1, {len(self.passages) - 1, i})
                left -= 1

    def add(self, query, positive, barred):
        self.queries.append(query)
        self.positives.append(positive)
        self.answers.append({positive})
        self.barred.append(barred)

    def prepare(self, tokenizer, vectors):
        """Token ids for the student, and the encoders' unit vectors ("q", "p") of teacher.py."""
        self.query_tokens = data.tokenize(tokenizer, self.queries)
        self.passage_tokens = data.tokenize(tokenizer, self.passages)
        self.vectors = [(v["q"].astype(np.float32), v["p"].astype(np.float32)) for v in vectors]
        # A made passage is its original but for one sentence, and would stand high in other queries' lists as its double.
        self.doubles = np.zeros(len(self.passages), dtype=bool)
        for i in range(self.made, len(self.queries)):
            if len(self.barred[i]) > 1:
                self.doubles[self.positives[i]] = True
        self.known = {}

    def features(self, i):
        """What the teacher's parts say of query i and every passage: the encoders' cosines and the share of BM25."""
        if i not in self.known:
            self.known[i] = np.stack([*(p @ q[i] for q, p in self.vectors), self.index.scores(self.queries[i])])
        return self.known[i]

    def candidates(self, scores, i, depth):
        """The best `depth` passages by `scores` that may stand beside query i as its negatives, best first."""
        scores = np.where(self.doubles, -np.inf, scores)
        scores[list(self.barred[i])] = -np.inf
        top = np.argpartition(-scores, min(depth, len(scores) - 1))[:depth]
        top = top[np.argsort(-scores[top], kind="stable")]
        return [int(x) for x in top if np.isfinite(scores[x])]
