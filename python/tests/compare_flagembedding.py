#!/usr/bin/env python3
"""Scores the golden pairs with the real FlagEmbedding package and with ours, setting by setting, and compares.

    python/tests/compare_flagembedding.py [--shared FOLDER] [--json FILE]

Needs FlagEmbedding with transformers 4.46 (its layerwise and lightweight classes do not load on 5) and rerank_cpp in
one environment; exits with 77 where one of them, or the golden data, is missing. Both run in float32 on the CPU, from
one thread of the program, with the same arguments; scores have to be of the same types and shapes, and equal to 1e-4
relative (absolute below 1). Prints, for each checkpoint, the largest difference.
"""

from __future__ import annotations

import argparse
import gc
import json
import pathlib
import sys
import warnings
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77
CHECKPOINTS = {
    "bge-reranker-base": "FlagReranker",
    "bge-reranker-v2-m3": "FlagReranker",
    "ms-marco-minilm": "FlagReranker",
    "bge-reranker-v2-gemma": "FlagLLMReranker",
    "bge-reranker-v2-minicpm-layerwise": "LayerWiseFlagLLMReranker",
    "bge-reranker-v2.5-gemma2-lightweight": "LightWeightFlagLLMReranker",
}
SETTINGS = ("flag-", "llm-", "layerwise-", "light-")


def skip(why: str) -> None:
    print(f"compare_flagembedding: skipped: {why}")
    sys.exit(SKIPPED)


def shape_of(scores: Any) -> Any:
    """Types and lengths, without the values."""
    if isinstance(scores, list):
        return ["list", len(scores), *sorted({repr(shape_of(score)) for score in scores})]
    return type(scores).__name__


def flat(scores: Any) -> list[float]:
    return [value for score in scores for value in flat(score)] if isinstance(scores, list) else [scores]


def difference(ours: Any, theirs: Any) -> float:
    """The largest one, relative to scores above 1."""
    return max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(flat(ours), flat(theirs), strict=True))


def compare(name: str, golden: dict[str, Any], folder: pathlib.Path, flag: Any, rerank_cpp: Any) -> dict[str, Any]:
    """{"settings", "scores", "largest", "wrong": [what differs]} of one checkpoint."""
    texts = {pair["id"]: (pair["query"], pair["passage"]) for pair in golden["pairs"]}
    made: dict[str, tuple[Any, Any]] = {}
    result: dict[str, Any] = {"settings": 0, "scores": 0, "largest": 0.0, "wrong": []}
    for setting in golden["settings"]:
        if not setting["id"].startswith(SETTINGS) or "quirk" in setting or setting["id"].endswith("-eager"):
            continue
        init = setting["init"]
        key = repr(init)
        if key not in made:
            made[key] = tuple(
                getattr(module, CHECKPOINTS[name])(str(folder), devices="cpu", trust_remote_code=False, **init)
                for module in (rerank_cpp, flag)
            )  # type: ignore[assignment]
        pairs = [texts[entry["pair"]] for entry in setting["results"]]
        ours, theirs = (reranker.compute_score(list(pairs), **setting["call"]) for reranker in made[key])
        result["settings"] += 1
        if shape_of(ours) != shape_of(theirs):
            result["wrong"].append(f"{setting['id']}: {shape_of(ours)} beside {shape_of(theirs)}")
            continue
        result["scores"] += len(flat(ours))
        apart = difference(ours, theirs)
        result["largest"] = max(result["largest"], apart)
        if apart > 1e-4:
            result["wrong"].append(f"{setting['id']}: {apart:.2e} apart")
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=pathlib.Path, default=HERE.parents[2] / "shared")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there, too")
    arguments = parser.parse_args()
    try:
        import FlagEmbedding as flag
        import rerank_cpp
    except ImportError as error:
        skip(str(error))
    warnings.simplefilter("ignore")
    report: dict[str, Any] = {}
    for name in CHECKPOINTS:
        folder = arguments.shared / "golden" / name
        if not (folder / "golden.json").is_file():
            skip(f"no golden checkpoint {name} below {arguments.shared}")
        golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        report[name] = compare(name, golden, folder, flag, rerank_cpp)
        row = report[name]
        print(f"{name}: {row['settings']} settings, {row['scores']} scores, largest difference {row['largest']:.1e}")
        for wrong in row["wrong"]:
            print(f"  {wrong}")
        gc.collect()
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 1 if any(row["wrong"] for row in report.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
