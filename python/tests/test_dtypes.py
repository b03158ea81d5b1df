"""The dtypes of the engine through the Python classes."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import PAIRS, golden_settings
from rerank_cpp import CrossEncoder, FlagLLMReranker, FlagReranker, Reranker
from rerank_cpp.mteb import MtebReranker

DOCUMENTS = [passage for _, passage in PAIRS[:2]]


@pytest.mark.parametrize("dtype", ["bf16", "int8"])
def test_every_class_takes_them(dtype: str, goldens: Any) -> None:
    """And gives one score for one pair, near the one in f32."""
    folder = str(goldens("ms-marco-minilm").folder)
    flag = FlagReranker(folder, dtype=dtype)
    assert flag.model.info.dtype == dtype
    scores = flag.compute_score(PAIRS[:2])
    exact = FlagReranker(folder).compute_score(PAIRS[:2])
    assert scores != exact and scores == pytest.approx(exact, abs=0.3)
    encoder = CrossEncoder(folder, dtype=dtype, activation_fn="identity")
    assert encoder.predict(PAIRS[:2]) == pytest.approx(scores, rel=1e-6)
    ranked = Reranker(folder, dtype=dtype).rank(PAIRS[0][0], DOCUMENTS)
    assert sorted(result.score for result in ranked if result.score is not None) == sorted(scores)
    mteb = MtebReranker(folder, dtype=dtype, normalize=False)
    predicted = mteb.predict([{"query": [PAIRS[0][0]] * 2}], [{"text": DOCUMENTS}])
    assert predicted.tolist() == scores


@pytest.mark.parametrize("setting_id", [s for s in golden_settings("bge-reranker-v2-gemma") if s == "llm-512"])
def test_int8_is_near_the_reference_of_an_llm(setting_id: str, goldens: Any) -> None:
    golden = goldens("bge-reranker-v2-gemma")
    setting = golden.setting(setting_id)
    reranker = FlagLLMReranker(str(golden.folder), dtype="int8")
    scores = reranker.compute_score(golden.pairs(setting), **setting["call"])
    expected = [result["score"] for result in setting["results"]]
    assert scores == pytest.approx(expected, abs=0.5)


def test_others_are_refused(goldens: Any) -> None:
    with pytest.raises(ValueError, match="dtype: 'int4' is none of: auto, f32, bf16, int8"):
        FlagReranker(str(goldens("ms-marco-minilm").folder), dtype="int4")
