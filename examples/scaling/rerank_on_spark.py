#!/usr/bin/env python3
"""Reranks the open parts of a job with Spark: mapInPandas over the numbers of the parts, a task for each.

    spark-submit --master yarn --conf spark.task.cpus=4 examples/scaling/rerank_on_spark.py JOB --threads 4
    python examples/scaling/rerank_on_spark.py JOB --master 'local[2, 4]'

Spark repeats a task whose process died, on any executor (spark.task.maxFailures times; locally the second number of
the master). Needs Java, and the packages pyspark, pandas and pyarrow. On a cluster PYSPARK_PYTHON names the Python of
the executors, which has rerank_cpp.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import SparkSession
from rerank_cpp.jobs import Job, Worker, worker_of


def rerank(session: SparkSession, job: Job, threads: int, kind: type[Worker] = Worker) -> int:
    """Returns how many pairs were scored. `threads`: of each task."""
    folder = str(job.folder)

    def rerank_parts(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        worker = worker_of(folder, threads, kind)  # Spark keeps its Python processes, and they the model
        for frame in frames:
            yield pd.DataFrame({"part": frame["part"], "pairs": [worker.rerank(int(part)) for part in frame["part"]]})

    parts = job.open_parts()
    if not parts:
        return 0
    rows = session.sparkContext.parallelize([(part,) for part in parts], len(parts))
    done = session.createDataFrame(rows, "part long").mapInPandas(rerank_parts, "part long, pairs long")
    return sum(row.pairs for row in done.collect())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("job", help="the folder that `python -m rerank_cpp.jobs plan` made")
    parser.add_argument("--threads", type=int, default=1, help="of each task")
    parser.add_argument("--master", help="default: what spark-submit says")
    arguments = parser.parse_args()
    builder = SparkSession.builder.appName("rerank")
    if arguments.master:
        builder = builder.master(arguments.master)
        if arguments.master.startswith("local"):
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = builder.getOrCreate()
    print(rerank(session, Job(arguments.job), arguments.threads), "pairs")
    session.stop()


if __name__ == "__main__":
    main()
