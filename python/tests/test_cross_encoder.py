"""CrossEncoder beside sentence-transformers' results, and its contract."""

from __future__ import annotations

import inspect
import json
import pathlib
import shutil
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
    assert all(type(row["score"]) is float for row in ranked)
    assert all(row["text"] == documents[row["corpus_id"]] for row in ranked)
    twins = [row["corpus_id"] for row in ranked if row["text"] == "b"]
    assert twins == [0, 2]
    assert model.rank("what is a panda?", documents, top_k=2) == [
        {"corpus_id": row["corpus_id"], "score": row["score"]} for row in ranked[:2]
    ]


def test_what_cannot_be_done_says_so(model: CrossEncoder, goldens: Any) -> None:
    with pytest.raises(ValueError, match="batch_size 0: must be at least 1"):
        model.predict(PAIRS, batch_size=0)
    with pytest.raises(ValueError, match="prompt name 'web': is none of the prompts"):
        model.predict(PAIRS, prompt_name="web")
    with pytest.raises(NotImplementedError, match="no GPU backend"):
        model.rank("query", ["document"], device=["cuda:0"])
    with pytest.raises(TypeError, match="misses its pairs"):
        model.predict()
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        model.predict(PAIRS, colour="red")
    folder = str(goldens("ms-marco-minilm").folder)
    with pytest.raises(NotImplementedError, match="num_labels"):
        CrossEncoder(folder, num_labels=3)
    with pytest.raises(NotImplementedError, match="from a checkpoint alone"):
        CrossEncoder(modules=[])
    with pytest.raises(ValueError, match="prompt name 'web'"):
        CrossEncoder(folder, default_prompt_name="web")
    with pytest.raises(NotImplementedError, match="torch_dtype: is int8"):
        CrossEncoder(folder, model_kwargs={"torch_dtype": "torch.int8"})
    with pytest.raises(NotImplementedError, match="activation_fn"):
        model.predict(PAIRS, activation_fn="swish")


def parameters(call: Any) -> list[tuple[str, Any]]:
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [(p.name, p.default) for p in inspect.signature(call).parameters.values() if p.kind is positional][1:]


def test_parameters_are_the_originals() -> None:
    """In the order and with the defaults that sentence-transformers has."""
    shared = [("prompt_name", None), ("prompt", None), ("batch_size", 32), ("show_progress_bar", None),
              ("activation_fn", None), ("apply_softmax", False)]  # fmt: skip
    last = [("device", None), ("pool", None), ("chunk_size", None)]
    convert = [("convert_to_numpy", True), ("convert_to_tensor", False)]
    assert parameters(CrossEncoder.predict) == [("inputs", None), *shared, *convert, *last]
    assert parameters(CrossEncoder.rank)[:4] == [
        ("query", inspect.Parameter.empty), ("documents", inspect.Parameter.empty), ("top_k", None),
        ("return_documents", False),
    ]  # fmt: skip
    assert parameters(CrossEncoder.rank)[4:] == [*shared, *last]
    named = {"modules", "device", "prompts", "default_prompt_name", "cache_folder", "trust_remote_code", "revision",
             "local_files_only", "token", "model_kwargs", "processor_kwargs", "config_kwargs", "model_card_data",
             "backend", "num_labels", "max_length", "activation_fn"}  # fmt: skip
    made = inspect.signature(CrossEncoder.__init__).parameters.values()
    assert named <= {p.name for p in made if p.kind is inspect.Parameter.KEYWORD_ONLY}


def test_a_prompt_goes_before_the_query(goldens: Any) -> None:
    folder = str(goldens("ms-marco-minilm").folder)
    prompts = {"web": "web query: ", "none": ""}
    model = CrossEncoder(folder, prompts=prompts, default_prompt_name="web")
    plain = CrossEncoder(folder)
    expected = plain.predict([("web query: " + query, passage) for query, passage in PAIRS]).tolist()
    assert model.predict(PAIRS).tolist() == expected
    assert plain.predict(PAIRS, prompt="web query: ").tolist() == expected
    assert model.predict(PAIRS, prompt_name="none").tolist() == plain.predict(PAIRS).tolist() != expected
    documents = [passage for _, passage in PAIRS[:2]]
    ranked = plain.rank(PAIRS[0][0], documents, prompt="web query: ")
    assert sorted(row["score"] for row in ranked) == sorted(expected[:2])


