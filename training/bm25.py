"""BM25 over the passages of one pool, as Lucene computes it: the lexical half of the teacher, and the first stage of the
validation lists. Words are lower-cased runs of letters and digits, without English stop words, with Snowball stems.

A score is divided by the most that its query could get from one passage, sum of idf x (k1 + 1): a share from 0 to 1 that
means the same for short and long queries, so that one weight fits all.
"""
import re

import numpy as np
import snowballstemmer

WORD = re.compile(r"[a-z0-9]+")
# Lucene's English stop words, with the question words that stand in every question.
STOP = frozenset("a an and are as at be but by for if in into is it no not of on or such that the their then there these "
                 "they this to was will with what which who whom whose when where why how did does do has have had".split())


class Words:
    """Texts to lists of stems. A word is stemmed once."""

    def __init__(self):
        self.stem = snowballstemmer.stemmer("english").stemWord
        self.known = {}

    def __call__(self, text):
        out = []
        for word in WORD.findall(text.lower()):
            if word in STOP:
                continue
            if word not in self.known:
                self.known[word] = self.stem(word)
            out.append(self.known[word])
        return out


class Index:
    def __init__(self, texts, k1=0.9, b=0.4):
        self.words, self.k1, self.size = Words(), k1, len(texts)
        postings, lengths = {}, np.zeros(len(texts), dtype=np.float32)
        for i, text in enumerate(texts):
            words = self.words(text)
            lengths[i] = len(words)
            for word in words:
                row = postings.setdefault(word, {})
                row[i] = row.get(i, 0) + 1
        norm = k1 * (1 - b + b * lengths / max(1.0, float(lengths.mean())))
        self.postings = {}
        for word, row in postings.items():
            ids = np.fromiter(row.keys(), dtype=np.int32)
            counts = np.fromiter(row.values(), dtype=np.float32)
            self.postings[word] = ids, self.idf(len(row)) * counts * (k1 + 1) / (counts + norm[ids])

    def idf(self, holders):
        return float(np.log(1 + (self.size - holders + 0.5) / (holders + 0.5)))

    def rarest(self, text, count):
        """The text's `count` rarest words but for numbers, as they stand in it, in the order of the text."""
        first = {}
        for word in WORD.findall(text.lower()):
            stems = self.words(word)
            if stems and stems[0] not in first and not word.isdigit():
                first[stems[0]] = word
        holders = {stem: len(self.postings[stem][0]) if stem in self.postings else 0 for stem in first}
        chosen = set(sorted(first, key=lambda stem: holders[stem])[:count])
        return [word for stem, word in first.items() if stem in chosen]

    def scores(self, query):
        """The share of the best possible score for every passage, as a float32 array."""
        out, best = np.zeros(self.size, dtype=np.float32), 0.0
        for word in set(self.words(query)):
            # A word that no passage holds still counts as something that is missing.
            ids, weights = self.postings.get(word, (None, None))
            best += self.idf(0 if ids is None else len(ids)) * (self.k1 + 1)
            if ids is not None:
                out[ids] += weights
        return out / best if best else out
