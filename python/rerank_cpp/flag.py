"""FlagEmbedding's rerankers: the same names, arguments, defaults and results, with the C++ engine below.

    from rerank_cpp import FlagReranker
    reranker = FlagReranker("BAAI/bge-reranker-v2-m3")
    scores = reranker.compute_score([("what is panda?", "hi"), ("what is panda?", "The giant panda is a bear.")])

`use_fp16` and `use_bf16` mean bfloat16 where the CPU multiplies it natively, else float32; without them scores are
those of the original in float32. Beyond the original's arguments there are `dtype` ("f32", "bf16", "int8", "auto") and
`threads` (0: one for each CPU). `devices` names CPUs: "cpu", or NUMA nodes as "cpu:0"; `trust_remote_code` is taken,
and no code is ever run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum
from typing import Any

from ._devices import Devices
from ._flag import AbsReranker, as_layers
from .errors import BadInputError


class FlagReranker(AbsReranker):
    """Cross-encoders: bge-reranker-base, -large, -v2-m3 and other sequence classifiers with one label."""

    _method = "cross-encoder"

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        use_fp16: bool = False,
        query_instruction_for_rerank: str | None = None,
        query_instruction_format: str = "{}{}",
        passage_instruction_for_rerank: str | None = None,
        passage_instruction_format: str = "{}{}",
        trust_remote_code: bool = False,
        cache_dir: str | None = None,
        devices: Devices = None,
        batch_size: int = 128,
        query_max_length: int | None = None,
        max_length: int = 512,
        normalize: bool = False,
        *,
        dtype: str | None = None,
        threads: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model_name_or_path,
            half_precision=use_fp16,
            query_instruction_for_rerank=query_instruction_for_rerank,
            query_instruction_format=query_instruction_format,
            passage_instruction_for_rerank=passage_instruction_for_rerank,
            passage_instruction_format=passage_instruction_format,
            cache_dir=cache_dir,
            devices=devices,
            batch_size=batch_size,
            query_max_length=query_max_length,
            max_length=max_length,
            normalize=normalize,
            dtype=dtype,
            threads=threads,
            kwargs=kwargs,
        )
        self.use_fp16 = use_fp16
        self.trust_remote_code = trust_remote_code


class FlagLLMReranker(AbsReranker):
    """bge-reranker-v2-gemma, and other causal language models: the logit of "Yes".

    `peft_path`: the folder of a LoRA adapter, merged while loading. `prompt`: what follows the passage; None: the
    method's own.
    """

    _method = "yes-logit"
    _call_arguments: tuple[str, ...] = ("prompt",)

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        peft_path: str | None = None,
        use_fp16: bool = False,
        use_bf16: bool = False,
        query_instruction_for_rerank: str | None = "A: ",
        query_instruction_format: str = "{}{}",
        passage_instruction_for_rerank: str | None = "B: ",
        passage_instruction_format: str = "{}{}",
        cache_dir: str | None = None,
        trust_remote_code: bool = False,
        devices: Devices = None,
        prompt: str | None = None,
        batch_size: int = 128,
        query_max_length: int | None = None,
        max_length: int = 512,
        normalize: bool = False,
        *,
        dtype: str | None = None,
        threads: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model_name_or_path,
            half_precision=use_fp16 or use_bf16,
            query_instruction_for_rerank=query_instruction_for_rerank,
            query_instruction_format=query_instruction_format,
            passage_instruction_for_rerank=passage_instruction_for_rerank,
            passage_instruction_format=passage_instruction_format,
            cache_dir=cache_dir,
            devices=devices,
            batch_size=batch_size,
            query_max_length=query_max_length,
            max_length=max_length,
            normalize=normalize,
            dtype=dtype,
            threads=threads,
            adapter=peft_path,
            kwargs=kwargs,
        )
        self.use_fp16 = use_fp16
        self.use_bf16 = use_bf16
        self.trust_remote_code = trust_remote_code
        self.prompt = prompt

    def _values(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": given.pop("prompt", self.prompt)}


class LayerWiseFlagLLMReranker(FlagLLMReranker):
    """bge-reranker-v2-minicpm-layerwise: scores of the layers in `cutoff_layers`; None: the last one.

    Layers without a head are left out with a warning, and none left is an error. Several layers give a list of scores
    for each, in the order asked for.
    """

    _method = "layerwise"
    _call_arguments: tuple[str, ...] = ("prompt", "cutoff_layers")

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        peft_path: str | None = None,
        use_fp16: bool = False,
        use_bf16: bool = False,
        query_instruction_for_rerank: str | None = "A: ",
        query_instruction_format: str = "{}{}",
        passage_instruction_for_rerank: str | None = "B: ",
        passage_instruction_format: str = "{}{}",
        cache_dir: str | None = None,
        trust_remote_code: bool = False,
        devices: Devices = None,
        cutoff_layers: Sequence[int] | None = None,
        prompt: str | None = None,
        batch_size: int = 128,
        query_max_length: int | None = None,
        max_length: int = 512,
        normalize: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model_name_or_path,
            peft_path,
            use_fp16,
            use_bf16,
            query_instruction_for_rerank,
            query_instruction_format,
            passage_instruction_for_rerank,
            passage_instruction_format,
            cache_dir,
            trust_remote_code,
            devices,
            prompt,
            batch_size,
            query_max_length,
            max_length,
            normalize,
            **kwargs,
        )
        self.cutoff_layers = cutoff_layers

    def _values(self, given: dict[str, Any]) -> dict[str, Any]:
        layers = given.pop("cutoff_layers", self.cutoff_layers)
        return {**super()._values(given), "cutoff_layers": as_layers("cutoff_layers", layers)}


class LightWeightFlagLLMReranker(LayerWiseFlagLLMReranker):
    """bge-reranker-v2.5-gemma2-lightweight: layerwise, and passage tokens are merged on the way.

    `compress_ratio`: 1, 2, 4 or 8 tokens become one before each layer of `compress_layers`; the model card's spelling
    `compress_layer` is taken too.
    """

    _method = "lightweight"
    _call_arguments = ("prompt", "cutoff_layers", "compress_layers", "compress_layer", "compress_ratio")

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        peft_path: str | None = None,
        use_fp16: bool = False,
        use_bf16: bool = False,
        query_instruction_for_rerank: str | None = "A: ",
        query_instruction_format: str = "{}{}",
        passage_instruction_for_rerank: str | None = "B: ",
        passage_instruction_format: str = "{}{}",
        cache_dir: str | None = None,
        trust_remote_code: bool = False,
        devices: Devices = None,
        cutoff_layers: Sequence[int] | None = None,
        compress_layers: Sequence[int] = (8,),
        compress_ratio: int = 1,
        prompt: str | None = None,
        batch_size: int = 128,
        query_max_length: int | None = None,
        max_length: int = 512,
        normalize: bool = False,
        **kwargs: Any,
    ) -> None:
        compress_layer = kwargs.pop("compress_layer", None)
        super().__init__(
            model_name_or_path,
            peft_path,
            use_fp16,
            use_bf16,
            query_instruction_for_rerank,
            query_instruction_format,
            passage_instruction_for_rerank,
            passage_instruction_format,
            cache_dir,
            trust_remote_code,
            devices,
            cutoff_layers,
            prompt,
            batch_size,
            query_max_length,
            max_length,
            normalize,
            **kwargs,
        )
        self.compress_layers: Sequence[int] = list(compress_layers) if compress_layer is None else compress_layer
        self.compress_ratio = compress_ratio

    def _values(self, given: dict[str, Any]) -> dict[str, Any]:
        old_name = given.pop("compress_layer", None)
        layers = given.pop("compress_layers", None)
        chosen = old_name if layers is None else layers
        return {
            **super()._values(given),
            "compress_layers": as_layers("compress_layers", self.compress_layers if chosen is None else chosen),
            "compress_ratio": given.pop("compress_ratio", self.compress_ratio),
        }


class RerankerModelClass(Enum):
    """The names that FlagAutoReranker takes for model_class."""

    ENCODER_ONLY_BASE = "encoder-only-base"
    DECODER_ONLY_BASE = "decoder-only-base"
    DECODER_ONLY_LAYERWISE = "decoder-only-layerwise"
    DECODER_ONLY_LIGHTWEIGHT = "decoder-only-lightweight"


_CLASSES: dict[RerankerModelClass, type[AbsReranker]] = {
    RerankerModelClass.ENCODER_ONLY_BASE: FlagReranker,
    RerankerModelClass.DECODER_ONLY_BASE: FlagLLMReranker,
    RerankerModelClass.DECODER_ONLY_LAYERWISE: LayerWiseFlagLLMReranker,
    RerankerModelClass.DECODER_ONLY_LIGHTWEIGHT: LightWeightFlagLLMReranker,
}
_CLASS_OF_NAME: dict[str, type[AbsReranker]] = {
    "bge-reranker-base": FlagReranker,
    "bge-reranker-large": FlagReranker,
    "bge-reranker-v2-m3": FlagReranker,
    "bge-reranker-v2-gemma": FlagLLMReranker,
    "bge-reranker-v2-minicpm-layerwise": LayerWiseFlagLLMReranker,
    "bge-reranker-v2.5-gemma2-lightweight": LightWeightFlagLLMReranker,
    "bce-reranker-base_v1": FlagReranker,
    # Known to FlagEmbedding, which runs their own code; here loading says that their architectures do not run.
    "jina-reranker-v1-turbo-en": FlagReranker,
    "jina-reranker-v2-base-multilingual": FlagReranker,
    "gte-multilingual-reranker-base": FlagReranker,
}


class FlagAutoReranker:
    """Chooses the class by the model's name: FlagAutoReranker.from_finetuned(model_name_or_path)."""

    def __init__(self) -> None:
        raise OSError("FlagAutoReranker is made by FlagAutoReranker.from_finetuned(model_name_or_path)")

    @classmethod
    def from_finetuned(
        cls,
        model_name_or_path: str | os.PathLike[str],
        model_class: str | RerankerModelClass | None = None,
        use_fp16: bool = False,
        trust_remote_code: bool | None = None,
        **kwargs: Any,
    ) -> AbsReranker:
        """The reranker for a published model, or of the class that `model_class` names.

        Raises ValueError for an unknown name (that of the folder, or of its parent where it is called checkpoint-...)
        and for an unknown class.
        """
        if model_class is not None:
            made = _CLASSES[RerankerModelClass(model_class)]
        else:
            path = os.path.normpath(model_name_or_path)
            name = os.path.basename(path)
            if name.startswith("checkpoint-"):
                name = os.path.basename(os.path.dirname(path))
            if name not in _CLASS_OF_NAME:
                raise BadInputError(
                    f"is none of {', '.join(_CLASS_OF_NAME)}",
                    f"model name {name!r}",
                    f"give model_class: {', '.join(row.value for row in RerankerModelClass)}",
                )
            made = _CLASS_OF_NAME[name]
        arguments: dict[str, Any] = {"use_fp16": use_fp16, "trust_remote_code": bool(trust_remote_code), **kwargs}
        return made(model_name_or_path, **arguments)
