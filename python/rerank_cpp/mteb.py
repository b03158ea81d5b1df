"""A reranker as mteb's evaluations call it (protocol of mteb 2: a cross-encoder with predict()).

import mteb
from rerank_cpp.mteb import MtebReranker
mteb.evaluate(MtebReranker("BAAI/bge-reranker-v2-m3"), tasks)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._devices import Devices
from .reranker import Reranker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Batches = Iterable[Mapping[str, Sequence[Any]]]


class MtebReranker:
    """Scores the pairs of a task. `options`: as for Reranker; scores are from 0 to 1 unless normalize=False."""

    def __init__(
        self,
        model_name: str | os.PathLike[str] | None,
        revision: str | None = None,
        device: Devices = None,
        **options: Any,
    ) -> None:
        self.model_name = model_name
        self.revision = revision
        options.setdefault("normalize", True)
        self.reranker = Reranker(model_name, device=device, revision=revision, **options)

    @property
    def mteb_model_meta(self) -> Any:
        """mteb's ModelMeta, with the name, and with what the engine knows of the model. Needs mteb."""
        from mteb.models.model_meta import ModelMeta

        folder = os.path.basename(os.path.normpath(self.model_name)) if self.model_name else "embedded"
        name = os.fspath(self.model_name) if self.model_name and str(self.model_name).count("/") == 1 else folder
        info = self.reranker.model.info
        return ModelMeta.create_empty(
            {
                "name": name if name.count("/") == 1 else f"rerank_cpp/{name}",
                "revision": self.revision or "local",
                "n_parameters": info.parameters,
                "max_tokens": info.max_positions,
                "model_type": ["cross-encoder"],
            }
        )

    def predict(
        self,
        inputs1: Batches,
        inputs2: Batches,
        *,
        task_metadata: Any = None,
        hf_split: str | None = None,
        hf_subset: str | None = None,
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> NDArray[np.float64]:
        """Scores [pairs] of the queries in `inputs1` with the documents in `inputs2`, in the order given.

        Both are batches of columns: "query" or "text", and perhaps "instruction", of the queries; "text" of the
        documents.
        """
        import numpy as np

        queries = [query for batch in inputs1 for query in _queries(batch)]
        documents = [text for batch in inputs2 for text in batch["text"]]
        if len(queries) != len(documents):
            raise ValueError(f"{len(queries)} queries for {len(documents)} documents")
        if not queries:
            return np.empty(0)
        return self.reranker.model.score(list(zip(queries, documents, strict=True)), self.reranker.options)


def _queries(batch: Mapping[str, Sequence[Any]]) -> list[str]:
    queries = [str(query) for query in batch["query" if "query" in batch else "text"]]
    instructions = batch.get("instruction")
    if instructions is None:
        return queries
    return [
        f"{query} {instruction}".strip() if instruction else query
        for query, instruction in zip(queries, instructions, strict=True)
    ]
