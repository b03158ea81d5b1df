"""Text rerankers from their own checkpoints on CPUs: FlagEmbedding's and sentence-transformers' classes without
PyTorch.

FlagReranker, FlagLLMReranker, LayerWiseFlagLLMReranker, LightWeightFlagLLMReranker, FlagAutoReranker: as in
FlagEmbedding. CrossEncoder: as in sentence-transformers. Reranker: any model that runs here. rank1: reasoning
rerankers. In modules of their own, for what needs more packages: rerank_cpp.langchain, rerank_cpp.llama_index,
rerank_cpp.mteb.

The score of a pair depends on that pair, the model, the dtype and the CPU level, and on nothing else. Objects may be
used from many threads at once; calls give up the GIL, and Ctrl-C ends them. They do not survive os.fork().
"""

from ._engine import Engine, ModelInfo, Score, ScoreOptions
from ._progress import show_progress
from .cross_encoder import CrossEncoder
from .errors import RerankError
from .flag import (
    FlagAutoReranker,
    FlagLLMReranker,
    FlagReranker,
    LayerWiseFlagLLMReranker,
    LightWeightFlagLLMReranker,
    RerankerModelClass,
)
from .reasoning import rank1
from .reranker import Document, RankedResults, Reranker, Result

__all__ = [
    "CrossEncoder",
    "Document",
    "Engine",
    "FlagAutoReranker",
    "FlagLLMReranker",
    "FlagReranker",
    "LayerWiseFlagLLMReranker",
    "LightWeightFlagLLMReranker",
    "ModelInfo",
    "RankedResults",
    "RerankError",
    "Reranker",
    "RerankerModelClass",
    "Result",
    "Score",
    "ScoreOptions",
    "rank1",
    "show_progress",
]
