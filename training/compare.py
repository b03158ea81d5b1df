"""Prints the tables of docs/embedded-model.md: a model beside BM25 and the base model's cosine, query by query.

Reads COLLECTION.model.trec and COLLECTION.cosine.trec (a / in a name is written as -), as evaluate.py --runs and
`rerank run` write them, and the collections; without a run of the cosine its columns hold "-". --depth says how many of
BM25's passages were reranked; BM25 is cut there too. --limit takes the first N queries of each collection. --failures N
adds the N queries of each collection that lose most nDCG@10 by the model. --sums adds what sums of the scores reach, each first brought
to mean 0 and standard deviation 1 among a query's passages.

Example:
  python compare.py --runs runs --collections xquad/en cranfield scifact --failures 4
"""
import argparse
import os

import ir_measures
import numpy as np

from evaluate import MEASURE, Collection

SAME = 1e-9
SUMS = (("model",), ("model", "BM25"), ("model", "cosine"), ("model", "cosine", "BM25"), ("cosine", "BM25"))


def read_run(path, queries):
    run = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            query, _, passage, _, score, _ = line.split()
            if query in queries:
                run.setdefault(query, {})[passage] = float(score)
    return run


def by_query(collection, run):
    """nDCG@10 of every judged query; a query without a ranking has 0."""
    found = {x.query_id: x.value for x in ir_measures.iter_calc([MEASURE], collection.qrels, run)}
    return {query: found.get(query, 0.0) for query in collection.qrels}


def mean(values):
    return sum(values.values()) / len(values)


def differences(values, others):
    """How many queries `values` ranks better, alike and worse than `others`."""
    better = sum(values[q] > others[q] + SAME for q in values)
    worse = sum(values[q] < others[q] - SAME for q in values)
    return f"{better} / {len(values) - better - worse} / {worse}"


def best(run, query):
    """The passage that a run puts first; ties as ir_measures takes them do not matter to a reader."""
    return max(run[query].items(), key=lambda entry: entry[1])[0]


def position(run, query, passage):
    ranked = sorted(run.get(query, {}), key=lambda p: -run[query][p])
    return str(ranked.index(passage) + 1) if passage in ranked else "-"


def failures(collection, bm25, model, values, others, count):
    """Rows of the queries that lose most: what the model puts first, and where the best placed relevant passage stood."""
    lost = sorted((q for q in values if values[q] < others[q] - SAME), key=lambda q: values[q] - others[q])
    for query in lost[:count]:
        relevant = [p for p, grade in collection.qrels[query].items() if grade > 0 and p in bm25.get(query, {})]
        if not relevant:
            continue
        passage = min(relevant, key=lambda p: int(position(bm25, query, p)))
        yield (f"| {query} | {others[query]:.3f} | {values[query]:.3f} | {passage} | {position(bm25, query, passage)} | "
               f"{position(model, query, passage)} | {best(model, query)} |")


def scaled(run):
    """The run with each query's scores at mean 0 and standard deviation 1."""
    out = {}
    for query, passages in run.items():
        values = np.array(list(passages.values()))
        out[query] = dict(zip(passages, (values - values.mean()) / (values.std() + SAME)))
    return out


def add(runs):
    return {query: {p: sum(run[query][p] for run in runs) for p in passages} for query, passages in runs[0].items()}


def main(argv=None):
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", required=True, help="folder of the runs")
    parser.add_argument("--data", default=os.path.join(here, "../../shared/data"), help="folder of the collections")
    parser.add_argument("--collections", nargs="+", default=["xquad/en", "cranfield", "scifact"])
    parser.add_argument("--depth", type=int, default=100, help="passages a query that were reranked (100)")
    parser.add_argument("--limit", type=int, help="take the first N queries only")
    parser.add_argument("--failures", type=int, default=0, help="queries a collection to show")
    parser.add_argument("--sums", action="store_true", help="rank by sums of the scores, too")
    args = parser.parse_args(argv)
    print("| collection | queries | BM25 | base model's cosine | model | against BM25 | against the cosine |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    worst, sums = [], {}
    for name in args.collections:
        collection = Collection(os.path.join(args.data, name), args.depth, args.limit)
        stem = os.path.join(args.runs, name.replace("/", "-"))
        model = read_run(f"{stem}.model.trec", collection.queries)
        bm25, ours = by_query(collection, collection.run), by_query(collection, model)
        beside, runs = ("-", "-"), {"model": model, "BM25": collection.run}
        if os.path.exists(f"{stem}.cosine.trec"):
            runs["cosine"] = read_run(f"{stem}.cosine.trec", collection.queries)
            cosine = by_query(collection, runs["cosine"])
            beside = (f"{mean(cosine):.3f}", differences(ours, cosine))
        print(f"| {name} | {len(collection.qrels)} | {mean(bm25):.3f} | {beside[0]} | {mean(ours):.3f} | "
              f"{differences(ours, bm25)} | {beside[1]} |")
        if args.sums:
            parts = {part: scaled(run) for part, run in runs.items()}
            sums[name] = [mean(by_query(collection, add([parts[part] for part in names]))) if set(names) <= set(parts) else np.nan
                          for names in SUMS]
        worst.append((name, list(failures(collection, collection.run, model, ours, bm25, args.failures))))
    if sums:
        print("\n| ranking | " + " | ".join(sums) + " | mean |\n| --- |" + " --- |" * (1 + len(sums)))
        for names, values in zip(SUMS, zip(*sums.values())):
            print(f"| {' + '.join(names)} | " + " | ".join(f"{value:.3f}" for value in [*values, np.mean(values)]) + " |")
    for name, rows in worst:
        if not rows:
            continue
        print(f"\n{name}\n\n| query | BM25 | model | a relevant passage | its rank by BM25 | by the model | the model's first |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        print("\n".join(rows))


if __name__ == "__main__":
    main()
