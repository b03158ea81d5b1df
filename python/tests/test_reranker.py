"""Reranker, its results, and the classes for other libraries."""

from __future__ import annotations

import asyncio
import copy
import sys
from typing import Any

import pytest
from conftest import PAIRS, golden_settings
from rerank_cpp import Document, RankedResults, Reranker, Result

PASSAGES = ["Rust is iron oxide.", "The giant panda is a bear species endemic to China.", "Rust is iron oxide."]


def test_results_are_sorted_and_read_through(embedded: Reranker) -> None:
    metadata: list[dict[str, Any]] = [{"page": 1}, {"page": 2}, {"page": 3}]
    ranked = embedded.rank("what is a panda?", PASSAGES, doc_ids=["x", "y", "z"], metadata=metadata)
    assert isinstance(ranked, RankedResults) and len(ranked) == ranked.results_count() == 3
    best = ranked[0]
    assert (best.rank, best.doc_id, best.text, best.page) == (1, "y", PASSAGES[1], 2)
    assert [result.doc_id for result in ranked] == ["y", "x", "z"]  # ties in the order given
    assert ranked.top_k(2) == ranked.results[:2]
    assert ranked.get_score_by_docid("x") == ranked.get_score_by_docid("z") != best.score
    assert ranked.get_result_by_docid("nobody") is None
    with pytest.raises(AttributeError, match="colour"):
        _ = best.colour
    assert copy.deepcopy(best).document == best.document


def test_documents_come_in_every_form(embedded: Reranker) -> None:
    one = embedded.rank("what is a panda?", PASSAGES[1])
    assert one[0].score == embedded.score("what is a panda?", Document(PASSAGES[1]))
    ranked = embedded.rank("what is a panda?", [Document(PASSAGES[0], "a"), Document(PASSAGES[1])])
    assert [result.doc_id for result in ranked] == [1, "a"]
    assert asyncio.run(embedded.rank_async("what is a panda?", PASSAGES))[0].text == PASSAGES[1]
    assert len(embedded.rank("what is a panda?", [])) == 0
    with pytest.raises(ValueError, match="doc_ids: has 1 entries for 3 documents"):
        embedded.rank("what is a panda?", PASSAGES, doc_ids=[5])


def test_ids_and_metadata_given_come_first(embedded: Reranker) -> None:
    given = [Document(PASSAGES[0], "a", {"page": 1}), Document(PASSAGES[1], "b")]
    ranked = embedded.rank("what is a panda?", given, doc_ids=[7, 8], metadata=[{"page": 3}, {"page": 4}])
    assert [(result.doc_id, result.page) for result in ranked] == [(8, 4), (7, 3)]
    assert [document.doc_id for document in given] == ["a", "b"]  # what was given stays as it was


def test_results_of_ones_own() -> None:
    documents = [Document(text, i) for i, text in enumerate(PASSAGES)]
    results = [Result(document, score=score) for document, score in zip(documents, (0.1, 0.9, 0.5), strict=True)]
    assert [result.doc_id for result in RankedResults(results, "q", has_scores=True).top_k(2)] == [1, 2]
    ranks = [Result(document, rank=rank) for document, rank in zip(documents, (3, 1, 2), strict=True)]
    ranked = RankedResults(ranks, "q")
    assert not ranked.has_scores and [result.doc_id for result in ranked.top_k(2)] == [1, 2]
    assert repr(ranked).startswith("RankedResults(results=[Result(document=Document(text='Rust")
    with pytest.raises(ValueError, match="neither score nor rank"):
        Result(documents[0])


def test_documents_are_texts() -> None:
    document = Document("a panda", 3)
    assert (document.document_type, document.image_path, document.base64, document.metadata) == ("text", None, None, {})
    with pytest.raises(NotImplementedError, match="document_type is image"):
        Document(document_type="image", image_path="panda.png")
    with pytest.raises(ValueError, match="text is missing"):
        Document()


def test_options_and_kinds_of_models() -> None:
    normalized = Reranker(normalize=True)
    assert all(0 < result.score < 1 for result in normalized.rank("what is a panda?", PASSAGES))
    with pytest.raises(TypeError, match="no such option"):
        Reranker(colour="red")
    with pytest.raises(ValueError, match="'middle' is none of: flagembedding, card"):
        Reranker(truncation="middle")
    with pytest.raises(NotImplementedError, match="model_type"):
        Reranker(model_type="colbert")


