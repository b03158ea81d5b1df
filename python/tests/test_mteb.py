"""A whole evaluation by mteb on a local collection, offline; skipped where mteb or the collection is not there."""

from __future__ import annotations

import csv
import json
import pathlib
from typing import Any

import pytest
from conftest import SHARED

QUERIES, PASSAGES = 8, 10


def read_jsonl(path: pathlib.Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def local_task() -> Any:
    """Cranfield's first queries, with BM25's first passages, as a reranking task of mteb."""
    datasets = pytest.importorskip("datasets")
    retrieval = pytest.importorskip("mteb.abstasks.retrieval")
    from mteb.abstasks.task_metadata import TaskMetadata

    folder = SHARED / "data" / "cranfield"
    if not folder.is_dir():
        pytest.skip("no collection beside the repository")
    queries = read_jsonl(folder / "queries.jsonl")[:QUERIES]
    wanted = {query["_id"] for query in queries}
    ranked: dict[str, list[str]] = {}
    for line in (folder / "run.bm25.txt").read_text(encoding="utf-8").splitlines():
        query_id, _, passage_id, *_ = line.split()
        if query_id in wanted and len(ranked.setdefault(query_id, [])) < PASSAGES:
            ranked[query_id].append(passage_id)
    qrels: dict[str, dict[str, int]] = {query_id: {} for query_id in wanted}
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["query-id"] in wanted:
                qrels[row["query-id"]][row["corpus-id"]] = int(row["score"])
    kept = {passage for passages in ranked.values() for passage in passages}
    corpus = [
        {"id": row["_id"], "title": row.get("title", ""), "text": row["text"]}
        for row in read_jsonl(folder / "corpus.jsonl")
        if row["_id"] in kept
    ]

    class LocalReranking(retrieval.AbsTaskRetrieval):  # type: ignore[name-defined, misc]
        metadata = TaskMetadata(
            name="LocalReranking", description="Cranfield, a part of it",
            dataset={"path": "local/local", "revision": "1"},
            type="Reranking", category="t2t", modalities=["text"], eval_splits=["test"], eval_langs=["eng-Latn"],
            main_score="ndcg_at_10", reference=None, date=None, domains=None, task_subtypes=None, license=None,
            annotations_creators=None, dialect=None, sample_creation=None, bibtex_citation=None,
        )  # fmt: skip

        def load_data(self, *args: Any, **kwargs: Any) -> None:
            split = {
                "corpus": datasets.Dataset.from_list(corpus),
                "queries": datasets.Dataset.from_list([{"id": row["_id"], "text": row["text"]} for row in queries]),
                "relevant_docs": qrels,
                "top_ranked": ranked,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return LocalReranking()


def test_mteb_evaluates_offline(tmp_path: pathlib.Path) -> None:
    mteb = pytest.importorskip("mteb")
    from rerank_cpp.mteb import MtebReranker

    model = MtebReranker(None, dtype="f32")
    result = mteb.evaluate(model, local_task(), cache=None, prediction_folder=tmp_path, show_progress_bar=False)
    scores = result.task_results[0].scores["test"][0]
    assert 0 < scores["ndcg_at_10"] <= 1
    predictions = json.loads(next(tmp_path.rglob("*.json")).read_text(encoding="utf-8"))["default"]["test"]
    assert len(predictions) == QUERIES and all(len(passages) == PASSAGES for passages in predictions.values())
    passages = {row["_id"]: row for row in read_jsonl(SHARED / "data" / "cranfield" / "corpus.jsonl")}
    query = read_jsonl(SHARED / "data" / "cranfield" / "queries.jsonl")[0]
    for passage_id, score in list(predictions[query["_id"]].items())[:3]:
        text = f"{passages[passage_id].get('title', '')} {passages[passage_id]['text']}".strip()
        assert score == pytest.approx(model.reranker.score(query["text"], text), abs=1e-6)
