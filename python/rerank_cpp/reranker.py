"""One call for every model that runs here, with results as AnswerDotAI's `rerankers` gives them.

    from rerank_cpp import Reranker
    ranker = Reranker("BAAI/bge-reranker-v2-m3")
    ranker.rank("what is panda?", ["hi", "The giant panda is a bear."]).top_k(1)

How a model is run is found from its config.json; Reranker() without a name is the small English model inside the
library.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._devices import Devices
from ._model import Model, make_options
from ._stop import in_thread
from .errors import BadInputError, UnsupportedError

if TYPE_CHECKING:
    from .langchain import RerankCompressor

# What `rerankers` calls the kinds of models that run here, and our method for it; empty: found from config.json.
_METHODS = {
    "cross-encoder": "cross-encoder",
    "llm-layerwise": "",
    "yes-logit": "yes-logit",
    "layerwise": "layerwise",
    "lightweight": "lightweight",
    "expectation": "expectation",
    "reasoning": "reasoning",
}


class Document:
    """A text to be ranked. `doc_id`: by default its position in the list.

    `rerankers` has documents that are images, too; no model here reads those.
    """

    def __init__(
        self,
        text: str | None = None,
        doc_id: str | int | None = None,
        metadata: dict[str, Any] | None = None,
        document_type: str = "text",
        image_path: str | None = None,
        base64: str | None = None,
    ) -> None:
        """BadInputError without a text, UnsupportedError for another document_type than "text"."""
        if document_type != "text":
            raise UnsupportedError(f"document_type is {document_type}, and only texts are ranked", "Document")
        if text is None:
            raise BadInputError("text is missing", "Document")
        self.text = text
        self.doc_id = doc_id
        self.metadata = {} if metadata is None else metadata
        self.document_type = document_type
        self.image_path = image_path
        self.base64 = base64

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"Document({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


Documents = str | Document | Sequence[str | Document]


class Result:
    """A document with its score and its rank, from 1. Attributes of the document and its metadata are read through."""

    def __init__(self, document: Document, score: float | None = None, rank: int | None = None) -> None:
        """One of score and rank has to be there: BadInputError."""
        if score is None and rank is None:
            raise BadInputError("neither score nor rank is given", "Result")
        self.document = document
        self.score = score
        self.rank = rank

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "document" not in self.__dict__:  # while a copy is being made
            raise AttributeError(name)
        document = self.__dict__["document"]
        if name in vars(document):
            return getattr(document, name)
        if name in document.metadata:
            return document.metadata[name]
        raise AttributeError(f"neither Result nor its document nor its metadata has {name!r}")

    def __repr__(self) -> str:
        return f"Result(document={self.document!r}, score={self.score!r}, rank={self.rank!r})"


class RankedResults:
    """Results by falling score; ties in the order given."""

    def __init__(self, results: list[Result], query: str, has_scores: bool = False) -> None:
        self.results = results
        self.query = query
        self.has_scores = has_scores

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: int) -> Result:
        return self.results[index]

    def results_count(self) -> int:
        """How many there are."""
        return len(self.results)

    def __repr__(self) -> str:
        return f"RankedResults(results={self.results!r}, query={self.query!r}, has_scores={self.has_scores!r})"

    def top_k(self, k: int) -> list[Result]:
        """The k best, by their scores, or by their ranks where there are no scores."""

        def place(result: Result) -> float:
            if self.has_scores:
                return math.inf if result.score is None else -result.score
            return math.inf if result.rank is None else result.rank

        return sorted(self.results, key=place)[:k]

    def get_result_by_docid(self, doc_id: str | int) -> Result | None:
        """The result of a document, or None."""
        return next((result for result in self.results if result.document.doc_id == doc_id), None)

    def get_score_by_docid(self, doc_id: str | int) -> float | None:
        """The score of a document, or None."""
        result = self.get_result_by_docid(doc_id)
        return None if result is None else result.score


class Reranker:
    """Ranks documents by their relevance to a query.

    `model_type`: a method of docs/models.md, or "cross-encoder" or "llm-layerwise" of `rerankers`; None: found from
    config.json. `options`: fields of ScoreOptions, such as normalize or max_length.
    """

    def __init__(
        self,
        model_name: str | os.PathLike[str] | None = None,
        lang: str = "en",
        model_type: str | None = None,
        verbose: int = 1,
        *,
        device: Devices = None,
        dtype: str = "auto",
        threads: int = 0,
        cache_dir: str | None = None,
        revision: str | None = None,
        **options: Any,
    ) -> None:
        """`revision`: a branch or a commit of a hub name. `lang` and `verbose` are taken and not needed."""
        if model_type is not None and model_type not in _METHODS:
            raise UnsupportedError(f"{model_type!r} is none of: {', '.join(_METHODS)}", "model_type")
        try:
            self.options = make_options(**options)
        except AttributeError as error:
            raise TypeError(f"Reranker() has no such option: {error}") from None
        method = _METHODS[model_type] if model_type else ""
        self.model = Model(
            model_name, device, cache_dir, revision or "main", method=method, dtype=dtype, threads=threads
        )
        self.model.warn(self.options)

    def rank(
        self,
        query: str,
        docs: Documents,
        doc_ids: Sequence[str | int] | None = None,
        metadata: Sequence[dict[str, Any]] | None = None,
        batch_size: int | None = None,
    ) -> RankedResults:
        """Ranks str or Document, one or many. doc_ids and metadata come before those of a Document; by default ids
        count from 0. batch_size is taken and not needed."""
        documents = _as_documents(docs, doc_ids, metadata)
        texts = [document.text for document in documents]
        scores = self.model.score_passages(query, texts, self.options)
        if scores.ndim > 1:
            scores = scores[-1]  # of several layers the last one asked for
        listed = scores.tolist()
        order = sorted(range(len(listed)), key=listed.__getitem__, reverse=True)
        results = [Result(documents[i], listed[i], rank) for rank, i in enumerate(order, 1)]
        return RankedResults(results, query, has_scores=True)

    def score(self, query: str, doc: str | Document) -> float:
        """The score of one document."""
        score = self.rank(query, doc)[0].score
        assert score is not None
        return score

    async def rank_async(
        self,
        query: str,
        docs: Documents,
        doc_ids: Sequence[str | int] | None = None,
        metadata: Sequence[dict[str, Any]] | None = None,
    ) -> RankedResults:
        """rank() on a thread of its own; the event loop goes on meanwhile. Cancelling it ends the work."""
        return await in_thread(self.rank, query, docs, doc_ids, metadata)

    def as_langchain_compressor(self, k: int = 10) -> RerankCompressor:
        """A LangChain document compressor that keeps the k best. Needs the extra `langchain`."""
        from .langchain import RerankCompressor

        return RerankCompressor(reranker=self, top_n=k)


def _as_documents(
    docs: Documents, doc_ids: Sequence[str | int] | None, metadata: Sequence[dict[str, Any]] | None
) -> list[Document]:
    listed = [docs] if isinstance(docs, (str, Document)) else list(docs)
    for name, values in (("doc_ids", doc_ids), ("metadata", metadata)):
        if values is not None and len(values) != len(listed):
            raise BadInputError(f"has {len(values)} entries for {len(listed)} documents", name)
    documents = []
    for i, doc in enumerate(listed):
        made = copy.copy(doc) if isinstance(doc, Document) else Document(doc)
        if doc_ids is not None:
            made.doc_id = doc_ids[i]
        elif made.doc_id is None:
            made.doc_id = i
        if metadata is not None:
            made.metadata = metadata[i]
        documents.append(made)
    return documents
