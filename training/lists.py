"""The pools with their teacher and the validation lists; and the schedule of one run: which queries a step takes, and which
passages stand beside each."""
import os
import zlib

import numpy as np

import data
import pools
import teacher


class Lists:
    def __init__(self, settings, data_dirs, base, encoders, work):
        """encoders: folder of the teacher's encoders, each a folder of the name that the settings give it."""
        self.settings = settings
        tokenizer = data.load_tokenizer(base)
        made = [pools.Pool(name, options, data_dirs, settings["pool_seed"]) for name, options in settings["pools"].items()]
        named = settings["encoders"]
        for name, options in named.items():
            teacher.embed_pools(os.path.join(encoders, name), options, made, settings, os.path.join(work, "teacher", name))
        for pool in made:
            pool.prepare(tokenizer, [np.load(os.path.join(work, "teacher", name, pool.name + ".npz")) for name in named])
        self.weights = np.array([*(options["weight"] for options in named.values()), settings["bm25_weight"]], np.float32)
        self.pools = {pool.name: pool for pool in made}
        self.held_out = {}
        for name, count in settings["validation"].items():
            # Its own stream: the same queries are held out whatever else the settings say.
            stream = np.random.default_rng((settings["validation_seed"], zlib.crc32(name.encode())))
            self.held_out[name] = [int(i) for i in stream.permutation(self.pools[name].made)[:count]]
        # Two pools may share a query, and none that is held out may be trained on anywhere.
        secret = {self.pools[name].queries[i] for name, chosen in self.held_out.items() for i in chosen}
        self.trained = {}
        for phase in settings["phases"]:
            for name in phase["mixture"]:
                pool = self.pools[name]
                self.trained[name] = [i for i in range(len(pool.queries)) if pool.queries[i] not in secret]

    def teach(self, pool, i, passages):
        """The teacher's scores of the passages."""
        return self.weights @ pool.features(i)[:, passages]

    def validation(self):
        """Yields (pool name, query, passages, which of them are relevant): BM25's best and all relevant ones."""
        for name, chosen in self.held_out.items():
            pool = self.pools[name]
            for i in chosen:
                lexical = pool.features(i)[-1]
                passages = [*sorted(pool.answers[i]), *pool.candidates(lexical, i, self.settings["validation_depth"])]
                yield pool, i, passages, np.arange(len(passages)) < len(pool.answers[i])


class Schedule:
    """The order of queries, and the choice of passages, of a run. Both depend on its seed alone."""

    def __init__(self, lists, seed):
        self.lists, self.settings, self.seed = lists, lists.settings, seed
        self.plans = [self.plan(number) for number in range(len(self.settings["phases"]))]

    def plan(self, number):
        """All queries of a phase in their order: (pool, query)."""
        phase = self.settings["phases"][number]
        rng = np.random.default_rng((self.seed, 1, number))
        total, weight = phase["steps"] * phase["queries_per_step"], sum(phase["mixture"].values())
        out = []
        for name, share in phase["mixture"].items():
            count, queries = int(np.ceil(total * share / weight)), self.lists.trained[name]
            while count > 0:
                out += [(name, queries[k]) for k in rng.permutation(len(queries))[:count]]
                count -= len(queries)
        return [out[k] for k in rng.permutation(len(out))[:total]]

    def step(self, step):
        """The lists of one step, [(query tokens, [passage tokens], teacher's scores)], positive first; and the longest pair."""
        settings, first = self.settings, 0
        for number, phase in enumerate(settings["phases"]):
            if step < first + phase["steps"]:
                break
            first += phase["steps"]
        rng = np.random.default_rng((self.seed, 2, step))
        size = phase["queries_per_step"]
        known = self.lists.pools
        chosen = [(known[name], i, self.choose(known[name], i, phase, rng))
                  for name, i in self.plans[number][(step - first) * size:(step - first + 1) * size]]
        out = []
        for pool, i, passages in chosen:
            query, tokens = pool.query_tokens[i], [pool.passage_tokens[x] for x in passages]
            if rng.random() < phase["joined"]:
                tokens = [self.join(pool, i, x, phase["max_length"] - len(query) - 3, rng) for x in passages]
            out.append((query, tokens, self.lists.teach(pool, i, passages)))
        return out, phase["max_length"]

    def choose(self, pool, i, phase, rng):
        """The positive and its negatives."""
        features = pool.features(i)
        lexical, near = features[-1], self.lists.weights[:-1] @ features[:-1]
        chosen = []
        # Hard for one part of the teacher, for the other, and neither hard nor far.
        for values, (begin, end), count in ((lexical, (0, 20), phase["negatives_lexical"]),
                                            (near, (0, 20), phase["negatives_near"]),
                                            (near, (20, 100), phase["negatives_middle"])):
            found = [x for x in pool.candidates(values, i, end)[begin:] if x not in chosen]
            chosen += [found[k] for k in rng.permutation(len(found))[:count]]
        # Random passages fill the list, so that every query has the same number.
        length = 1 + sum(phase[key] for key in phase if key.startswith("negatives_"))
        while len(chosen) < length - 1:
            x = int(rng.integers(len(pool.passages)))
            if x not in chosen and x not in pool.barred[i]:
                chosen.append(x)
        return [pool.positives[i]] + chosen

    def join(self, pool, i, x, room, rng):
        """Tokens of passage x between random others of its pool, so that what matters may stand anywhere in a long text.
        The others are hardly ever nearer to the query, so that the teacher's score of x is that of the whole."""
        parts, size = [x], len(pool.passage_tokens[x])
        goal = int(rng.integers(room // 2, room + 1))
        for _ in range(12):
            y = int(rng.integers(len(pool.passages)))
            if y in pool.barred[i] or y in parts or size + len(pool.passage_tokens[y]) > goal:
                continue
            parts.insert(0 if rng.random() < 0.5 else len(parts), y)
            size += len(pool.passage_tokens[y])
        return np.concatenate([pool.passage_tokens[y] for y in parts])
