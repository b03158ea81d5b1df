# %% [markdown]
# # From FlagEmbedding in two minutes
#
# Change the import, and leave the rest. The model is a folder, or a name in the local Hugging Face cache
# (`huggingface-cli download BAAI/bge-reranker-v2-m3`); nothing is downloaded, and PyTorch is not needed.

# %%
# from FlagEmbedding import FlagReranker
from rerank_cpp import FlagReranker

reranker = FlagReranker("BAAI/bge-reranker-v2-m3", use_fp16=True)  # bfloat16, where the CPU multiplies it

# %% [markdown]
# One pair gives a list of one score, a list of pairs one score each. `normalize` puts them between 0 and 1.

# %%
pairs = [
    ["what is panda?", "hi"],
    ["what is panda?", "The giant panda is a bear species endemic to China."],
]
print(reranker.compute_score(pairs[1]))
scores = reranker.compute_score(pairs, normalize=True)
print(scores)
assert len(scores) == 2 and all(0 < score < 1 for score in scores)

# %% [markdown]
# Every query with every document, and the best document of each: flatten, score once, cut the list up again. A call
# with many pairs is faster than many calls.

# %%
queries = ["what is panda?", "what makes dough rise?", "why is the sky blue?"]
documents = [
    "The giant panda is a bear species endemic to China.",
    "Yeast turns sugar into carbon dioxide, which lifts the dough.",
    "Air scatters short waves of sunlight more than long ones.",
    "Rust is iron oxide.",
]
flat = reranker.compute_score([(query, document) for query in queries for document in documents])
matrix = [flat[first : first + len(documents)] for first in range(0, len(flat), len(documents))]
for query, row in zip(queries, matrix, strict=True):
    best = max(range(len(documents)), key=row.__getitem__)
    print(f"{query}  ->  {documents[best]}")
assert len(matrix) == 3 and all(len(row) == 4 for row in matrix)

# %% [markdown]
# What PyTorch did not give: a score depends on its pair and on nothing else, bit for bit. So it may be cached, and the
# order of the pairs, the batch size and the number of threads are free.

# %%
assert reranker.compute_score(pairs[::-1]) == reranker.compute_score(pairs)[::-1]

# %% [markdown]
# LLM rerankers go the same way. `FlagAutoReranker` finds the class from the checkpoint.

# %%
from rerank_cpp import FlagAutoReranker  # noqa: E402

gemma = FlagAutoReranker.from_finetuned("BAAI/bge-reranker-v2-gemma", use_fp16=True)
print(type(gemma).__name__, gemma.compute_score(pairs))
assert type(gemma).__name__ == "FlagLLMReranker"
