#!/usr/bin/env python3
"""CrossEncoder of the real sentence-transformers package and ours: the same calls, and the same mistakes.

    python/tests/compare_sentence_transformers.py [--shared FOLDER]

Needs sentence-transformers and rerank_cpp in one environment; exits with 77 where one of them, or the golden data, is
missing. Both run in float32 on the CPU. Results have to be of the same types and shapes, and scores equal to 1e-4;
where sentence-transformers raises, ours has to raise an exception of that type, too.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from compare_flagembedding import HERE, PAIRS, skip

CHECKPOINTS = ("ms-marco-minilm", "bge-reranker-base")
QUERY = PAIRS[0][0]
DOCUMENTS = ["hi", "The giant panda is a bear species endemic to China.", "hi", "", "Rust is iron oxide. " * 200]
PROMPTS = {"prompts": {"web": "web query: "}, "default_prompt_name": "web"}

# (what it is, arguments of the constructor, the call)
CALLS: list[tuple[str, dict[str, Any], Callable[[Any], Any]]] = [
    ("pairs", {}, lambda m: m.predict([(QUERY, document) for document in DOCUMENTS])),
    ("an array of pairs", {}, lambda m: m.predict(np.array(PAIRS))),
    ("one pair", {}, lambda m: m.predict(PAIRS[1])),
    ("one pair as an array", {}, lambda m: m.predict(np.array(PAIRS[1]))),
    ("no pairs", {}, lambda m: m.predict([])),
    ("a tensor", {}, lambda m: m.predict(PAIRS, convert_to_tensor=True)),
    ("softmax", {}, lambda m: m.predict(PAIRS, apply_softmax=True)),
    ("max_length", {"max_length": 16}, lambda m: m.predict([(QUERY, document) for document in DOCUMENTS])),
    ("a prompt", {}, lambda m: m.predict(PAIRS, prompt="web query: ")),
    ("the default prompt", PROMPTS, lambda m: m.predict(PAIRS)),
    ("a prompt by its name", {"prompts": {"web": "q: "}}, lambda m: m.predict(PAIRS, prompt_name="web")),
    ("ranks", {}, lambda m: m.rank(QUERY, DOCUMENTS)),
    ("the best two with texts", {}, lambda m: m.rank(QUERY, DOCUMENTS, top_k=2, return_documents=True)),
    ("old names", {}, lambda m: m.predict(sentences=PAIRS, num_workers=1)),
    ("batch_size 0", {}, lambda m: m.predict(PAIRS, batch_size=0)),
    ("no such prompt", {}, lambda m: m.predict(PAIRS, prompt_name="web")),
    ("no such default prompt", {"default_prompt_name": "web"}, lambda m: m.predict(PAIRS)),
    ("no such argument", {"colour": "red"}, lambda m: m.predict(PAIRS)),
    ("a number for a text", {}, lambda m: m.predict([(QUERY, 5)])),
    ("None for a text", {}, lambda m: m.predict([(QUERY, None)])),
]


def result_of(module: Any, folder: pathlib.Path, init: dict[str, Any], call: Callable[[Any], Any]) -> Any:
    try:
        return call(module.CrossEncoder(str(folder), device="cpu", **init))
    except Exception as error:
        return error


def scores_of(result: Any) -> Any:
    return np.array([row["score"] for row in result] if isinstance(result, list) else result, dtype=float)


def form_of(result: Any) -> Any:
    """Types, shapes and everything but the scores."""
    if isinstance(result, list):
        return [{name: type(value) if name == "score" else value for name, value in row.items()} for row in result]
    return type(result), str(result.dtype), tuple(result.shape)


def differs(ours: Any, theirs: Any) -> str:
    """What differs; empty: nothing that counts."""
    if isinstance(theirs, Exception):
        return "" if isinstance(ours, type(theirs)) else f"{ours!r} beside {theirs!r}"
    if isinstance(ours, Exception):
        return f"{ours!r} beside a result"
    if len(np.shape(theirs)) == 1 and len(theirs) == 0:  # of no pairs, an array of another precision
        return "" if len(ours) == 0 else f"{ours!r} beside nothing"
    if form_of(ours) != form_of(theirs):
        return f"{form_of(ours)} beside {form_of(theirs)}"
    apart = np.abs(scores_of(ours) - scores_of(theirs)).max()
    return "" if apart < 1e-4 else f"{apart:.1e} apart"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=pathlib.Path, default=HERE.parents[2] / "shared")
    arguments = parser.parse_args()
    try:
        import rerank_cpp
        import sentence_transformers
    except ImportError as error:
        skip(str(error))
    warnings.simplefilter("ignore")
    wrong = 0
    for name in CHECKPOINTS:
        folder = arguments.shared / "golden" / name
        if not (folder / "golden.json").is_file():
            skip(f"no golden checkpoint {name} below {arguments.shared}")
        for what, init, call in CALLS:
            difference = differs(
                *(result_of(module, folder, init, call) for module in (rerank_cpp, sentence_transformers))
            )
            wrong += bool(difference)
            print(json.dumps({"checkpoint": name, "call": what, "differs": difference}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
