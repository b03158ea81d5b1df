"""CrossEncoder beside sentence-transformers' results, and its contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import PAIRS, golden_settings
from rerank_cpp import CrossEncoder


@pytest.fixture(scope="module")
def model(goldens: Any) -> CrossEncoder:
    return CrossEncoder(str(goldens("ms-marco-minilm").folder), threads=2)


@pytest.mark.parametrize("setting_id", [s for s in golden_settings("ms-marco-minilm") if s.startswith(("ce-", "("))])
def test_equals_the_reference(setting_id: str, goldens: Any) -> None:
    golden = goldens("ms-marco-minilm")
    setting = golden.setting(setting_id)
    activation = setting["call"]["activation"]
    activation_fn = None if activation.startswith("default") else activation
    model = CrossEncoder(str(golden.folder), activation_fn=activation_fn, **setting["init"])
    scores = model.predict(golden.pairs(setting))
    assert isinstance(scores, np.ndarray) and scores.dtype == np.float32 and scores.ndim == 1
    expected = [result["score"] for result in setting["results"]]
    # ce-512's texts with special tokens are read otherwise by transformers 5's own rebuilt tokenizer.
    differing = set(golden.data.get("ce_ids_differ_from_hf", []))
    kept = [i for i, result in enumerate(setting["results"]) if result["pair"] not in differing]
    assert scores[kept] == pytest.approx(np.array(expected)[kept], rel=0, abs=golden.tolerance)


def test_the_default_is_the_sigmoid(goldens: Any) -> None:
    golden = goldens("bge-reranker-base")
    model = CrossEncoder(str(golden.folder))
    logits = model.predict(PAIRS, activation_fn="identity")
    assert model.predict(PAIRS) == pytest.approx(1 / (1 + np.exp(-logits)), rel=1e-6)
    assert model.predict(PAIRS, activation_fn=lambda x: x * 2) == pytest.approx(logits * 2)


def test_one_pair_and_none(model: CrossEncoder) -> None:
    one = model.predict(PAIRS[1])
    assert type(one) is np.float32
    assert one == model.predict(PAIRS)[1]
    assert model.predict([]).shape == (0,)
    assert model.predict(PAIRS, convert_to_numpy=False) == list(model.predict(PAIRS))


def test_rank_sorts_and_keeps_ties_in_order(model: CrossEncoder) -> None:
    documents = ["b", "a", "b", "The giant panda is a bear."]
    ranked = model.rank("what is a panda?", documents, return_documents=True)
    scores = model.predict([("what is a panda?", document) for document in documents])
    assert [row["score"] for row in ranked] == sorted(scores, reverse=True)
    assert all(row["text"] == documents[row["corpus_id"]] for row in ranked)
    twins = [row["corpus_id"] for row in ranked if row["text"] == "b"]
    assert twins == [0, 2]
    assert model.rank("what is a panda?", documents, top_k=2) == [
        {"corpus_id": row["corpus_id"], "score": row["score"]} for row in ranked[:2]
    ]


def test_what_cannot_be_done_says_so(model: CrossEncoder, goldens: Any) -> None:
    with pytest.raises(ValueError, match="batch_size 0: must be at least 1"):
        model.predict(PAIRS, batch_size=0)
    with pytest.raises(NotImplementedError, match="prompts"):
        model.predict(PAIRS, prompt="query: ")
    with pytest.raises(NotImplementedError, match="num_labels"):
        CrossEncoder(str(goldens("ms-marco-minilm").folder), num_labels=3)
    with pytest.raises(NotImplementedError, match="activation_fn"):
        model.predict(PAIRS, activation_fn="swish")
