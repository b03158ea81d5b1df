#!/usr/bin/env python3
"""Reranks the open parts of a job with Dask: a task for each part, on a cluster that runs already or on this machine.

    python examples/scaling/rerank_on_dask.py JOB --scheduler tcp://scheduler:8786 --threads 4
    python examples/scaling/rerank_on_dask.py JOB --workers 2

Workers of the cluster are started with `dask worker --nthreads 1`: the engine has threads of its own. Dask gives the
tasks of a worker that died to others. Needs the package distributed.
"""

from __future__ import annotations

import argparse

from dask.distributed import Client, LocalCluster, as_completed
from rerank_cpp.jobs import Job, Worker, worker_of


def rerank_part(part: int, folder: str, threads: int, kind: type[Worker]) -> int:
    """The pairs that were scored."""
    return worker_of(folder, threads, kind).rerank(part)


def rerank(client: Client, job: Job, threads: int, kind: type[Worker] = Worker) -> int:
    """Returns how many pairs were scored. `threads`: of each worker."""
    tasks = client.map(
        rerank_part, job.open_parts(), folder=str(job.folder), threads=threads, kind=kind, pure=False, retries=3
    )
    return sum(task.result() for task in as_completed(tasks))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("job", help="the folder that `python -m rerank_cpp.jobs plan` made")
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--scheduler", help="the address of a cluster; default: one on this machine")
    where.add_argument("--workers", type=int, default=2, help="of the cluster on this machine")
    arguments = parser.parse_args()
    job = Job(arguments.job)
    if arguments.scheduler:
        with Client(arguments.scheduler) as client:
            print(rerank(client, job, arguments.threads), "pairs")
        return
    with LocalCluster(n_workers=arguments.workers, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            print(rerank(client, job, arguments.threads), "pairs")


if __name__ == "__main__":
    main()
