"""Calls on threads of their own, which end when nobody waits for them any more."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ._engine import StopSource

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

_current: contextvars.ContextVar[StopSource | None] = contextvars.ContextVar("rerank_cpp_stop", default=None)


def current_stop() -> StopSource | None:
    """What ends the calls that are made here; None: nothing but Ctrl-C."""
    return _current.get()


async def in_thread(call: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
    """`call` on a thread of its own; the event loop goes on meanwhile.

    Who cancels it, as Ctrl-C does through asyncio.run(), ends the engine's work too: asyncio by itself would leave the
    thread running, and asyncio.run() would wait for its end.
    """
    import asyncio

    stop = StopSource()
    context = contextvars.copy_context()
    context.run(_current.set, stop)
    work = functools.partial(call, *args, **kwargs)
    try:
        return await asyncio.get_running_loop().run_in_executor(None, context.run, work)
    except BaseException:
        stop.request_stop()
        raise
