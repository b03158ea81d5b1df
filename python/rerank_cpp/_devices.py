"""FlagEmbedding's `devices` on CPUs: each device is a group of worker threads with weights of its own.

"cpu" is all CPUs that this process may use, and several of them divide these among their threads; "cpu:2" is those of
NUMA node 2, with the weights in that node's memory.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from .errors import BadInputError, TooShortError, UnsupportedError

Devices = str | int | Sequence[str] | Sequence[int] | None

_NODES = "/sys/devices/system/node"


def target_devices(devices: Devices) -> list[str]:
    """The names of the devices, one or more. ValueError for what names none, UnsupportedError for a GPU."""
    if devices is None:
        return ["cpu"]
    names: list[object] = list(devices) if isinstance(devices, Sequence) and not isinstance(devices, str) else [devices]
    if not names:
        raise TooShortError("is empty", "devices", "leave it out, or try 'cpu'")
    if not all(isinstance(name, (str, int)) for name in names):
        raise BadInputError(
            "should be a string or an integer or a list of strings or a list of integers", "devices", "try 'cpu'"
        )
    for name in names:
        if name != "cpu" and not str(name).startswith("cpu:"):
            raise UnsupportedError(
                "there is no GPU backend", f"device {name!r}", "leave devices out, or name 'cpu' or NUMA nodes 'cpu:0'"
            )
    return [str(name) for name in names]


def threads_of(device: str, devices: list[str]) -> int:
    """How many threads a group has where the caller leaves it open; 0: one for each of its CPUs.

    Groups on the same CPUs share them: with a thread for every CPU each, they would only take turns.
    """
    groups = devices.count(device)
    if groups == 1:
        return 0
    cpus = cpus_of(device) or os.sched_getaffinity(0)
    return max(1, len(cpus) // groups)


def cpus_of(device: str) -> set[int] | None:
    """The CPUs of a device; None: all that this process may use."""
    if device == "cpu":
        return None
    node = device.removeprefix("cpu:")
    try:
        with open(f"{_NODES}/node{int(node)}/cpulist", encoding="ascii") as file:
            listed = file.read().strip()
    except (OSError, ValueError):
        raise BadInputError(f"there is no NUMA node {node!r}", f"device {device!r}", "lscpu lists them") from None
    cpus: set[int] = set()
    for part in filter(None, listed.split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    usable = cpus & os.sched_getaffinity(0)
    if not usable:
        raise BadInputError("this process may use none of its CPUs", f"device {device!r}", "taskset shows which it may")
    return usable
