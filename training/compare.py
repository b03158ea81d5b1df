"""Prints the tables of docs/embedded-model.md: a model beside BM25 and the base model's cosine, query by query.

Reads COLLECTION.model.trec and COLLECTION.cosine.trec (a / in a name is written as -), as evaluate.py --runs and
`rerank run` write them, and the collections; without a run of the cosine its columns hold "-". --depth says how many of
BM25's passages were reranked; BM25 is cut there too. --limit takes the first N queries of each collection. --failures N
adds the N queries of each collection that lose most nDCG@10 by the model.

Example:
  python compare.py --runs runs --collections xquad/en cranfield scifact --failures 4
"""
import argparse
import os

import ir_measures

from evaluate import MEASURE, Collection

SAME = 1e-9


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


def main(argv=None):
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", required=True, help="folder of the runs")
    parser.add_argument("--data", default=os.path.join(here, "../../shared/data"), help="folder of the collections")
    parser.add_argument("--collections", nargs="+", default=["xquad/en", "cranfield", "scifact"])
    parser.add_argument("--depth", type=int, default=100, help="passages a query that were reranked (100)")
    parser.add_argument("--limit", type=int, help="take the first N queries only")
    parser.add_argument("--failures", type=int, default=0, help="queries a collection to show")
    args = parser.parse_args(argv)
    print("| collection | queries | BM25 | base model's cosine | model | against BM25 | against the cosine |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    worst = []
    for name in args.collections:
        collection = Collection(os.path.join(args.data, name), args.depth, args.limit)
        stem = os.path.join(args.runs, name.replace("/", "-"))
        model = read_run(f"{stem}.model.trec", collection.queries)
        bm25, ours = by_query(collection, collection.run), by_query(collection, model)
        beside = ("-", "-")
        if os.path.exists(f"{stem}.cosine.trec"):
            cosine = by_query(collection, read_run(f"{stem}.cosine.trec", collection.queries))
            beside = (f"{mean(cosine):.3f}", differences(ours, cosine))
        print(f"| {name} | {len(collection.qrels)} | {mean(bm25):.3f} | {beside[0]} | {mean(ours):.3f} | "
              f"{differences(ours, bm25)} | {beside[1]} |")
        worst.append((name, list(failures(collection, collection.run, model, ours, bm25, args.failures))))
    for name, rows in worst:
        if not rows:
            continue
        print(f"\n{name}\n\n| query | BM25 | model | a relevant passage | its rank by BM25 | by the model | the model's first |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        print("\n".join(rows))


if __name__ == "__main__":
    main()
