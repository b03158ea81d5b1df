"""Reranking as a LlamaIndex node postprocessor. Needs the extra `llama-index`.

from rerank_cpp import Reranker
from rerank_cpp.llama_index import RerankPostprocessor
postprocessor = RerankPostprocessor(reranker=Reranker(), top_n=3)
best = postprocessor.postprocess_nodes(nodes, query_str="what is panda?")
"""

from __future__ import annotations

from ._stop import in_thread
from .errors import BadInputError, needs_extra
from .reranker import Reranker

try:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
    from pydantic import ConfigDict
except ImportError:
    raise needs_extra("llama-index-core", "llama-index") from None


class RerankPostprocessor(BaseNodePostprocessor):
    """Keeps the `top_n` nodes that score best, with their new scores."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    reranker: Reranker
    top_n: int = 10

    @classmethod
    def class_name(cls) -> str:
        """LlamaIndex's name for the class."""
        return "RerankPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise BadInputError("a query is needed", "RerankPostprocessor", "give query_bundle or query_str")
        if not nodes:
            return []
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        ranked = self.reranker.rank(query_bundle.query_str, texts)
        return [
            NodeWithScore(node=nodes[result.doc_id].node, score=result.score) for result in ranked.top_k(self.top_n)
        ]

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return await in_thread(self._postprocess_nodes, nodes, query_bundle)
