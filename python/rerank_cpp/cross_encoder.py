"""sentence-transformers' CrossEncoder: the same arguments, defaults and results, with the C++ engine below.

    from rerank_cpp import CrossEncoder
    model = CrossEncoder("cross-encoder/ms-marco-MiniLM-L6-v2")
    model.rank("what is a panda?", ["The giant panda is a bear.", "Rust is iron oxide."], return_documents=True)

Sequence classifiers with one label run; pairs are cut as the tokenizer's plain pair call does it (the longer text
first). Beyond the original's arguments there are `dtype` ("f32", "bf16", "int8", "auto") and `threads`; old names
of arguments are taken with a warning, as there.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ._cross_encoder_arguments import (
    RENAMED_IN_CALLS,
    RENAMED_IN_CONSTRUCTOR,
    dtype_of,
    take_old_names,
    take_positional,
    warn_of_unused,
)
from ._devices import target_devices
from ._model import Model, make_options
from ._stop import in_thread
from .errors import BadInputError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Activation = str | Callable[[Any], Any]
Inputs = Sequence[Sequence[str]] | Sequence[str]


def _read_json(folder: str | None, name: str) -> dict[str, Any]:
    try:
        with open(os.path.join(folder or "", name), encoding="utf-8") as file:
            return cast(dict[str, Any], json.load(file))
    except OSError:
        return {}


class CrossEncoder:
    """Scores pairs with a sequence classifier.

    Scores pass through the activation: that of this argument, of the checkpoint's config, or the sigmoid.
    `activation_fn`: "sigmoid", "identity", torch.nn.Sigmoid() or Identity(), or a function of a numpy array.
    `prompts`: texts by name, of which predict() and rank() put one before the query: `default_prompt_name`, unless they
    are told otherwise. `model_kwargs`: torch_dtype counts. `processor_kwargs`: model_max_length counts.
    `config_kwargs`: num_labels counts.
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] | None = None,
        *positional: Any,
        modules: Any = None,
        device: str | None = None,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        cache_folder: str | None = None,
        trust_remote_code: bool = False,
        revision: str | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
        model_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        config_kwargs: dict[str, Any] | None = None,
        model_card_data: Any = None,
        backend: str = "torch",
        num_labels: int | None = None,
        max_length: int | None = None,
        activation_fn: Activation | None = None,
        dtype: str | None = None,
        threads: int = 0,
        **old_names: Any,
    ) -> None:
        """`trust_remote_code`, `local_files_only`, `token`, `model_card_data` and `backend` are taken and not needed:
        nothing is downloaded, and one engine runs everything. UnsupportedError for `modules` and for more labels than
        one, ValueError for a `default_prompt_name` that `prompts` lacks."""
        given: dict[str, Any] = {
            "model_name_or_path": model_name_or_path, "num_labels": num_labels, "max_length": max_length,
            "activation_fn": activation_fn, "device": device, "cache_folder": cache_folder,
            "model_kwargs": model_kwargs, "processor_kwargs": processor_kwargs, "config_kwargs": config_kwargs,
        }  # fmt: skip
        old_names.pop("classifier_dropout", None)  # of training alone
        take_positional("CrossEncoder", given, positional)
        take_old_names("CrossEncoder", given, old_names, RENAMED_IN_CONSTRUCTOR)
        model_options, processor, config = (
            given[name] or {} for name in ("model_kwargs", "processor_kwargs", "config_kwargs")
        )
        warn_of_unused(
            model_kwargs=(model_options, ("torch_dtype", "dtype")),
            processor_kwargs=(processor, ("model_max_length",)),
            config_kwargs=(config, ("num_labels", "classifier_dropout")),
        )
        labels = given["num_labels"] or config.get("num_labels")
        if labels not in (None, 1):
            raise UnsupportedError(f"num_labels is {labels}, and only models with 1 run", "CrossEncoder")
        if modules is not None or given["model_name_or_path"] is None:
            raise UnsupportedError("a model is made from a checkpoint alone", "CrossEncoder", "name its folder")
        self.model = Model(
            given["model_name_or_path"], given["device"], given["cache_folder"], revision or "main",
            method="cross-encoder", dtype=dtype or dtype_of(model_options), threads=threads,
        )  # fmt: skip
        folder = self.model.folder
        saved = _read_json(folder, "config_sentence_transformers.json")
        self.prompts = {**saved.get("prompts", {}), **(prompts or {})}
        self.default_prompt_name = default_prompt_name or saved.get("default_prompt_name")
        if self.default_prompt_name is not None:
            self._prompt(None, self.default_prompt_name)
        self.activation_fn: Activation = given["activation_fn"] or _default_activation(
            saved, _read_json(folder, "config.json")
        )
        _activation(self.activation_fn)
        self.num_labels = 1
        self.max_length = given["max_length"] or min(
            int(
                processor.get("model_max_length")
                or _read_json(folder, "tokenizer_config.json").get("model_max_length", 1e30)
            ),
            self.model.info.max_positions,
        )

    @property
    def max_seq_length(self) -> int:
        """max_length by its newer name: tokens of a whole pair."""
        return self.max_length

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        self.max_length = tokens

    def predict(
        self,
        inputs: Inputs | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        pool: Any = None,
        chunk_size: int | None = None,
        *,
        num_workers: int = 0,
        **old_names: Any,
    ) -> Any:
        """Scores of pairs (query, passage): a float32 array [pairs], or one float32 for one pair.

        `prompt`, or the prompt of that name, goes before each query. convert_to_tensor gives a torch tensor instead
        (where torch is installed), convert_to_numpy=False a list. With one label, apply_softmax changes nothing. pool,
        chunk_size and num_workers are taken and not needed, and of device only that it names no GPU. Raises
        BadInputError for a batch_size below 1 and a prompt_name that is none.
        """
        given: dict[str, Any] = {"inputs": inputs, "activation_fn": activation_fn}
        take_old_names("predict", given, old_names, RENAMED_IN_CALLS)
        if given["inputs"] is None:
            raise TypeError("predict() misses its pairs: inputs")
        if batch_size < 1:
            raise BadInputError("must be at least 1", f"batch_size {batch_size}")
        target_devices(device)
        pairs = cast(Inputs, given["inputs"])
        is_pair = len(pairs) > 0 and isinstance(pairs[0], str)
        listed = cast("Sequence[Sequence[str]]", [pairs] if is_pair else pairs)
        activate, normalize = _activation(given["activation_fn"] or self.activation_fn)
        options = make_options(
            max_length=self.max_length, truncation="card", normalize=normalize,
            query_instruction=self._prompt(prompt, prompt_name),
        )  # fmt: skip
        scores = self._activated(self.model.score(listed, options, show_progress_bar), activate)
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
        apply_softmax: bool | None = False,
        device: Any = None,
        pool: Any = None,
        chunk_size: int | None = None,
        *,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        num_workers: int = 0,
        **old_names: Any,
    ) -> list[dict[str, Any]]:
        """Documents by falling score, ties in the order given: {"corpus_id": int, "score": float, "text": str}.

        "text" is there with return_documents. top_k: how many; None: all. The rest as for predict().
        """
        scores = self.predict(
            [(query, document) for document in documents], prompt_name, prompt, batch_size, show_progress_bar,
            activation_fn, device=device, **old_names,
        ).tolist()  # fmt: skip
        order = sorted(range(len(documents)), key=scores.__getitem__, reverse=True)
        results: list[dict[str, Any]] = []
        for i in order[:top_k]:
            results.append({"corpus_id": i, "score": scores[i]})
            if return_documents:
                results[-1]["text"] = documents[i]
        return results

    async def predict_async(self, inputs: Inputs, **arguments: Any) -> Any:
        """predict() on a thread of its own; the event loop goes on meanwhile. Cancelling it ends the work."""
        return await in_thread(self.predict, inputs, **arguments)

    async def rank_async(self, query: str, documents: Sequence[str], **arguments: Any) -> list[dict[str, Any]]:
        """rank() in the same way."""
        return await in_thread(self.rank, query, documents, **arguments)

    def start_multi_process_pool(self, target_devices: list[str] | None = None) -> dict[str, Any]:
        """A pool for predict(pool=...): an empty one, because the threads of one process do the work."""
        return {"input": None, "output": None, "processes": []}

    @staticmethod
    def stop_multi_process_pool(pool: dict[str, Any]) -> None:
        """There is nothing to stop; programs written for sentence-transformers call it."""

    def _prompt(self, prompt: str | None, prompt_name: str | None) -> str:
        """The text that goes before queries; empty: none."""
        if prompt is not None:
            return prompt
        name = prompt_name if prompt_name is not None else self.default_prompt_name
        if name is None:
            return ""
        if name not in self.prompts:
            raise BadInputError(f"is none of the prompts {list(self.prompts)}", f"prompt name {name!r}")
        return self.prompts[name] or ""

    @staticmethod
    def _activated(scores: NDArray[np.float64], activate: Callable[[Any], Any] | None) -> NDArray[np.float32]:
        import numpy as np

        single = scores.astype(np.float32)
        return single if activate is None else np.asarray(activate(single), dtype=np.float32)


