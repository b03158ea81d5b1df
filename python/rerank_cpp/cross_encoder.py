"""sentence-transformers' CrossEncoder: the same arguments, defaults and results, with the C++ engine below.

    from rerank_cpp import CrossEncoder
    model = CrossEncoder("cross-encoder/ms-marco-MiniLM-L6-v2")
    model.rank("what is a panda?", ["The giant panda is a bear.", "Rust is iron oxide."], return_documents=True)

Sequence classifiers with one label run; pairs are cut as the tokenizer's plain pair call does it (the longer text
first). Beyond the original's arguments there are `dtype` ("f32", "bf16", "auto") and `threads`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ._model import Model, make_options
from ._stop import in_thread
from .errors import BadInputError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Activation = str | Callable[[Any], Any]


def _read_json(folder: str | None, name: str) -> dict[str, Any]:
    try:
        with open(os.path.join(folder or "", name), encoding="utf-8") as file:
            return cast(dict[str, Any], json.load(file))
    except OSError:
        return {}


def _default_activation(config: dict[str, Any]) -> str:
    """The activation that a checkpoint's config names, by the last part of its Python name; else the sigmoid."""
    named = config.get("sentence_transformers", {}).get("activation_fn")
    named = named or config.get("sbert_ce_default_activation_function") or "Sigmoid"
    return str(named).rsplit(".", 1)[-1]


class CrossEncoder:
    """Scores pairs with a sequence classifier.

    Scores pass through the activation: that of this argument, of the checkpoint's config, or the sigmoid.
    `activation_fn`: "sigmoid", "identity", torch.nn.Sigmoid() or Identity(), or a function of a numpy array.
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        device: str | None = None,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        cache_folder: str | None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
        backend: str = "torch",
        num_labels: int | None = None,
        max_length: int | None = None,
        activation_fn: Activation | None = None,
        dtype: str = "f32",
        threads: int = 0,
    ) -> None:
        """`trust_remote_code`, `local_files_only`, `token` and `backend` are taken and not needed: nothing is
        downloaded."""
        if num_labels not in (None, 1):
            raise UnsupportedError(f"num_labels is {num_labels}, and only models with 1 run", "CrossEncoder")
        _refuse_prompts(prompts, default_prompt_name)
        self.model = Model(
            model_name_or_path, device, cache_folder, revision or "main", method="cross-encoder", dtype=dtype,
            threads=threads,
        )  # fmt: skip
        folder = self.model.folder
        self.activation_fn: Activation = activation_fn or _default_activation(_read_json(folder, "config.json"))
        self.num_labels = 1
        self.max_length = max_length or min(
            int(_read_json(folder, "tokenizer_config.json").get("model_max_length", 1e30)),
            self.model.info.max_positions,
        )

    def predict(
        self,
        inputs: Sequence[Sequence[str]] | Sequence[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        apply_softmax: bool = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        pool: Any = None,
        chunk_size: int | None = None,
    ) -> Any:
        """Scores of pairs (query, passage): a float32 array [pairs], or one float32 for one pair.

        convert_to_tensor gives a torch tensor instead (where torch is installed), convert_to_numpy=False a list. With
        one label, apply_softmax changes nothing. device, pool and chunk_size are taken and not needed. Raises
        BadInputError for a batch_size below 1.
        """
        _refuse_prompts(prompt, prompt_name)
        if batch_size < 1:
            raise BadInputError("must be at least 1", f"batch_size {batch_size}")
        is_pair = len(inputs) > 0 and isinstance(inputs[0], str)
        pairs = cast("Sequence[Sequence[str]]", [inputs] if is_pair else inputs)
        activate, normalize = _activation(activation_fn or self.activation_fn)
        options = make_options(max_length=self.max_length, truncation="card", normalize=normalize)
        scores = self._activated(self.model.score(pairs, options, show_progress_bar), activate)
        if convert_to_tensor:
            import torch

            tensor = torch.from_numpy(scores)
            return tensor[0] if is_pair else tensor
        if is_pair:
            return scores[0]
        return scores if convert_to_numpy else list(scores)

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        apply_softmax: bool = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        pool: Any = None,
        chunk_size: int | None = None,
    ) -> list[dict[str, Any]]:
        """Documents by falling score, ties in the order given: {"corpus_id": int, "score": float32, "text": str}.

        "text" is there with return_documents. top_k: how many; None: all. The rest as for predict().
        """
        scores = self.predict(
            [(query, document) for document in documents], prompt_name, prompt, batch_size, show_progress_bar,
            activation_fn, apply_softmax,
        )  # fmt: skip
        order = sorted(range(len(documents)), key=lambda i: float(scores[i]), reverse=True)
        results: list[dict[str, Any]] = []
        for i in order[:top_k]:
            results.append({"corpus_id": i, "score": scores[i]})
            if return_documents:
                results[-1]["text"] = documents[i]
        return results

    async def predict_async(self, inputs: Sequence[Sequence[str]] | Sequence[str], **arguments: Any) -> Any:
        """predict() on a thread of its own; the event loop goes on meanwhile. Cancelling it ends the work."""
        return await in_thread(self.predict, inputs, **arguments)

    async def rank_async(self, query: str, documents: Sequence[str], **arguments: Any) -> list[dict[str, Any]]:
        """rank() in the same way."""
        return await in_thread(self.rank, query, documents, **arguments)

    @staticmethod
    def _activated(scores: NDArray[np.float64], activate: Callable[[Any], Any] | None) -> NDArray[np.float32]:
        import numpy as np

        single = scores.astype(np.float32)
        return single if activate is None else np.asarray(activate(single), dtype=np.float32)


def _activation(named: Activation) -> tuple[Callable[[Any], Any] | None, bool]:
    """(what is left to call, whether the engine applies the sigmoid)."""
    name = (named if isinstance(named, str) else type(named).__name__).lower()
    if name in ("sigmoid", "identity"):
        return None, name == "sigmoid"
    if callable(named):
        return named, False
    raise UnsupportedError(f"{named!r} is neither sigmoid nor identity", "activation_fn", "give a function of an array")


def _refuse_prompts(*prompts: object) -> None:
    if any(prompt is not None for prompt in prompts):
        raise UnsupportedError("prompts are not applied here", "CrossEncoder", "put the prompt before the query")
