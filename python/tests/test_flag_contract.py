"""Arguments, defaults and results of FlagEmbedding's classes, on the smallest golden checkpoint."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import numpy as np
import pytest
import rerank_cpp
from conftest import PAIRS
from rerank_cpp import FlagAutoReranker, FlagLLMReranker, FlagReranker, LightWeightFlagLLMReranker

# Parameters in order with their defaults, as FlagEmbedding 1.4.2 has them.
ENCODER = [
    ("use_fp16", False), ("query_instruction_for_rerank", None), ("query_instruction_format", "{}{}"),
    ("passage_instruction_for_rerank", None), ("passage_instruction_format", "{}{}"), ("trust_remote_code", False),
    ("cache_dir", None), ("devices", None), ("batch_size", 128), ("query_max_length", None), ("max_length", 512),
    ("normalize", False),
]  # fmt: skip
LLM_BEFORE = [
    ("peft_path", None), ("use_fp16", False), ("use_bf16", False), ("query_instruction_for_rerank", "A: "),
    ("query_instruction_format", "{}{}"), ("passage_instruction_for_rerank", "B: "),
    ("passage_instruction_format", "{}{}"), ("cache_dir", None), ("trust_remote_code", False), ("devices", None),
]  # fmt: skip
LLM_AFTER = [
    ("prompt", None), ("batch_size", 128), ("query_max_length", None), ("max_length", 512), ("normalize", False),
]  # fmt: skip
COMPRESS = [("cutoff_layers", None), ("compress_layers", (8,)), ("compress_ratio", 1)]


@pytest.fixture(scope="module")
def reranker(goldens: Any) -> FlagReranker:
    return FlagReranker(str(goldens("ms-marco-minilm").folder), threads=2)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (FlagReranker, ENCODER),
        (FlagLLMReranker, LLM_BEFORE + LLM_AFTER),
        (rerank_cpp.LayerWiseFlagLLMReranker, LLM_BEFORE + COMPRESS[:1] + LLM_AFTER),
        (LightWeightFlagLLMReranker, LLM_BEFORE + COMPRESS + LLM_AFTER),
    ],
)
def test_parameters_are_the_originals(made: Any, expected: list[tuple[str, Any]]) -> None:
    parameters = [
        (p.name, p.default)
        for p in inspect.signature(made).parameters.values()
        if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    assert parameters[0] == ("model_name_or_path", inspect.Parameter.empty)
    assert parameters[1:] == expected


def test_one_pair_or_many_as_lists_tuples_or_arrays(reranker: FlagReranker) -> None:
    many = reranker.compute_score(PAIRS)
    assert isinstance(many, list) and all(type(score) is float for score in many)
    assert reranker.compute_score([list(pair) for pair in PAIRS]) == many
    assert reranker.compute_score(np.array(PAIRS)) == many
    assert reranker.compute_score(np.array(PAIRS, dtype=object)) == many
    assert reranker.compute_score(PAIRS[1]) == [many[1]]
    assert reranker.compute_score(list(PAIRS[1])) == [many[1]]
    assert reranker.compute_score([]) == []


def test_arguments_of_a_call_come_before_attributes(reranker: FlagReranker) -> None:
    logits = reranker.compute_score(PAIRS)
    normalized = reranker.compute_score(PAIRS, normalize=True, batch_size=2, device="cpu")
    assert normalized == pytest.approx([1 / (1 + np.exp(-x)) for x in logits], rel=1e-12)
    reranker.normalize = True
    assert reranker.compute_score(PAIRS) == normalized
    assert reranker.compute_score(PAIRS, normalize=False) == logits
    reranker.normalize = False
    short = reranker.compute_score(PAIRS, max_length=12)
    assert short[0] == logits[0] and short[1] != logits[1]


def test_several_devices_share_the_work_and_give_an_array(goldens: Any, reranker: FlagReranker) -> None:
    two = FlagReranker(str(goldens("ms-marco-minilm").folder), devices=["cpu:0", "cpu"], threads=1)
    scores = two.compute_score(PAIRS[:3])
    assert isinstance(scores, np.ndarray)
    assert scores.tolist() == reranker.compute_score(PAIRS[:3])
    assert two.target_devices == ["cpu:0", "cpu"]


@pytest.mark.parametrize(
    ("devices", "error", "says"),
    [
        ("cuda:0", NotImplementedError, "no GPU backend"),
        (0, NotImplementedError, "no GPU backend"),
        ([0, 1], NotImplementedError, "no GPU backend"),
        ([1.5], ValueError, "should be a string or an integer"),
        (1.5, ValueError, "should be a string or an integer"),
        ([], IndexError, "devices: is empty"),
        ("cpu:4096", ValueError, "no NUMA node"),
    ],
)
def test_devices_that_are_none(goldens: Any, devices: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        FlagReranker(str(goldens("ms-marco-minilm").folder), devices=devices)


@pytest.mark.parametrize(
    ("pairs", "error", "says"),
    [
        ([("a",)], IndexError, "pair 0: has 1 texts"),
        ([("a", "b"), ("a", "b", "c")], ValueError, "pair 1: has 3 texts"),
        ([("a", "b"), ("a", 5)], TypeError, "pair 1, passage: is int, expected str"),
        ([("a", None)], TypeError, "pair 0, passage: is NoneType, expected str"),
        ([(b"a", "b")], TypeError, "pair 0, query: is bytes, expected str"),
        ([("a", "\ud800")], ValueError, "pair 0, passage: has half of a surrogate pair"),
        ([("a", "b"), "ab"], TypeError, "pair 1: is str, expected a sequence"),
        ([5], TypeError, "pair 0: is int, expected a sequence"),
    ],
)
def test_what_is_no_pair_is_named(reranker: FlagReranker, pairs: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        reranker.compute_score(pairs)
    # FlagEmbedding's tokenizers raise ValueError or TypeError, depending on where in a batch the text stands.
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, rerank_cpp.RerankError)


def test_arguments_that_are_none(goldens: Any, reranker: FlagReranker) -> None:
    with pytest.raises(TypeError, match="no argument 'top_n'"):
        reranker.compute_score(PAIRS, top_n=3)
    with pytest.raises(ValueError, match="max_length") as caught:
        reranker.compute_score(PAIRS, max_length=100000)
    assert isinstance(caught.value, rerank_cpp.RerankError) and caught.value.what
    with pytest.raises(ValueError, match="batch_size: must be at least 1"):
        reranker.compute_score(PAIRS, batch_size=0)
    with pytest.raises(OverflowError, match="max_length: is -1"):
        reranker.compute_score(PAIRS, max_length=-1)
    with pytest.raises(TypeError, match="max_length: cannot be 'long'") as wrong:
        reranker.compute_score(PAIRS, max_length="long")
    assert isinstance(wrong.value, ValueError) and isinstance(wrong.value, rerank_cpp.RerankError)
    reranker.query_instruction_for_rerank, reranker.query_instruction_format = "q", "{} {} {}"
    with pytest.raises(IndexError, match="query_instruction_format"):
        reranker.compute_score(PAIRS)
    reranker.query_instruction_format = 5  # type: ignore[assignment]
    with pytest.raises(TypeError, match="query_instruction_format: cannot be 5"):
        reranker.compute_score(PAIRS)
    reranker.query_instruction_for_rerank, reranker.query_instruction_format = None, "{}{}"
    with pytest.raises(rerank_cpp.RerankError):
        FlagLLMReranker(str(goldens("ms-marco-minilm").folder))  # the class of another kind of model
    with pytest.warns(UserWarning, match="kept as attributes, and not used: colour"):
        odd = FlagReranker(str(goldens("ms-marco-minilm").folder), colour="red")
    assert odd.kwargs == {"colour": "red"} and vars(odd)["colour"] == "red"


def test_wrong_arguments_of_llm_rerankers(goldens: Any) -> None:
    gemma = FlagLLMReranker(str(goldens("bge-reranker-v2-gemma").folder), threads=1)
    with pytest.raises(ValueError, match="prompt: cannot be 5"):
        gemma.compute_score(PAIRS, prompt=5)
    with pytest.raises(ValueError, match="/nowhere: is no folder") as caught:
        FlagLLMReranker(str(goldens("bge-reranker-v2-gemma").folder), peft_path="/nowhere")
    assert isinstance(caught.value, FileNotFoundError)
    layerwise = rerank_cpp.LayerWiseFlagLLMReranker(str(goldens("bge-reranker-v2-minicpm-layerwise").folder), threads=1)
    with pytest.raises(TypeError, match="'deep' is no list of layers"):
        layerwise.compute_score(PAIRS, cutoff_layers="deep")


def test_models_that_are_not_there() -> None:
    with pytest.raises(LookupError, match="huggingface-cli download nobody/nothing"):
        FlagReranker("nobody/nothing")
    with pytest.raises(OSError, match="is no folder") as caught:  # the original's
        FlagReranker("./nothing-here")
    assert isinstance(caught.value, (LookupError, rerank_cpp.RerankError)) and caught.value.where == "./nothing-here"
    with pytest.raises(OSError, match="from_finetuned"):
        FlagAutoReranker()
    with pytest.raises(ValueError, match="is none of"):
        FlagAutoReranker.from_finetuned("nobody/my-reranker")
    with pytest.raises(ValueError, match="not a valid RerankerModelClass"):
        FlagAutoReranker.from_finetuned("nobody/bge-reranker-base", model_class="encoder")


@pytest.mark.parametrize("name", ["bce-reranker-base_v1", "gte-multilingual-reranker-base"])
def test_names_that_only_flagembedding_knows(name: str, goldens: Any, tmp_path: Any) -> None:
    (tmp_path / name).symlink_to(goldens("bge-reranker-base").folder)
    assert type(FlagAutoReranker.from_finetuned(str(tmp_path / name))) is FlagReranker


def test_devices_on_the_same_cpus_divide_them(monkeypatch: Any) -> None:
    from rerank_cpp import _devices

    monkeypatch.setattr(_devices.os, "sched_getaffinity", lambda _: set(range(8)))
    assert _devices.threads_of("cpu", ["cpu"]) == 0
    assert [_devices.threads_of("cpu", ["cpu"] * groups) for groups in (2, 3, 16)] == [4, 2, 1]
    monkeypatch.setattr(_devices, "cpus_of", lambda device: {0, 1, 2, 3} if device == "cpu:0" else None)
    assert _devices.threads_of("cpu:0", ["cpu:0", "cpu:1", "cpu:0"]) == 2
    assert _devices.threads_of("cpu:1", ["cpu:0", "cpu:1", "cpu:0"]) == 0


def test_a_hub_name_is_found_in_the_local_cache(goldens: Any, tmp_path: Any) -> None:
    repository = tmp_path / "models--owner--bge-reranker-base"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123\n")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc123").symlink_to(goldens("bge-reranker-base").folder)
    reranker = FlagAutoReranker.from_finetuned("owner/bge-reranker-base", cache_dir=str(tmp_path))
    assert isinstance(reranker, FlagReranker)
    assert reranker.compute_score(PAIRS[0])


def test_async_gives_the_same(reranker: FlagReranker) -> None:
    async def both() -> list[Any]:
        return await asyncio.gather(reranker.compute_score_async(PAIRS), reranker.compute_score_async(PAIRS[0]))

    many, one = asyncio.run(both())
    assert many == reranker.compute_score(PAIRS) and one == many[:1]


def test_top_k_over_ten_thousand_passages(reranker: FlagReranker) -> None:
    passages = [f"p {i}" for i in range(10000)]
    scores = np.array(reranker.compute_score([("what is a panda?", passage) for passage in passages]))
    assert scores.shape == (10000,)
    best = np.argsort(-scores, kind="stable")[:10]
    again = reranker.compute_score([("what is a panda?", passages[i]) for i in best])
    assert again == sorted(scores.tolist(), reverse=True)[:10]
