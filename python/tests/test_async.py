"""The async variants, and that nothing goes on working for a call that nobody waits for."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from conftest import PAIRS, ROOT
from rerank_cpp import CrossEncoder, FlagReranker, Reranker, rank1

MANY = [(f"query {i % 5}", f"passage {i} " + "about nothing much " * 20) for i in range(20000)]  # takes minutes
SOON_S = 10
EMBEDDED = str(ROOT / "models" / "embedded")


@pytest.fixture(scope="module")
def encoder() -> CrossEncoder:
    return CrossEncoder(EMBEDDED, threads=2)


@pytest.fixture(scope="module")
def reasoner(goldens: Any) -> rank1:
    return rank1(str(goldens("rank1-toy").folder), fp_options="float32", max_output_tokens=8)


def ends_soon(call: Callable[[], object], error: type[BaseException]) -> None:
    begin = time.monotonic()
    with pytest.raises(error):
        call()
    assert time.monotonic() - begin < SOON_S


def interrupted(call: Callable[[], object]) -> None:
    """Ctrl-C, 0.3 s after the call began, ends it."""
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    ends_soon(call, KeyboardInterrupt)
    timer.join()


def test_cross_encoder_gives_the_same(encoder: CrossEncoder) -> None:
    async def both() -> tuple[Any, Any]:
        documents = [passage for _, passage in PAIRS]
        return await asyncio.gather(
            encoder.predict_async(PAIRS, activation_fn="identity"),
            encoder.rank_async("what is a panda?", documents, top_k=2),
        )

    scores, ranked = asyncio.run(both())
    assert scores.tobytes() == encoder.predict(PAIRS, activation_fn="identity").tobytes()
    assert ranked == encoder.rank("what is a panda?", [passage for _, passage in PAIRS], top_k=2)


def test_rank1_gives_the_same(reasoner: rank1) -> None:
    async def both() -> tuple[list[float], list[Any]]:
        return await asyncio.gather(reasoner.predict_async(PAIRS[:2]), reasoner.explain_async(PAIRS[:2]))

    scores, explained = asyncio.run(both())
    assert scores == reasoner.predict(PAIRS[:2]) == [score.value for score in explained]


def test_classes_of_other_libraries_give_the_same(embedded: Reranker) -> None:
    pytest.importorskip("langchain_core")
    pytest.importorskip("llama_index.core")
    from langchain_core.documents import Document
    from llama_index.core.schema import NodeWithScore, TextNode
    from rerank_cpp.langchain import RerankCompressor
    from rerank_cpp.llama_index import RerankPostprocessor

    texts = ["Rust is iron oxide.", "Pandas eat bamboo."]
    compressor = RerankCompressor(reranker=embedded, top_n=1)
    documents = [Document(page_content=text) for text in texts]
    best = asyncio.run(compressor.acompress_documents(documents, "what do pandas eat?"))
    assert best == compressor.compress_documents(documents, "what do pandas eat?")
    postprocessor = RerankPostprocessor(reranker=embedded, top_n=1)
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in texts]
    kept = asyncio.run(postprocessor.apostprocess_nodes(nodes, query_str="what do pandas eat?"))
    assert [node.node.text for node in kept] == [texts[1]]


@pytest.mark.parametrize("make", [
    lambda encoder, embedded: encoder.predict_async(MANY),
    lambda encoder, embedded: encoder.rank_async("query", [passage for _, passage in MANY]),
    lambda encoder, embedded: embedded.rank_async("query", [passage for _, passage in MANY]),
], ids=["predict", "rank", "Reranker"])  # fmt: skip
def test_a_cancelled_call_ends(make: Any, encoder: CrossEncoder, embedded: Reranker) -> None:
    async def give_up() -> None:
        await asyncio.wait_for(make(encoder, embedded), 0.3)

    # asyncio.run() waits for the threads, so that this takes minutes where one goes on.
    ends_soon(lambda: asyncio.run(give_up()), asyncio.TimeoutError)


def test_ctrl_c_ends_an_awaited_call(encoder: CrossEncoder) -> None:
    call: Coroutine[Any, Any, Any] = encoder.predict_async(MANY)
    interrupted(lambda: asyncio.run(call))


def test_ctrl_c_ends_awaited_reasoning(goldens: Any) -> None:
    model = rank1(str(goldens("rank1-7b").folder), context_size=512, max_output_tokens=256)
    call = model.predict_async([(f"query {i}", "passage") for i in range(20000)])
    interrupted(lambda: asyncio.run(call))


def test_ctrl_c_ends_predict_and_rank(encoder: CrossEncoder) -> None:
    interrupted(lambda: encoder.predict(MANY))
    interrupted(lambda: encoder.rank("query", [passage for _, passage in MANY]))


def test_ctrl_c_ends_a_call_on_several_devices() -> None:
    model = FlagReranker(EMBEDDED, devices=["cpu", "cpu"], threads=1, max_length=192)
    interrupted(lambda: model.compute_score(MANY))
    assert len(model.compute_score(PAIRS)) == len(PAIRS)
