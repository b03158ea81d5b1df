"""Reranking as a LangChain document compressor. Needs the extra `langchain`.

from rerank_cpp import Reranker
from rerank_cpp.langchain import RerankCompressor
compressor = RerankCompressor(reranker=Reranker(), top_n=3)
best = compressor.compress_documents(documents, query)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._stop import in_thread
from .errors import needs_extra
from .reranker import Reranker

try:
    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from pydantic import ConfigDict
except ImportError:
    raise needs_extra("langchain-core", "langchain") from None


class RerankCompressor(BaseDocumentCompressor):
    """Keeps the `top_n` documents that score best, each with its score in metadata["relevance_score"]."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    reranker: Reranker
    top_n: int = 10

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """The best documents, by falling score. The documents given stay as they are."""
        if not documents:
            return []
        ranked = self.reranker.rank(query, [document.page_content for document in documents])
        best = []
        for result in ranked.top_k(self.top_n):
            source = documents[result.doc_id]
            metadata: dict[str, Any] = {**source.metadata, "relevance_score": result.score}
            best.append(source.model_copy(update={"metadata": metadata}))
        return best

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """compress_documents() on a thread of its own. Cancelling it ends the work."""
        return await in_thread(self.compress_documents, documents, query, callbacks)
