"""A user's program, which `mypy --strict` has to accept. Types are asserted where the library promises them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rerank_cpp import (
    CrossEncoder,
    Engine,
    FlagAutoReranker,
    FlagReranker,
    LightWeightFlagLLMReranker,
    RankedResults,
    Reranker,
    RerankError,
    ScoreOptions,
    rank1,
    show_progress,
)
from rerank_cpp.jobs import Job, Worker


def rerank_with_flag(folder: str, pairs: list[tuple[str, str]]) -> float:
    reranker = FlagReranker(folder, use_fp16=True, devices=["cpu"], normalize=True)
    scores = reranker.compute_score(pairs, max_length=256)
    first = scores[0]
    return first if isinstance(first, float) else float(np.mean(first))


def rerank_by_name(folder: str) -> int:
    chosen = FlagAutoReranker.from_finetuned(folder, use_fp16=False)
    light = LightWeightFlagLLMReranker(folder, cutoff_layers=[28], compress_ratio=2, compress_layers=[24, 40])
    return len(chosen.compute_score(["query", "passage"])) + len(light.compute_score([["query", "passage"]]))


def rerank_like_sentence_transformers(folder: str, query: str, passages: Sequence[str]) -> list[int]:
    model = CrossEncoder(folder, max_length=512, activation_fn="sigmoid")
    return [row["corpus_id"] for row in model.rank(query, passages, top_k=3, return_documents=True)]


def rerank_anything(query: str, passages: list[str]) -> tuple[str, float | None]:
    show_progress(False)
    try:
        ranked: RankedResults = Reranker(normalize=True).rank(query, passages)
    except RerankError as error:
        return error.what, None
    best = ranked.top_k(1)[0]
    return best.document.text, best.score


def score_with_the_engine(pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
    engine = Engine(None, dtype="f32", threads=2)
    options = ScoreOptions()
    options.max_length = 256
    options.truncation = "card"
    details = engine.score_details(pairs, options)
    assert all(detail.tokens > 0 and detail.reasoning == "" for detail in details)
    return engine.score(pairs, options, progress=print)


async def rerank_in_a_service(folder: str, query: str, passages: list[str]) -> int:
    ranked = await Reranker(folder).rank_async(query, passages)
    rows = await CrossEncoder(folder).rank_async(query, passages, top_k=1)
    scores: list[float] = await rank1(folder).predict_async([(query, passage) for passage in passages])
    return len(ranked) + len(rows) + len(scores)


def rerank_on_many_machines(folder: str) -> int:
    job = Job.create(folder, dataset="scifact", run="bm25.trec", options={"max_length": 256})
    worker = Worker(job, threads=4)
    pairs: int = sum(worker.rerank(part) for part in job.open_parts())
    return pairs + job.collect("reranked.trec")


def reason(folder: str) -> list[float]:
    return rank1(model_name_or_path=folder, num_gpus=1, device="cuda").predict([("query", "passage")])
