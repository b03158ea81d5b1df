# %% [markdown]
# # Reranking a pandas frame
#
# A frame with a row for each candidate of each query, as a search engine's log or a first stage leaves it. `Reranker()`
# without a name is the small English model inside the package.

# %%
import json
from pathlib import Path

import pandas as pd
from rerank_cpp import Reranker

examples = Path("examples/collection")  # run from the root of the repository


def read_jsonl(path: Path) -> pd.DataFrame:
    return pd.DataFrame([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])


run = pd.read_csv(examples / "bm25.trec", sep=" ", names=["query_id", "q0", "passage_id", "rank", "bm25", "tag"])
queries = read_jsonl(examples / "queries.jsonl").rename(columns={"_id": "query_id", "text": "query"})
corpus = read_jsonl(examples / "corpus.jsonl").rename(columns={"_id": "passage_id"})
corpus["passage"] = corpus["title"] + " " + corpus["text"]
frame = run[run["rank"] <= 10].merge(queries, on="query_id").merge(corpus[["passage_id", "passage"]], on="passage_id")
print(frame[["query", "passage", "bm25"]].head())

# %% [markdown]
# One call scores all rows: the engine fills its batches across queries. The columns go in as they are.

# %%
ranker = Reranker(normalize=True)
frame["score"] = ranker.model.score(frame[["query", "passage"]].to_numpy(), ranker.options)
assert frame["score"].between(0, 1).all() and len(frame) == 80

# %% [markdown]
# The best passage of each query, before and after:

# %%
before = frame.loc[frame.groupby("query_id")["bm25"].idxmax()].set_index("query_id")
after = frame.loc[frame.groupby("query_id")["score"].idxmax()].set_index("query_id")
print(pd.DataFrame({"query": after["query"], "BM25": before["passage_id"], "reranked": after["passage_id"]}))

# %% [markdown]
# Judged by the collection's own judgements:

# %%
qrels = pd.read_csv(examples / "qrels" / "test.tsv", sep="\t", names=["query_id", "passage_id", "grade"], header=0)
relevant = set(zip(qrels["query_id"], qrels["passage_id"], strict=True))
hits = {
    name: sum((query_id, row["passage_id"]) in relevant for query_id, row in best.iterrows())
    for name, best in (("BM25", before), ("reranked", after))
}
print("relevant passages on the first rank of 8 queries:", hits)
assert hits["reranked"] >= hits["BM25"]

# %% [markdown]
# Ranks within each query, and the frame in their order:

# %%
frame["rank"] = frame.groupby("query_id")["score"].rank(ascending=False, method="first").astype(int)
frame = frame.sort_values(["query_id", "rank"])
assert frame.groupby("query_id")["rank"].apply(lambda ranks: ranks.tolist() == list(range(1, 11))).all()
