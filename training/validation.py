"""nDCG@10 on the held-out lists, and the calibration that these lists give."""
import numpy as np
import torch


def ndcg(scores, relevant, depth=10):
    """nDCG@10 with binary relevance. A tie goes to the irrelevant passage."""
    order = np.lexsort((relevant, -scores))
    gains = 1 / np.log2(np.arange(2, depth + 2))
    found = relevant[order][:depth]
    return float((gains[:len(found)] * found).sum() / gains[:relevant.sum()].sum())


def means(values):
    """Mean of the pools' means, so that a pool with more queries does not count more."""
    by_pool = {name: round(float(np.mean(x)), 4) for name, x in values.items()}
    return {"ndcg": round(float(np.mean(list(by_pool.values()))), 4), "by_pool": by_pool}


def baselines(lists):
    """The figures of the teacher's encoders, of BM25 and of the whole teacher, on the same lists."""
    entries = list(lists.validation())
    rows = np.concatenate([pool.features(i)[:, passages] for pool, i, passages, _ in entries], axis=1)
    named = zip([*lists.settings["encoders"], "bm25", "teacher"], [*rows, lists.weights @ rows])
    return {name: figures(entries, scores) for name, scores in named}


def token_pairs(entries):
    return [(pool.query_tokens[i], pool.passage_tokens[x]) for pool, i, passages, _ in entries for x in passages]


def figures(entries, scores):
    values, start = {}, 0
    for pool, i, passages, relevant in entries:
        values.setdefault(pool.name, []).append(ndcg(scores[start:start + len(passages)], relevant))
        start += len(passages)
    return means(values)


def measure(lists, score):
    """The figures of score(token pairs), and the scores of all pairs."""
    entries = list(lists.validation())
    scores = score(token_pairs(entries))
    return figures(entries, scores), scores


def calibrate(lists, scores):
    """(scale, offset) for which sigmoid(scale x score + offset) gives the labels of the pools that the settings name the
    greatest likelihood. The scale is fitted by its logarithm: a negative one would turn the order round."""
    entries = list(lists.validation())
    labels = np.concatenate([relevant for _, _, _, relevant in entries])
    named = np.concatenate([np.full(len(passages), pool.name in lists.settings["calibrated_on"])
                            for pool, _, passages, _ in entries])
    scores, labels = scores[named], labels[named]
    x, y = torch.from_numpy(scores).double(), torch.from_numpy(labels).double()
    line = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(line[0].exp() * x + line[1], y)
        value.backward()
        return value

    optimizer.step(loss)
    return float(line[0].detach().exp()), float(line[1].detach())
