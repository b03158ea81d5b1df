"""Threads, signals, memory, progress, and processes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import rerank_cpp
from conftest import PAIRS
from rerank_cpp import FlagReranker, Reranker
from rerank_cpp.errors import BadInputError

MANY = [(f"query {i % 5}", f"passage {i} " + "about nothing much " * 20) for i in range(20000)]


def test_eight_threads_get_the_same_bits(embedded: Reranker) -> None:
    pairs = MANY[:8] + PAIRS
    expected = embedded.model.score(pairs, embedded.options).tobytes()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(embedded.model.score, pairs, embedded.options) for _ in range(24)]
        assert all(call.result().tobytes() == expected for call in calls)


@pytest.mark.parametrize("name", ["bge-reranker-v2-gemma", "bge-reranker-v2.5-gemma2-lightweight"])
def test_eight_threads_share_an_llm_reranker(name: str, goldens: Any) -> None:
    reranker = rerank_cpp.FlagAutoReranker.from_finetuned(str(goldens(name).folder), threads=2)
    expected = [reranker.compute_score(pair) for pair in PAIRS]
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(reranker.compute_score, PAIRS[i % 4]) for i in range(32)]
        assert [call.result() for call in calls] == expected * 8


def test_arrays_of_scores_are_the_engines_memory(embedded: Reranker) -> None:
    scores = embedded.model.score(PAIRS, embedded.options)
    assert scores.base is not None and not scores.flags.owndata
    assert scores.flags.c_contiguous and scores.flags.writeable
    kept = scores.tolist()
    del embedded  # the array keeps what it needs
    assert scores.tolist() == kept


def test_the_gil_is_given_up(embedded: Reranker) -> None:
    done = threading.Event()
    call = threading.Thread(target=lambda: (embedded.model.score(MANY[:100], embedded.options), done.set()))
    call.start()
    turns = 0
    while not done.is_set():
        turns += 1
        time.sleep(0.001)
    call.join()
    assert turns > 10


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_long_call(threads: int) -> None:
    reranker = Reranker(threads=threads)  # a call of about a minute
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        reranker.model.score(MANY, reranker.options)
    assert time.monotonic() - begin < 10
    assert reranker.score("what is a panda?", "hi") == pytest.approx(reranker.score("what is a panda?", "hi"))


def test_ctrl_c_ends_reasoning(goldens: Any) -> None:
    model = rerank_cpp.rank1(str(goldens("rank1-7b").folder), context_size=512, max_output_tokens=256)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        model.predict([(f"query {i}", "passage") for i in range(2000)])
    assert time.monotonic() - begin < 20


def test_progress_is_told_and_may_end_the_call(embedded: Reranker) -> None:
    engine = rerank_cpp.Engine(None, threads=1)
    told: list[int] = []
    scores = engine.score(MANY[:200], embedded.options, told.append)
    assert len(scores) == 200 and told == sorted(told) and told[-1] == 200

    def refuse(done: int) -> None:
        raise RuntimeError(f"enough after {done}")

    with pytest.raises(RuntimeError, match="enough after"):
        engine.score(MANY, embedded.options, refuse)


def test_bars_are_off_until_wanted(embedded: Reranker, capfd: Any) -> None:
    pytest.importorskip("tqdm")
    embedded.rank("what is a panda?", ["hi"])
    assert capfd.readouterr().err == ""
    rerank_cpp.show_progress()
    embedded.rank("what is a panda?", ["hi"])
    rerank_cpp.show_progress(False)
    assert "1/1" in capfd.readouterr().err


def test_memory_stays_flat(goldens: Any) -> None:
    reranker = FlagReranker(str(goldens("ms-marco-minilm").folder), threads=2)

    def resident() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(100):
        reranker.compute_score(PAIRS)
    before = resident()
    for _ in range(1000):
        reranker.compute_score(PAIRS)
    assert resident() - before < 4 << 20


def _score_after_fork(reranker: Reranker, answers: Any) -> None:
    try:
        reranker.score("a", "b")
    except BadInputError as error:
        answers.put(error)


@pytest.mark.filterwarnings("ignore:This process")
def test_a_fork_is_told_that_it_has_no_workers(embedded: Reranker) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_score_after_fork, args=(embedded, answers))
    child.start()
    error = answers.get()  # came through pickle
    child.join()
    assert "before the process was forked" in error.what and "spawn" in error.mend


def test_errors_keep_their_parts() -> None:
    error = BadInputError("is 3", "--max-length", "use 512")
    assert str(error) == "max_length: is 3 (use 512)"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.what, again.where, again.mend) == (BadInputError, "is 3", "max_length", "use 512")