def test_what_a_checkpoint_says_of_itself(goldens: Any, tmp_path: pathlib.Path) -> None:
    """config_sentence_transformers.json: prompts and activation."""
    folder = tmp_path / "model"
    shutil.copytree(goldens("bge-reranker-base").folder, folder)
    folder.chmod(0o755)
    plain = CrossEncoder(str(folder))
    saved = {
        "prompts": {"web": "web query: "}, "default_prompt_name": "web",
        "activation_fn": "torch.nn.modules.linear.Identity",
    }  # fmt: skip
    (folder / "config_sentence_transformers.json").write_text(json.dumps(saved))
    model = CrossEncoder(str(folder))
    assert model.prompts == saved["prompts"]
    expected = plain.predict(PAIRS, prompt="web query: ", activation_fn="identity")
    assert model.predict(PAIRS).tolist() == expected.tolist()
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"activation_fn": "own_code.Swish"}))
    with pytest.warns(UserWarning, match="own_code.Swish is code of its own"):
        assert CrossEncoder(str(folder)).predict(PAIRS).tolist() == plain.predict(PAIRS).tolist()
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"activation_fn": "torch.nn.Tanh"}))
    with pytest.raises(NotImplementedError, match="activation_fn"):
        CrossEncoder(str(folder))


def test_old_names_of_arguments(goldens: Any) -> None:
    golden = goldens("ms-marco-minilm")
    folder = str(golden.folder)
    with pytest.warns(FutureWarning) as told:
        old = CrossEncoder(
            folder, 1, 64, default_activation_function="sigmoid", automodel_args={"torch_dtype": "float32"},
            tokenizer_args={"model_max_length": 8}, classifier_dropout=0.1,
        )  # fmt: skip
    assert len(told) == 5
    new = CrossEncoder(folder, max_length=64, activation_fn="sigmoid")
    pairs = [(query, "a long passage about pandas " * 20) for query, _ in PAIRS]
    expected = new.predict(pairs).tolist()
    assert old.predict(pairs).tolist() == expected
    with pytest.warns(FutureWarning, match="sentences is called inputs now"):
        assert new.predict(sentences=pairs, num_workers=2).tolist() == expected
    with pytest.warns(FutureWarning, match="activation_fct"):
        new.predict(pairs, activation_fct="identity")
    by_processor = CrossEncoder(folder, processor_kwargs={"model_max_length": 64}, activation_fn="sigmoid")
    assert by_processor.max_seq_length == 64 and by_processor.predict(pairs).tolist() == expected
    by_processor.max_seq_length = 16
    assert by_processor.predict(pairs).tolist() != expected
    with pytest.warns(UserWarning, match="not used, of model_kwargs: attn_implementation"):
        CrossEncoder(folder, model_kwargs={"attn_implementation": "eager"})
    pool = new.start_multi_process_pool()
    assert new.predict(pairs, pool=pool, device=["cpu", "cpu"]).tolist() == expected
    new.stop_multi_process_pool(pool)


def test_modules_and_tensors_of_torch(model: CrossEncoder) -> None:
    torch = pytest.importorskip("torch")
    logits = model.predict(PAIRS, activation_fn=torch.nn.Identity())
    assert model.predict(PAIRS, activation_fn=torch.nn.Tanh()) == pytest.approx(np.tanh(logits), rel=1e-6)
    tensor = model.predict(PAIRS, convert_to_tensor=True)
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32 and tensor.shape == (len(PAIRS),)
    assert model.predict(PAIRS[0], convert_to_tensor=True).shape == ()
