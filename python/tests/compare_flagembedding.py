#!/usr/bin/env python3
"""Scores the golden pairs with the real FlagEmbedding package and with ours, setting by setting, and compares.

    python/tests/compare_flagembedding.py [--shared FOLDER] [--json FILE]

Needs FlagEmbedding with transformers 4.46 (its layerwise and lightweight classes do not load on 5) and rerank_cpp in
one environment; exits with 77 where one of them, or the golden data, is missing. Both run in float32 on the CPU, from
one thread of the program, with the same arguments; scores have to be of the same types and shapes, and equal to 1e-4
relative (absolute below 1). Prints, for each checkpoint, the largest difference.

Then it makes mistakes: where FlagEmbedding raises, ours has to raise an exception of that type, too. And it has two
devices share the work.
"""

from __future__ import annotations

import argparse
import gc
import json
import pathlib
import signal
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


PATIENCE_S = 30
PAIRS = [["what is a panda?", "hi"], ["what is a panda?", "The giant panda is a bear."]]

# (checkpoint, arguments of the constructor, arguments of compute_score), with one of them wrong. FlagEmbedding finds
# out about a device when it comes to use it, so each mistake is the making and one call.
MISTAKES: list[tuple[str, dict[str, Any], tuple[Any, dict[str, Any]]]] = [
    ("bge-reranker-base", {}, ([("a",)], {})),
    ("bge-reranker-base", {}, ([("a", 5)], {})),
    ("bge-reranker-base", {}, ([("a", None)], {})),
    ("bge-reranker-base", {}, ([("a", "b"), ("a", 5)], {})),
    ("bge-reranker-base", {}, ([("a", "b"), (None, "b")], {})),
    ("bge-reranker-base", {}, ([(b"a", "b")], {})),
    ("bge-reranker-base", {}, (5, {})),
    ("bge-reranker-base", {}, (None, {})),
    ("bge-reranker-base", {}, ([5], {})),
    ("bge-reranker-base", {}, ([["a", "b"], 5], {})),
    ("bge-reranker-base", {}, (PAIRS, {"batch_size": 0})),
    ("bge-reranker-base", {}, (PAIRS, {"max_length": -1})),
    ("bge-reranker-base", {}, (PAIRS, {"max_length": "long"})),
    ("bge-reranker-base", {}, (PAIRS, {"max_length": 100.5})),
    ("bge-reranker-base", {}, (PAIRS, {"query_max_length": "long"})),
    ("bge-reranker-base", {"devices": []}, (PAIRS, {})),
    ("bge-reranker-base", {"devices": [1.5]}, (PAIRS, {})),
    ("bge-reranker-base", {"devices": 1.5}, (PAIRS, {})),
    ("bge-reranker-base", {"devices": "cuda:0"}, (PAIRS, {})),
    ("bge-reranker-base", {"devices": "no-device"}, (PAIRS, {})),
    ("bge-reranker-base", {"query_instruction_for_rerank": "q", "query_instruction_format": "{}{}{}"}, (PAIRS, {})),
    ("bge-reranker-base", {"query_instruction_for_rerank": "q", "query_instruction_format": "{"}, (PAIRS, {})),
    ("bge-reranker-base", {"passage_instruction_for_rerank": "p", "passage_instruction_format": 5}, (PAIRS, {})),
    ("bge-reranker-v2-gemma", {}, (PAIRS, {"prompt": 5})),
    ("bge-reranker-v2-gemma", {"peft_path": "/nowhere"}, (PAIRS, {})),
    ("bge-reranker-v2-minicpm-layerwise", {}, (PAIRS, {"cutoff_layers": "deep"})),
    ("bge-reranker-v2-minicpm-layerwise", {}, (PAIRS, {"cutoff_layers": [99]})),
    ("bge-reranker-v2.5-gemma2-lightweight", {}, (PAIRS, {"compress_ratio": "two", "compress_layers": [3]})),
    ("bge-reranker-v2.5-gemma2-lightweight", {}, (PAIRS, {"compress_layers": "deep", "compress_ratio": 2})),
    ("nothing", {}, (PAIRS, {})),
]


class Hangs(BaseException):
    """Nothing was raised, and no result came."""


def give_up(*_: object) -> None:
    raise Hangs


def raised_by(module: Any, name: str, folder: pathlib.Path, mistake: Any) -> BaseException | None:
    init, (pairs, call) = mistake
    signal.alarm(PATIENCE_S)  # the original makes batches smaller for ever, after some errors
    try:
        made = getattr(module, CHECKPOINTS.get(name, "FlagReranker"))(str(folder), **{"devices": "cpu", **init})
        made.compute_score(pairs, **call)
    except Hangs:
        return None
    except Exception as error:
        return error
    finally:
        signal.alarm(0)
    return None


def compare_mistakes(golden: pathlib.Path, flag: Any, rerank_cpp: Any) -> dict[str, Any]:
    """{"mistakes", "both_raise", "ours_alone", "wrong": [where theirs is another exception than ours]}."""
    result: dict[str, Any] = {"mistakes": len(MISTAKES), "both_raise": 0, "ours_alone": [], "wrong": []}
    for name, *mistake in MISTAKES:
        theirs = raised_by(flag, name, golden / name, mistake)
        ours = raised_by(rerank_cpp, name, golden / name, mistake)
        if theirs is not None and not isinstance(ours, type(theirs)):
            result["wrong"].append(f"{name} {mistake}: {ours!r} beside {theirs!r}")
        elif theirs is not None:
            result["both_raise"] += 1
        elif ours is not None:
            result["ours_alone"].append(f"{name} {mistake}: {ours!r}")
    return result


def compare_devices(folder: pathlib.Path, flag: Any, rerank_cpp: Any) -> list[str]:
    """What differs where two devices share the work."""
    ours, theirs = (
        module.FlagReranker(str(folder), devices=["cpu", "cpu"]).compute_score(PAIRS) for module in (rerank_cpp, flag)
    )
    if type(ours) is not type(theirs) or ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return [f"{ours!r} beside {theirs!r}"]
    return [] if abs(ours - theirs).max() < 1e-4 else [f"{ours} beside {theirs}"]


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
    signal.signal(signal.SIGALRM, give_up)
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
    golden = arguments.shared / "golden"
    mistakes = report["mistakes"] = compare_mistakes(golden, flag, rerank_cpp)
    print(f"mistakes: {mistakes['both_raise']} of {mistakes['mistakes']} are of one type in both")
    for alone in mistakes["ours_alone"]:
        print(f"  ours alone: {alone}")
    report["two devices"] = {"wrong": compare_devices(golden / "bge-reranker-base", flag, rerank_cpp)}
    for wrong in mistakes["wrong"] + report["two devices"]["wrong"]:
        print(f"  {wrong}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 1 if any(row["wrong"] for row in report.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
