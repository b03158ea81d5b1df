"""rank1 beside the reference's scores."""

from __future__ import annotations

from typing import Any

import pytest
from rerank_cpp import rank1


@pytest.fixture(scope="module")
def golden(goldens: Any) -> Any:
    return goldens("rank1-toy")


def test_scores_equal_the_official_code(golden: Any) -> None:
    setting = golden.setting("rank1-greedy")
    results = setting["results"][:12]
    model = rank1(str(golden.folder), fp_options="float32", max_output_tokens=setting["call"]["max_tokens"],
                  num_gpus=1, device="cuda")  # fmt: skip
    pairs = golden.pairs(setting)[:12]
    scores = model.predict(pairs, batch_size=4)
    assert all(type(score) is float for score in scores)
    assert scores == pytest.approx([result["score_official"] for result in results], abs=golden.tolerance)
    explained = model.explain(pairs[:2])
    assert [score.value for score in explained] == scores[:2]
    assert [score.reasoning for score in explained] == [result["text"] for result in results[:2]]
    assert all(0 < score.new_tokens <= setting["call"]["max_tokens"] for score in explained)


def test_pairs_of_evaluation_programs(golden: Any) -> None:
    model = rank1(str(golden.folder), fp_options="float32", max_output_tokens=4)
    query, text = "what is panda?", "A bear."
    plain = model.predict([(query, text)])
    assert model.predict([(query, {"text": text})]) == plain
    assert model.predict([(query, text, query)]) == plain
    assert model.predict([(query, {"title": "T", "text": text}, "short")]) == model.predict(
        [("what is panda? short", "T A bear.")]
    )
    with pytest.raises(ValueError, match="pair 0: has 1 texts"):
        model.predict([("a",)])
    with pytest.raises(ValueError, match="FILL_QUERY_HERE"):
        rank1(str(golden.folder), dataset_prompt="no place for it").predict([(query, text)])


def test_a_verdict_is_taken_back(golden: Any) -> None:
    query, passage = golden.pairs(golden.setting("rank1-greedy"))[0]
    once, again = (
        rank1(str(golden.folder), fp_options="float32", force_rethink=times).explain([(query, passage)])[0]
        for times in (0, 1)
    )
    assert again.reasoning.startswith(once.reasoning) and "Wait" in again.reasoning
    assert again.new_tokens > once.new_tokens
