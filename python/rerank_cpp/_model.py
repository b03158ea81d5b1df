"""One checkpoint, loaded once for each device, and the options of a call."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._devices import Devices, cpus_of, target_devices, threads_of
from ._engine import Engine, ModelInfo, Score, ScoreOptions, StopSource
from ._hub import locate_model
from ._progress import Bar
from ._stop import current_stop
from .errors import WrongTypeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Pairs = Sequence[Sequence[str]]


def make_options(**values: Any) -> ScoreOptions:
    """ScoreOptions with these fields; the others keep their defaults.

    AttributeError for a name that is no field, WrongTypeError for a value that the field does not take.
    """
    options = ScoreOptions()
    for name, value in values.items():
        try:
            setattr(options, name, value)
        except TypeError:
            raise WrongTypeError(f"cannot be {value!r}", name) from None
    return options


def _load(folder: str | None, device: str, arguments: dict[str, Any]) -> Engine:
    cpus = cpus_of(device)
    if cpus is None:
        return Engine(folder, **arguments)
    result: list[Engine] = []
    errors: list[BaseException] = []

    def load() -> None:
        # Worker threads inherit the CPUs of the thread that starts them, and memory comes from where it is first used.
        try:
            os.sched_setaffinity(0, cpus)
            result.append(Engine(folder, **arguments))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return result[0]


class Model:
    """A checkpoint on one or more devices. Any number of threads may call it at once."""

    def __init__(
        self,
        name_or_path: str | os.PathLike[str] | None,
        devices: Devices = None,
        cache_folder: str | None = None,
        revision: str = "main",
        *,
        threads: int = 0,
        **arguments: Any,
    ) -> None:
        """`name_or_path`: a folder, a hub name in the local cache, or None for the embedded model.

        `threads`: of each device; 0: one for each of its CPUs. `arguments`: the others of Engine (dtype, method, ...).
        """
        folder = None if name_or_path is None else locate_model(name_or_path, cache_folder, revision)
        self.folder = folder
        self.devices = target_devices(devices)
        self._engines = [
            _load(folder, device, {**arguments, "threads": threads or threads_of(device, self.devices)})
            for device in self.devices
        ]
        self._warned: set[str] = set()

    @property
    def info(self) -> ModelInfo:
        return self._engines[0].info

    def warn(self, options: ScoreOptions) -> None:
        """Tells once of each thing in `options` that is not taken as written."""
        for remark in self._engines[0].remarks(options):
            if remark not in self._warned:
                self._warned.add(remark)
                warnings.warn(remark, UserWarning, stacklevel=4)

    def score(self, pairs: Pairs, options: ScoreOptions, progress: bool | None = None) -> NDArray[np.float64]:
        """[pairs], or [layers, pairs] of several cutoff layers."""
        with Bar(len(pairs), progress) as tell:
            if len(self._engines) == 1:
                return self._engines[0].score(pairs, options, tell, current_stop())
            return self._score_in_chunks(pairs, options, tell)

    def score_passages(
        self, query: str, passages: Sequence[str], options: ScoreOptions, progress: bool | None = None
    ) -> NDArray[np.float64]:
        """[passages]: the scores of one query's passages."""
        if len(self._engines) > 1:
            return self.score([(query, passage) for passage in passages], options, progress)
        with Bar(len(passages), progress) as tell:
            return self._engines[0].score_passages(query, passages, options, tell, current_stop())

    def score_details(self, pairs: Pairs, options: ScoreOptions, progress: bool | None = None) -> list[Score]:
        """Everything that is known of each pair; on the first device."""
        with Bar(len(pairs), progress) as tell:
            return self._engines[0].score_details(pairs, options, tell, current_stop())

    def _score_in_chunks(
        self, pairs: Pairs, options: ScoreOptions, tell: Callable[[int], object] | None
    ) -> NDArray[np.float64]:
        from concurrent.futures import ThreadPoolExecutor

        import numpy as np

        size = max(1, -(-len(pairs) // len(self._engines)))
        chunks = [pairs[first : first + size] for first in range(0, len(pairs), size)] or [pairs]
        stop = current_stop() or StopSource()
        done = [0] * len(chunks)

        def score(chunk_idx: int) -> NDArray[np.float64]:
            def tell_all(chunk_done: int) -> None:
                done[chunk_idx] = chunk_done
                if tell is not None:
                    tell(sum(done))

            return self._engines[chunk_idx].score(chunks[chunk_idx], options, tell and tell_all, stop)

        with ThreadPoolExecutor(len(chunks)) as pool:
            futures = [pool.submit(score, chunk_idx) for chunk_idx in range(len(chunks))]
            try:
                return np.concatenate([future.result() for future in futures], axis=-1)
            except BaseException:  # Ctrl-C among them: the pool waits for its threads
                stop.request_stop()
                raise
