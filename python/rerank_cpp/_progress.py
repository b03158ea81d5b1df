"""Progress bars: off, until somebody wants them."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from .errors import needs_extra

_wanted = False


def show_progress(wanted: bool = True) -> None:
    """Shows a tqdm bar for every call from now on, or none. Needs tqdm: the extra `progress`."""
    global _wanted
    if wanted:
        _tqdm()
    _wanted = wanted


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise needs_extra("tqdm", "progress") from None
    return tqdm


class Bar:
    """A bar over `total` pairs, if one is wanted: `with Bar(n) as progress: engine.score(..., progress)`.

    `wanted`: None leaves it to show_progress().
    """

    def __init__(self, total: int, wanted: bool | None = None) -> None:
        self._bar: Any = None
        if _wanted if wanted is None else wanted:
            self._bar = _tqdm()(total=total, unit="pair")

    def __enter__(self) -> Callable[[int], object] | None:
        return self._update if self._bar is not None else None

    def _update(self, pairs_done: int) -> None:
        self._bar.update(pairs_done - self._bar.n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
