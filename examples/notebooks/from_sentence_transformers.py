# %% [markdown]
# # From sentence-transformers
#
# `CrossEncoder` takes the same arguments and returns the same types. The activation is the one that the checkpoint's
# config names, else the sigmoid, as there.

# %%
# from sentence_transformers import CrossEncoder
from rerank_cpp import CrossEncoder

model = CrossEncoder("cross-encoder/ms-marco-MiniLM-L6-v2", max_length=512)

# %%
query = "how many people live in Berlin?"
passages = [
    "Berlin has 3.5 million registered inhabitants in an area of 891 square kilometres.",
    "New York is famous for the Metropolitan Museum of Art.",
    "The population of Berlin grew by 40,000 in one year.",
]
scores = model.predict([(query, passage) for passage in passages])
print(scores)
assert scores.shape == (3,) and scores.dtype == "float32"

# %% [markdown]
# `rank` sorts, and hands the texts back where they are wanted.

# %%
for row in model.rank(query, passages, top_k=2, return_documents=True):
    print(f"{row['score']:8.3f}  {row['text']}")
best = model.rank(query, passages)[0]
assert best["score"] == scores.max() and scores[best["corpus_id"]] == best["score"]

# %% [markdown]
# Logits, or a function of your own:

# %%
logits = model.predict([(query, passage) for passage in passages], activation_fn="identity")
halves = model.predict([(query, passage) for passage in passages], activation_fn=lambda logits: logits / 2)
assert (halves == logits / 2).all()

# %% [markdown]
# In a service, `await` it: the event loop goes on, and a request that is cancelled stops its work.

# %%
import asyncio  # noqa: E402


async def answer() -> list[dict[str, object]]:
    return await model.rank_async(query, passages, top_k=1)


print(asyncio.run(answer()))
assert asyncio.run(answer())[0]["corpus_id"] == best["corpus_id"]