@pytest.mark.parametrize("setting_id", [s for s in golden_settings("lb-reranker-0.5b")])
def test_expected_values_equal_the_reference(setting_id: str, goldens: Any) -> None:
    golden = goldens("lb-reranker-0.5b")
    setting = golden.setting(setting_id)
    reranker = Reranker(str(golden.folder), dtype="f32")
    assert reranker.model.info.method == "expectation"
    scores = reranker.model.score(golden.pairs(setting), reranker.options)
    assert scores == pytest.approx([result["scores"]["exact"] for result in setting["results"]], abs=golden.tolerance)


def test_langchain_compressor(embedded: Reranker) -> None:
    documents = pytest.importorskip("langchain_core.documents")
    given = [documents.Document(page_content=text, metadata={"source": i}) for i, text in enumerate(PASSAGES)]
    compressor = embedded.as_langchain_compressor(k=2)
    best = compressor.compress_documents(given, "what is a panda?")
    assert [document.metadata["source"] for document in best] == [1, 0]
    assert best[0].metadata["relevance_score"] == embedded.score("what is a panda?", PASSAGES[1])
    assert "relevance_score" not in given[1].metadata
    assert asyncio.run(compressor.acompress_documents(given, "what is a panda?")) == best
    assert compressor.compress_documents([], "what is a panda?") == []


def test_llama_index_postprocessor(embedded: Reranker) -> None:
    schema = pytest.importorskip("llama_index.core.schema")
    from rerank_cpp.llama_index import RerankPostprocessor

    nodes = [schema.NodeWithScore(node=schema.TextNode(text=text), score=0.5) for text in PASSAGES]
    postprocessor = RerankPostprocessor(reranker=embedded, top_n=2)
    best = postprocessor.postprocess_nodes(nodes, query_str="what is a panda?")
    assert [node.node.text for node in best] == [PASSAGES[1], PASSAGES[0]]
    assert best[0].score == embedded.score("what is a panda?", PASSAGES[1])
    with pytest.raises(ValueError, match="a query is needed"):
        postprocessor.postprocess_nodes(nodes)


@pytest.mark.parametrize(("module", "needs"), [("langchain", "langchain_core"), ("llama_index", "llama_index")])
def test_a_missing_extra_is_named(module: str, needs: str, monkeypatch: Any) -> None:
    for name in [name for name in sys.modules if name == needs or name.startswith(needs + ".")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, f"rerank_cpp.{module}", raising=False)
    monkeypatch.setitem(sys.modules, needs, None)
    with pytest.raises(ImportError, match="pip install 'rerank_cpp"):
        __import__(f"rerank_cpp.{module}")
    monkeypatch.delitem(sys.modules, f"rerank_cpp.{module}", raising=False)


def test_mteb_protocol(embedded: Reranker) -> None:
    from rerank_cpp.mteb import MtebReranker

    model = MtebReranker(None, dtype="f32", normalize=False)
    queries = [{"query": ["what is a panda?"] * 2, "text": ["ignored"] * 2}, {"text": [PAIRS[2][0], PAIRS[3][0]]}]
    documents = [{"text": [PAIRS[0][1], PAIRS[1][1], PAIRS[2][1]]}, {"text": [PAIRS[3][1]], "id": ["d"]}]
    scores = model.predict(queries, documents, task_metadata=None, hf_split="test", hf_subset="default")
    assert scores.tolist() == embedded.model.score(PAIRS, embedded.options).tolist()
    instructed = model.predict([{"query": ["a"], "instruction": ["b"]}], [{"text": ["c"]}])
    assert instructed.tolist() == embedded.model.score([("a b", "c")], embedded.options).tolist()
    with pytest.raises(ValueError, match="2 queries for 1 documents"):
        model.predict([{"query": ["a", "b"]}], [{"text": ["c"]}])
    assert model.predict([], []).shape == (0,)


def test_mteb_names_a_revision(goldens: Any, tmp_path: Any) -> None:
    from rerank_cpp.mteb import MtebReranker

    snapshots = tmp_path / "models--owner--ranker" / "snapshots"
    snapshots.mkdir(parents=True)
    (snapshots / "0123abc").symlink_to(goldens("bge-reranker-base").folder)
    model = MtebReranker("owner/ranker", revision="0123abc", cache_dir=str(tmp_path))
    assert model.predict([{"query": ["a"]}], [{"text": ["b"]}]).shape == (1,)
    with pytest.raises(LookupError, match="owner/ranker: is neither a folder nor in the local cache"):
        MtebReranker("owner/ranker", revision="4567def", cache_dir=str(tmp_path))
