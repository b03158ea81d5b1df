#!/usr/bin/env python3
"""Reranks the open parts of a job with Ray Data: a stateful actor holds the model, and takes parts until none is left.

    python examples/scaling/rerank_on_ray_data.py JOB --workers 8 --threads 4

Ray starts an actor that died anew, and gives its part to another one. Needs the package ray[data].
"""

from __future__ import annotations

import argparse
from typing import Any

import ray
from rerank_cpp.jobs import Job, Worker


class RerankParts:
    """The actor."""

    def __init__(self, folder: str, threads: int, kind: type[Worker]) -> None:
        self.worker = kind(folder, threads)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"part": batch["part"], "pairs": [self.worker.rerank(int(part)) for part in batch["part"]]}


def rerank(job: Job, workers: int, threads: int, kind: type[Worker] = Worker) -> int:
    """Returns how many pairs were scored. `workers`: actors, each with so many threads and CPUs."""
    parts = job.open_parts()
    if not parts:
        return 0
    # A block for each part: Ray hands out and repeats whole blocks.
    done = ray.data.from_items([{"part": part} for part in parts], override_num_blocks=len(parts)).map_batches(
        RerankParts,
        fn_constructor_args=(str(job.folder), threads, kind),
        batch_size=1,
        num_cpus=threads,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    return int(done.sum("pairs"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("job", help="the folder that `python -m rerank_cpp.jobs plan` made")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    arguments = parser.parse_args()
    print(rerank(Job(arguments.job), arguments.workers, arguments.threads), "pairs")


if __name__ == "__main__":
    main()
