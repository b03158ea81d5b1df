"""Every setting of the golden data through FlagEmbedding's classes: the reference's scores, shapes and types."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from conftest import golden_settings
from rerank_cpp import (
    FlagAutoReranker,
    FlagLLMReranker,
    FlagReranker,
    LayerWiseFlagLLMReranker,
    LightWeightFlagLLMReranker,
)

CLASSES: dict[str, Any] = {
    "bge-reranker-base": FlagReranker,
    "bge-reranker-v2-m3": FlagReranker,
    "ms-marco-minilm": FlagReranker,
    "bge-reranker-v2-gemma": FlagLLMReranker,
    "bge-reranker-v2-minicpm-layerwise": LayerWiseFlagLLMReranker,
    "bge-reranker-v2.5-gemma2-lightweight": LightWeightFlagLLMReranker,
}


def settings() -> list[tuple[str, str]]:
    """Those that a Flag class computes: not the model cards' code, not the eager attention that it does not use."""
    prefixes = ("flag-", "llm-", "layerwise-", "light-", "(")
    return [
        (name, setting)
        for name in CLASSES
        for setting in golden_settings(name)
        if setting.startswith(prefixes) and not setting.endswith("-eager") and "quirk" not in setting
    ]


@pytest.fixture(scope="module")
def rerankers(goldens: Any) -> Any:
    """One object for each checkpoint and constructor arguments."""
    kept: dict[tuple[str, str], Any] = {}

    def get(name: str, init: dict[str, Any]) -> Any:
        key = (name, repr(sorted(init.items())))
        if key not in kept:
            kept[key] = CLASSES[name](str(goldens(name).folder), threads=2, **init)
        return kept[key]

    return get


def expected_scores(setting: dict[str, Any]) -> list[Any]:
    """As compute_score returns them: a list of floats, or one for each layer."""
    results = setting["results"]
    if setting.get("outputs", 1) == 1:
        return [result["score"] if "score" in result else result["scores"][0] for result in results]
    return [[result["scores"][k] for result in results] for k in range(setting["outputs"])]


@pytest.mark.parametrize(("name", "setting_id"), settings())
def test_equals_the_reference(name: str, setting_id: str, goldens: Any, rerankers: Any) -> None:
    golden = goldens(name)
    setting = golden.setting(setting_id)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cutoff layers without a head, which is what some settings are about
        scores = rerankers(name, setting["init"]).compute_score(golden.pairs(setting), **setting["call"])
    expected = expected_scores(setting)
    assert isinstance(scores, list) and len(scores) == len(expected)
    for one, other in zip(scores, expected, strict=True):
        assert type(one) is (list if isinstance(other, list) else float)
        assert one == pytest.approx(other, rel=0, abs=golden.tolerance)


@pytest.mark.parametrize("name", CLASSES)
def test_auto_chooses_the_class(name: str, goldens: Any) -> None:
    folder = str(goldens(name).folder)
    if name == "ms-marco-minilm":
        with pytest.raises(ValueError, match="is none of bge-reranker-base"):
            FlagAutoReranker.from_finetuned(folder)
        assert type(FlagAutoReranker.from_finetuned(folder, model_class="encoder-only-base")) is FlagReranker
    else:
        assert type(FlagAutoReranker.from_finetuned(folder)) is CLASSES[name]


@pytest.mark.filterwarnings("ignore:cutoff layer")
def test_cutoff_layers_without_a_head_are_told(goldens: Any) -> None:
    golden = goldens("bge-reranker-v2-minicpm-layerwise")
    reranker = LayerWiseFlagLLMReranker(str(golden.folder))
    pair = ("what is panda?", "hi")
    with pytest.warns(UserWarning, match="cutoff layer 9 is left out"):
        few = reranker.compute_score(pair, cutoff_layers=[1, 4, 9])
    assert few == reranker.compute_score(pair, cutoff_layers=[4])
    with pytest.raises(ValueError, match="cutoff"):
        reranker.compute_score(pair, cutoff_layers=[99])


def test_both_spellings_of_compress_layers(goldens: Any) -> None:
    golden = goldens("bge-reranker-v2.5-gemma2-lightweight")
    reranker = LightWeightFlagLLMReranker(str(golden.folder))
    pair = ("what is panda?", "The giant panda is a bear species endemic to China.")
    options: dict[str, Any] = {"cutoff_layers": [6], "compress_ratio": 2}
    card = reranker.compute_score(pair, compress_layer=[1, 3], **options)
    assert card == reranker.compute_score(pair, compress_layers=[1, 3], **options)
    assert card != reranker.compute_score(pair, compress_layers=[1], **options)
    with pytest.raises(ValueError, match="ratio"):
        reranker.compute_score(pair, compress_ratio=3)
