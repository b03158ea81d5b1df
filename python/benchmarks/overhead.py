#!/usr/bin/env python3
"""What Python costs: importing the package, and a call of one pair above the engine's own work.

    python/benchmarks/overhead.py [--model FOLDER] [--calls 2000]

The cost of a call has two parts, each timed alone: the Python class (compute_score over a model that answers at once),
and the binding (a call of the engine with no pairs). Prints medians of five rounds, one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import rerank_cpp
from rerank_cpp._flag import AbsReranker

PAIR = ("what is a panda?", "The giant panda is a bear species endemic to China.")
ROUNDS = 5


def microseconds(call: Callable[[], Any], calls: int) -> float:
    """The median over the rounds of the mean time of a call."""
    means = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        means.append((time.perf_counter() - begin) / calls * 1e6)
    return statistics.median(means)


def import_milliseconds() -> float:
    """The median time of `import rerank_cpp` in fresh processes, without the start of Python."""
    script = "import time; begin = time.perf_counter(); import rerank_cpp; print((time.perf_counter() - begin) * 1e3)"
    times = [
        float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
        for _ in range(2 * ROUNDS + 1)
    ]
    return statistics.median(times)


class InstantModel:
    """Stands in for a loaded model: the same call, and no work."""

    def __init__(self, scores: Any) -> None:
        self.devices = ["cpu"]
        self._scores = scores

    def score(self, pairs: Any, options: Any) -> Any:
        return self._scores

    def warn(self, options: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="a model folder; default: the embedded model")
    parser.add_argument("--calls", type=int, default=2000)
    arguments = parser.parse_args()
    reranker: Any = AbsReranker.__new__(rerank_cpp.FlagReranker)
    engine = rerank_cpp.Engine(arguments.model, dtype="f32", threads=1)
    options = rerank_cpp.ScoreOptions()
    vars(reranker).update(
        query_instruction_for_rerank=None, query_instruction_format="{}{}", passage_instruction_for_rerank=None,
        passage_instruction_format="{}{}", batch_size=128, query_max_length=None, max_length=512, normalize=False,
        _last_options=None, target_devices=["cpu"], model=InstantModel(engine.score([PAIR], options)),
    )  # fmt: skip
    python = microseconds(lambda: reranker.compute_score(PAIR), arguments.calls)
    binding = microseconds(lambda: engine.score([], options), arguments.calls)
    whole = microseconds(lambda: engine.score([PAIR], options), max(20, arguments.calls // 50))
    figures = {
        "import_ms": import_milliseconds(),
        "python_us": python,
        "binding_us": binding,
        "overhead_us": python + binding,
        "one_pair_us": whole,
    }
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