def _default_activation(saved: dict[str, Any], config: dict[str, Any]) -> str:
    """The activation that a checkpoint names, by the last part of its Python name; else the sigmoid."""
    named = (
        saved.get("activation_fn")
        or config.get("sentence_transformers", {}).get("activation_fn")
        or config.get("sbert_ce_default_activation_function")
        or "torch.nn.Sigmoid"
    )
    if not str(named).startswith("torch."):
        warnings.warn(f"the checkpoint's activation {named} is code of its own: the sigmoid is taken", UserWarning,
                      stacklevel=3)  # fmt: skip
        return "Sigmoid"
    return str(named).rpartition(".")[2]


def _activation(named: Activation) -> tuple[Callable[[Any], Any] | None, bool]:
    """(what is left to call, whether the engine applies the sigmoid)."""
    name = (named if isinstance(named, str) else type(named).__name__).lower()
    if name in ("sigmoid", "identity"):
        return None, name == "sigmoid"
    if not callable(named):
        raise UnsupportedError(
            f"{named!r} is neither sigmoid nor identity", "activation_fn", "give a function of an array"
        )
    if type(named).__module__.partition(".")[0] == "torch":
        return _on_tensors(named), False
    return named, False


def _on_tensors(module: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A torch module as a function of an array."""

    def activate(scores: Any) -> Any:
        import torch

        return module(torch.from_numpy(scores)).numpy()

    return activate
