"""Reranks the first 100 of each query's BM25 run and prints nDCG@10 beside BM25's own and the base model's cosine.

The model is a BertForSequenceClassification with one label. Passages are "title text", pairs are cut to 512 tokens.
--limit takes the first N queries of each collection, and all three columns then speak of these N. --runs keeps the rankings as
TREC runs, FOLDER/COLLECTION.cosine.trec and FOLDER/COLLECTION.model.trec, where a / in the collection's name is written as -.

Example:
  python evaluate.py --model ../models/embedded --base base/model
  python evaluate.py --model ../models/embedded --collections scifact --limit 100
"""
import argparse
import collections
import json
import os
import time

import ir_measures
import numpy as np
import torch

import data
import teacher

MEASURE = ir_measures.nDCG @ 10


class Collection:
    def __init__(self, folder, depth, limit):
        self.passages = {x["_id"]: data.join_title(x) for x in data.read_lines(os.path.join(folder, "corpus.jsonl"))}
        self.queries = {x["_id"]: x["text"] for x in data.read_lines(os.path.join(folder, "queries.jsonl"))}
        if limit:
            self.queries = dict(list(self.queries.items())[:limit])
        self.qrels = collections.defaultdict(dict)
        with open(os.path.join(folder, "qrels", "test.tsv"), encoding="utf-8") as file:
            next(file)
            for line in file:
                query, passage, score = line.split("\t")
                if query in self.queries:
                    self.qrels[query][passage] = int(score)
        self.run = collections.defaultdict(dict)
        with open(os.path.join(folder, "run.bm25.txt"), encoding="utf-8") as file:
            for line in file:
                query, _, passage, rank, score, _ = line.split()
                if query in self.queries and int(rank) <= depth:
                    self.run[query][passage] = float(score)

    def ndcg(self, run):
        return ir_measures.calc_aggregate([MEASURE], self.qrels, run)[MEASURE]

    def rerank(self, score):
        """The run with the scores of score(list of (query id, passage id)), which answers with an array."""
        pairs = [(q, p) for q, passages in self.run.items() for p in passages]
        run = collections.defaultdict(dict)
        for (q, p), value in zip(pairs, score(pairs)):
            run[q][p] = float(value)
        return run


def write_run(path, run, tag):
    """A TREC run, best first; Python writes scores so that they read back as the same numbers."""
    with open(path, "w", encoding="utf-8") as file:
        for query, passages in run.items():
            best_first = sorted(passages.items(), key=lambda entry: -entry[1])
            file.writelines(f"{query} Q0 {p} {rank} {score} {tag}\n" for rank, (p, score) in enumerate(best_first, 1))


def cross_scores(model, tokenizer, collection, max_length, batch_tokens):
    def score(pairs):
        queries = dict(zip(collection.queries, data.tokenize(tokenizer, list(collection.queries.values()))))
        needed = sorted({p for _, p in pairs})
        passages = dict(zip(needed, data.tokenize(tokenizer, [collection.passages[p] for p in needed])))
        tokens = [(queries[q], passages[p]) for q, p in pairs]
        order = sorted(range(len(tokens)), key=lambda k: -data.pair_length(*tokens[k], max_length))
        out = np.zeros(len(tokens), dtype=np.float32)
        start = 0
        while start < len(order):
            width = data.pair_length(*tokens[order[start]], max_length)
            chunk = order[start:start + max(1, batch_tokens // width)]
            start += len(chunk)
            ids, types, mask = (torch.from_numpy(x) for x in data.collate([tokens[k] for k in chunk], max_length))
            with torch.inference_mode():
                pooled = model.bert(input_ids=ids, token_type_ids=types, attention_mask=mask).pooler_output
                # bf16 scores would tie, so the head is computed in float32.
                head = model.classifier
                out[chunk] = torch.nn.functional.linear(pooled.float(), head.weight.float(), head.bias.float())[:, 0]
        return out
    return score


def cosine_scores(encoder, collection, max_tokens, batch_tokens):
    def score(pairs):
        needed = sorted({p for _, p in pairs})
        texts = [collection.passages[p] for p in needed]
        p_vectors = dict(zip(needed, encoder.embed(texts, max_tokens, batch_tokens)))
        q_vectors = dict(zip(collection.queries, encoder.embed(list(collection.queries.values()), max_tokens, batch_tokens)))
        return [float(q_vectors[q].astype(np.float32) @ p_vectors[p].astype(np.float32)) for q, p in pairs]
    return score


def main(argv=None):
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder of the reranker")
    parser.add_argument("--base", help="folder of the base model, for the cosine column")
    parser.add_argument("--data", default=os.path.join(here, "../../shared/data"), help="folder of the collections")
    parser.add_argument("--collections", nargs="+", default=["scifact", "cranfield", "xquad/en"])
    parser.add_argument("--depth", type=int, default=100, help="passages a query that are reranked (100)")
    parser.add_argument("--limit", type=int, help="take the first N queries only")
    parser.add_argument("--max-length", type=int, default=512, help="tokens a pair (512)")
    parser.add_argument("--base-max-length", type=int, default=256, help="tokens a text for the cosine (256)")
    parser.add_argument("--runs", help="folder that the rankings are written to")
    parser.add_argument("--float32", action="store_true", help="compute in float32, slowly, instead of bf16")
    parser.add_argument("--batch-tokens", type=int, default=2048, help="tokens a batch (2048 stay in the cache)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(args.threads)
    tokenizer = data.load_tokenizer(args.model) if args.model else None
    model = base = None
    dtype = torch.float32 if args.float32 else torch.bfloat16
    if args.model:
        model = AutoModelForSequenceClassification.from_pretrained(args.model, dtype=dtype).eval()
    if args.base:
        base = teacher.Encoder(args.base, dtype)
    if args.runs:
        os.makedirs(args.runs, exist_ok=True)
    rows = []
    for name in args.collections:
        begin = time.time()
        collection = Collection(os.path.join(args.data, name), args.depth, args.limit)
        row = {"bm25": collection.ndcg(collection.run)}

        def measure(column, tag, score):
            run = collection.rerank(score)
            row[column] = collection.ndcg(run)
            if args.runs:
                write_run(os.path.join(args.runs, f"{name.replace('/', '-')}.{tag}.trec"), run, tag)

        if base:
            score = cosine_scores(base, collection, args.base_max_length, args.batch_tokens)
            measure("base_cosine", "cosine", score)
        if model:
            score = cross_scores(model, tokenizer, collection, args.max_length, args.batch_tokens)
            measure("model", "model", score)
        rows.append(row)
        figures = {key: round(value, 4) for key, value in row.items()}
        print(json.dumps({"collection": name, "queries": len(collection.queries), **figures,
                          "seconds": round(time.time() - begin, 1)}), flush=True)
    if len(rows) > 1:
        print(json.dumps({"collection": "mean", **{key: round(float(np.mean([r[key] for r in rows])), 4)
                                                   for key in rows[0]}}), flush=True)


if __name__ == "__main__":
    main()
