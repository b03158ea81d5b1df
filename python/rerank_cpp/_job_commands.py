"""The commands of `python -m rerank_cpp.jobs`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from .errors import RerankError
from .jobs import Job, Worker

_EXAMPLES = """examples:
  python -m rerank_cpp.jobs plan job --dataset scifact --run bm25.trec --model BAAI/bge-reranker-v2-m3 --dtype bf16
  python -m rerank_cpp.jobs work job --share 3/100     # the third of 100 programs, such as the tasks of a Slurm array
  python -m rerank_cpp.jobs status job
  python -m rerank_cpp.jobs collect job reranked.trec
"""


def _share(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no share, such as 3/100")
    return int(number), int(count)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rerank_cpp.jobs", description="Reranks a run in parts, on any number of machines.",
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    plan = commands.add_parser("plan", help="cut a run into parts; the same again goes on with the same job")
    work = commands.add_parser("work", help="rerank parts that are not done")
    status = commands.add_parser("status", help="say how many parts are done")
    collect = commands.add_parser("collect", help="check the parts, and join them to one run")
    for command in (plan, work, status, collect):
        command.add_argument("job", help="the folder of the job, where every machine sees it")
    plan.add_argument("--dataset", required=True, help="a folder in BEIR form")
    plan.add_argument("--run", required=True, help="the first stage's run in TREC form, query by query")
    plan.add_argument("--model", help="a folder, or a hub name in the local cache; default: the embedded model")
    plan.add_argument("--dtype", default="f32", help="f32 (the default), bf16 or int8")
    plan.add_argument("--cpu-level", default="", help="what the weakest machine has; default: that of the first")
    plan.add_argument("--top-k", type=int, default=100, help="passages of a query; 0: all")
    plan.add_argument("--queries-per-part", type=int, default=100)
    plan.add_argument("--tag", default="rerank", help="the last column")
    plan.add_argument("--options", type=json.loads, default={}, help='of ScoreOptions, as {"max_length": 256}')
    work.add_argument("--threads", type=int, default=0, help="default: one for each CPU")
    work.add_argument("--share", type=_share, default=(1, 1), metavar="I/N", help="only every Nth part, from the Ith")
    collect.add_argument("output", help="the file of the reranked run")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code: 0, or 1 for an error that was told on stderr."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "plan":
            fields = {name: value for name, value in vars(given).items() if name not in ("command", "job")}
            job = Job.create(given.job, **fields)
            print(f"{len(job.parts)} parts, {len(job.open_parts())} to do")
        elif given.command == "work":
            number, count = given.share
            job = Job(given.job)
            parts = [part for part in job.open_parts() if part % count == number - 1]
            worker = Worker(job, given.threads) if parts else None
            print(sum(worker.rerank(part) for part in parts) if worker else 0, "pairs")
        elif given.command == "status":
            job = Job(given.job)
            print(f"{len(job.parts)} parts, {len(job.open_parts())} to do")
        else:
            print(Job(given.job).collect(given.output), "pairs")
    except (RerankError, TypeError) as error:
        print(f"jobs: {error}", file=sys.stderr)
        return 1
    return 0
