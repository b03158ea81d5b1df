"""What FlagEmbedding's four reranker classes have in common."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ._devices import Devices
from ._engine import ScoreOptions
from ._hub import locate_model
from ._model import Model, make_options
from ._stop import in_thread
from .errors import (
    AdapterNotFoundError,
    BadInputError,
    ModelNotFoundError,
    NegativeLengthError,
    TooShortError,
    WrongTypeError,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SentencePairs = Sequence[Sequence[str]] | Sequence[str]
# One score a pair, in order; of several cutoff layers a list for each; an array where several devices share the work.
Scores: TypeAlias = "list[float] | list[list[float]] | NDArray[np.float64]"

# Arguments of compute_score that say how PyTorch should work, and mean nothing here.
_TORCH_ONLY = ("batch_size", "device", "use_dataloader", "num_workers")


class AbsReranker:
    """The base of FlagReranker and its siblings. Attributes may be changed between calls, as in FlagEmbedding."""

    _method: str
    _call_arguments: tuple[str, ...] = ()

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        half_precision: bool,
        query_instruction_for_rerank: str | None,
        query_instruction_format: str,
        passage_instruction_for_rerank: str | None,
        passage_instruction_format: str,
        cache_dir: str | None,
        devices: Devices,
        batch_size: int,
        query_max_length: int | None,
        max_length: int,
        normalize: bool,
        dtype: str | None,
        threads: int,
        adapter: str | None = None,
        kwargs: dict[str, Any],
    ) -> None:
        self.model_name_or_path = model_name_or_path
        self.query_instruction_for_rerank = query_instruction_for_rerank
        self.query_instruction_format = query_instruction_format
        self.passage_instruction_for_rerank = passage_instruction_for_rerank
        self.passage_instruction_format = passage_instruction_format
        self.batch_size = batch_size
        self.query_max_length = query_max_length
        self.max_length = max_length
        self.normalize = normalize
        self.kwargs = kwargs
        for name, value in kwargs.items():
            setattr(self, name, value)
        if kwargs:
            warnings.warn(f"kept as attributes, and not used: {', '.join(kwargs)}", UserWarning, stacklevel=3)
        self._last_options: tuple[tuple[Any, ...], ScoreOptions] | None = None
        self.model = Model(
            model_name_or_path,
            devices,
            cache_dir,
            method=self._method,
            dtype=dtype or ("auto" if half_precision else "f32"),
            threads=threads,
            adapter=_locate_adapter(adapter, cache_dir) if adapter else "",
        )
        self.target_devices = self.model.devices

    def compute_score(self, sentence_pairs: SentencePairs, **kwargs: Any) -> Scores:
        """Scores of one pair or a list of pairs (query, passage), in the order given.

        Keyword arguments override those of the constructor for this call: query_max_length, max_length, normalize;
        prompt of the LLM rerankers; cutoff_layers, compress_layers and compress_ratio where the class has them.
        batch_size, device, use_dataloader and num_workers are taken and not needed.

        Returns a list of floats, for one pair too; of several cutoff layers a list of such lists; with several devices
        a numpy array. Raises errors.RerankError for a text or an option that does not fit; each is also the exception
        that FlagEmbedding raises, where it raises one.
        """
        if len(sentence_pairs) == 0:
            return []
        if isinstance(sentence_pairs[0], str):
            sentence_pairs = [cast("Sequence[str]", sentence_pairs)]
        batch_size = kwargs.get("batch_size")
        if (self.batch_size if batch_size is None else batch_size) < 1:
            raise BadInputError("must be at least 1", "batch_size")
        options = self._options(kwargs)
        scores = self.model.score(sentence_pairs, options)
        if len(self.target_devices) > 1:
            return scores
        listed: Scores = scores.tolist()
        return listed

    async def compute_score_async(self, sentence_pairs: SentencePairs, **kwargs: Any) -> Scores:
        """compute_score on a thread of its own; the event loop goes on meanwhile. Cancelling it ends the work."""
        return await in_thread(self.compute_score, sentence_pairs, **kwargs)

    def stop_self_pool(self) -> None:
        """There is no pool of processes to stop; FlagEmbedding's programs call it."""

    def _options(self, call: dict[str, Any]) -> ScoreOptions:
        """The options of a call: its own arguments, then the attributes. Kept while they stay the same."""
        given = {name: value for name, value in call.items() if value is not None and name not in _TORCH_ONLY}
        values = self._values(given)
        for name in ("query_max_length", "max_length", "normalize"):
            values[name] = given.pop(name, getattr(self, name))
        if given:
            known = ", ".join(("query_max_length", "max_length", "normalize", *self._call_arguments, *_TORCH_ONLY))
            raise TypeError(f"compute_score() has no argument {', '.join(map(repr, given))}; it has {known}")
        values["query_max_length"] = values["query_max_length"] or 0
        values["query_instruction"] = self.query_instruction_for_rerank or ""
        values["query_instruction_format"] = self.query_instruction_format
        values["passage_instruction"] = self.passage_instruction_for_rerank or ""
        values["passage_instruction_format"] = self.passage_instruction_format
        key = tuple(tuple(value) if isinstance(value, list) else value for value in values.values())
        last = self._last_options
        if last is not None and last[0] == key:
            return last[1]
        _check(values)
        options = make_options(**values)
        self.model.warn(options)
        self._last_options = (key, options)
        return options

    def _values(self, given: dict[str, Any]) -> dict[str, Any]:
        """Takes the arguments that only this class has out of `given`, as fields of ScoreOptions."""
        return {}


def _locate_adapter(name_or_path: str, cache_dir: str | None) -> str:
    try:
        return locate_model(name_or_path, cache_dir)
    except ModelNotFoundError as error:
        raise AdapterNotFoundError(error.what, error.where, error.mend) from None


def _check(values: dict[str, Any]) -> None:
    """Raises what FlagEmbedding raises, where the engine's own error is of another kind."""
    for name in ("max_length", "query_max_length"):
        if isinstance(values[name], int) and values[name] < 0:
            raise NegativeLengthError(f"is {values[name]}", name)
    for text in ("query", "passage"):
        name = f"{text}_instruction_format"
        if not isinstance(values[name], str):
            raise WrongTypeError(f"cannot be {values[name]!r}", name)
        if values[name].count("{}") > 2:
            raise TooShortError(f"{values[name]!r} has more than two {{}}", name, "an instruction and a text go in")


def as_layers(name: str, layers: Any) -> list[int]:
    """A list of layers from a list, a tuple, an array or one number; None: none."""
    if layers is None:
        return []
    if isinstance(layers, int):
        return [layers]
    try:
        return [int(layer) for layer in layers]
    except (TypeError, ValueError):
        raise WrongTypeError(f"{layers!r} is no list of layers", name) from None
