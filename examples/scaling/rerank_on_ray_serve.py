#!/usr/bin/env python3
"""Serves a job's model with Ray Serve, and lets the same replicas rerank the job's open parts.

    python examples/scaling/rerank_on_ray_serve.py JOB --workers 8 --threads 4

Requests are POSTs of {"query": ..., "documents": [...], "top_n": 3}. Ray starts a replica that died anew; its part is
asked for again. Needs the package ray[serve].
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ray
from ray import serve
from rerank_cpp.jobs import Job, Worker
from starlette.requests import Request
from starlette.responses import JSONResponse

ATTEMPTS = 5


@serve.deployment
class RerankReplica:
    """One loaded model: answers requests, and reranks parts."""

    def __init__(self, folder: str, threads: int, kind: type[Worker]) -> None:
        self.worker = kind(folder, threads)

    async def __call__(self, request: Request) -> Any:
        try:
            asked = await request.json()
            query, documents = asked["query"], asked["documents"]
            scores = await self.worker.score_async(query, documents)
        except (KeyError, TypeError, ValueError) as error:  # no JSON, no texts, or a text that cannot be scored
            return JSONResponse({"message": repr(error)}, status_code=400)
        order = sorted(range(len(documents)), key=scores.__getitem__, reverse=True)
        return {"results": [{"index": i, "relevance_score": scores[i]} for i in order[: asked.get("top_n")]]}

    async def rerank(self, part: int) -> int:
        """The pairs that were scored."""
        return await self.worker.rerank_async(part)


def start(job: Job, workers: int, threads: int, kind: type[Worker] = Worker) -> Any:
    """The handle of so many replicas, each with so many threads and CPUs."""
    deployment = RerankReplica.options(num_replicas=workers, ray_actor_options={"num_cpus": threads})
    return serve.run(deployment.bind(str(job.folder), threads, kind), name="rerank", route_prefix="/rerank")


def rerank(job: Job, handle: Any, workers: int) -> int:
    """Returns how many pairs were scored. Each replica has two parts in hand, so that it never waits for the next."""

    def ask(part: int) -> int:
        for _ in range(ATTEMPTS - 1):
            try:
                return int(handle.rerank.remote(part).result())
            except ray.exceptions.RayActorError:
                pass  # the replica died
        return int(handle.rerank.remote(part).result())

    with ThreadPoolExecutor(2 * workers) as pool:
        counts: Iterator[int] = pool.map(ask, job.open_parts())
        return sum(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("job", help="the folder that `python -m rerank_cpp.jobs plan` made")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    parser.add_argument("--stay", action="store_true", help="go on serving when the job is done")
    arguments = parser.parse_args()
    job = Job(arguments.job)
    handle = start(job, arguments.workers, arguments.threads)
    print(rerank(job, handle, arguments.workers), "pairs", flush=True)
    if arguments.stay:
        input("Enter ends it")
    serve.shutdown()


if __name__ == "__main__":
    main()
