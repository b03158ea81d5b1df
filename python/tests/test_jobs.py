"""Jobs in parts: what is planned, what a restart does, and that nothing wrong is ever joined."""

from __future__ import annotations

import json
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import ROOT
from dying_worker import DYING_PART, DyingAfterwardsWorker, DyingWorker
from rerank_cpp import Reranker
from rerank_cpp.errors import BadInputError, CorruptModelError, ModelNotFoundError, UnsupportedError
from rerank_cpp.jobs import Job, Worker, worker_of

COLLECTION = ROOT / "examples" / "collection"
RUN = COLLECTION / "bm25.trec"


def plan(folder: pathlib.Path, **arguments: Any) -> Job:
    return Job.create(folder, **{"dataset": COLLECTION, "run": RUN, "top_k": 5, "queries_per_part": 2, **arguments})


@pytest.fixture(scope="module")
def expected(tmp_path_factory: Any) -> bytes:
    """What one machine makes of the run, part by part."""
    folder = tmp_path_factory.mktemp("expected")
    job = plan(folder / "job")
    worker = Worker(job, threads=2)
    assert [worker.rerank(part) for part in job.open_parts()] == [10] * 4
    assert job.collect(folder / "out.trec") == 40
    return (folder / "out.trec").read_bytes()


def test_scores_and_order_are_those_of_one_call(expected: bytes, embedded: Reranker) -> None:
    rows = [line.split() for line in expected.decode().splitlines()]
    queries = {row["_id"]: row["text"] for row in map(json.loads, (COLLECTION / "queries.jsonl").open())}
    passages = {row["_id"]: f"{row['title']} {row['text']}" for row in map(json.loads, (COLLECTION / "corpus.jsonl").open())}  # fmt: skip  # noqa: E501
    for row in rows[:10]:
        assert float(row[4]) == pytest.approx(embedded.score(queries[row[0]], passages[row[2]]), rel=1e-6)
    assert [row[3] for row in rows] == [str(rank) for _ in range(8) for rank in range(1, 6)]
    scores = [float(row[4]) for row in rows]
    assert all(scores[i] >= scores[i + 1] for i in range(39) if i % 5 != 4)


def test_equals_the_command_line(expected: bytes, tmp_path: pathlib.Path) -> None:
    binary = os.environ.get("RERANK_BINARY") or shutil.which("rerank") or str(ROOT / "build" / "release" / "rerank")
    if not pathlib.Path(binary).is_file():
        pytest.skip("no rerank binary is built")
    output = tmp_path / "out.trec"
    command = [
        binary,
        "run",
        "--dataset",
        COLLECTION,
        "--run",
        RUN,
        "--output",
        output,
        "--top-k",
        "5",
        "--dtype",
        "f32",
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert output.read_bytes() == expected


@pytest.mark.parametrize("kind", [DyingWorker, DyingAfterwardsWorker])
def test_a_killed_program_goes_on(kind: type[Worker], expected: bytes, tmp_path: pathlib.Path) -> None:
    job = plan(tmp_path / "job")
    child = multiprocessing.get_context("spawn").Process(target=rerank_all, args=(job, kind))
    child.start()
    child.join()
    assert child.exitcode == -9
    again = plan(tmp_path / "job")
    assert again.open_parts() == ([2, 3] if kind is DyingWorker else [3])
    with pytest.raises(BadInputError, match="of 4 parts are not done"):
        again.collect(tmp_path / "out.trec")
    assert not (tmp_path / "out.trec").exists()
    rerank_all(again, kind)
    assert again.collect(tmp_path / "out.trec") == 40
    assert (tmp_path / "out.trec").read_bytes() == expected


def rerank_all(job: Job, kind: type[Worker]) -> None:
    worker = kind(job, threads=2)
    for part in job.open_parts():
        worker.rerank(part)


def test_workers_that_do_the_same_part_at_once_write_it_once(expected: bytes, tmp_path: pathlib.Path) -> None:
    job = plan(tmp_path / "job")
    worker = Worker(job, threads=2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(worker.rerank, [part for part in job.parts for _ in range(2)]))
    assert job.collect(tmp_path / "out.trec") == 40
    assert (tmp_path / "out.trec").read_bytes() == expected
    assert not list((job.folder / "drafts").iterdir())
    assert worker.rerank(0) == 0  # done already


def test_a_process_loads_a_worker_once(tmp_path: pathlib.Path) -> None:
    job = plan(tmp_path / "job")
    assert worker_of(job.folder, 2) is worker_of(job.folder, 2)
    assert worker_of(job.folder, 1) is not worker_of(job.folder, 2)


def test_what_was_changed_is_found(expected: bytes, tmp_path: pathlib.Path) -> None:
    job = plan(tmp_path / "job")
    rerank_all(job, Worker)
    path = job.folder / "parts" / f"part-{DYING_PART:08}.trec"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for changed in (
        whole[:-20],
        b"".join(lines[1:]),
        b"".join([*lines, lines[0]]),
        b"",
        b"".join(lines[5:] + lines[:5]),
    ):
        path.write_bytes(changed)
        with pytest.raises(CorruptModelError, match="delete the file"):
            job.collect(tmp_path / "out.trec")
    assert not list(tmp_path.glob("*out.trec*"))
    path.unlink()
    rerank_all(job, Worker)
    job.collect(tmp_path / "out.trec")
    assert (tmp_path / "out.trec").read_bytes() == expected


def test_another_job_is_not_gone_on_with(tmp_path: pathlib.Path) -> None:
    plan(tmp_path / "job", options={"max_length": 128})
    with pytest.raises(BadInputError, match="another options"):
        plan(tmp_path / "job")
    run = tmp_path / "run.trec"
    run.write_bytes(RUN.read_bytes().replace(b"sky-noon 2 6.1747", b"sky-noon 2 1.1747"))
    with pytest.raises(BadInputError, match="another run, inputs"):
        plan(tmp_path / "job", options={"max_length": 128}, run=run)
    model = tmp_path / "model"
    shutil.copytree(ROOT / "models" / "embedded", model)
    plan(tmp_path / "named", model=model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "trained": "again"}))
    with pytest.raises(BadInputError, match="another weights"):
        plan(tmp_path / "named", model=model)


def test_machines_that_compute_otherwise_are_refused(tmp_path: pathlib.Path) -> None:
    job = plan(tmp_path / "job")
    worker = Worker(job, threads=1)
    worker.rerank(0)
    read = job.read(1)
    with pytest.raises(UnsupportedError, match="scores are bf16 on amx, those of the job f32 on"):
        job.write(1, read, [0.0] * len(read.pairs), "bf16", "amx")
    assert job.open_parts() == [1, 2, 3]
    level = plan(tmp_path / "scalar", cpu_level="scalar").load_model(1).info.cpu_level
    assert level == "scalar"


@pytest.mark.parametrize(("line", "what"), [
    ("q1 Q0 sky-noon 1", "is no line of a run"),
    ("q1 Q0 sky-noon 1 high bm25", "is no line of a run"),
    ("q1 Q0 sky-noon 1 nan bm25", "is no line of a run"),
    ("q1 Q0 sky-noon 1 3 bm25", "'sky-noon' is there twice"),
    ("q1 Q0 nobody 1 30 bm25", "'nobody' is in the run, and not here"),
    ("q9 Q0 sky-noon 1 3 bm25", "'q9' is in the run, and not here"),
    ("q2 Q0 sky-noon 1 3 bm25\nq1 Q0 sky-mars 9 1 bm25", "query 'q1' comes again behind others"),
])  # fmt: skip
def test_bad_runs_are_told_before_any_work(line: str, what: str, tmp_path: pathlib.Path) -> None:
    run = tmp_path / "run.trec"
    run.write_text(f"q1 Q0 sky-noon 1 3 bm25\n{line}\n")
    with pytest.raises(BadInputError, match=what):
        plan(tmp_path / "job", run=run)
    assert not (tmp_path / "job" / "job.json").exists()


def test_bad_collections_and_arguments_are_told(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "collection"
    shutil.copytree(COLLECTION, folder)
    with (folder / "corpus.jsonl").open("a") as file:
        file.write('{"_id": "sky-noon", "text": "again"}\n')
    with pytest.raises(BadInputError, match="an id is there twice"):
        plan(tmp_path / "job", dataset=folder)
    (folder / "queries.jsonl").write_text('{"_id": 3}\n')
    with pytest.raises(BadInputError, match="is no record"):
        plan(tmp_path / "job", dataset=folder)
    (tmp_path / "empty.trec").write_text("\n")
    with pytest.raises(BadInputError, match="holds no ranking"):
        plan(tmp_path / "job", run=tmp_path / "empty.trec")
    with pytest.raises(BadInputError, match="queries_per_part 0"):
        plan(tmp_path / "job", queries_per_part=0)
    with pytest.raises(TypeError, match="no such option"):
        plan(tmp_path / "job", options={"max_len": 3})
    with pytest.raises(ModelNotFoundError, match="Job.create"):
        Job(tmp_path / "nowhere")
    with pytest.raises(ModelNotFoundError, match="No such file"):
        plan(tmp_path / "job", run=tmp_path / "nowhere.trec")


def test_a_pair_that_cannot_be_scored_is_named(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "collection"
    shutil.copytree(COLLECTION, folder)
    corpus = (folder / "corpus.jsonl").read_text().splitlines()
    broken = [line if '"sky-noon"' not in line else '{"_id": "sky-noon", "text": "half of \\ud83d"}' for line in corpus]
    (folder / "corpus.jsonl").write_text("\n".join(broken))
    worker = Worker(plan(tmp_path / "job", dataset=folder), threads=1)
    with pytest.raises(BadInputError, match="query 'q1', passage 'sky-noon'"):
        worker.rerank(0)


def test_the_commands(expected: bytes, tmp_path: pathlib.Path) -> None:
    def jobs(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rerank_cpp.jobs", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    job = tmp_path / "job"
    planned = ("plan", job, "--dataset", COLLECTION, "--run", RUN, "--top-k", "5", "--queries-per-part", "2")
    assert jobs(*planned).stdout == "4 parts, 4 to do\n"
    assert jobs("work", job, "--threads", "2", "--share", "1/2").stdout == "20 pairs\n"
    assert jobs("status", job).stdout == "4 parts, 2 to do\n"
    failed = jobs("collect", job, tmp_path / "out.trec")
    assert failed.returncode == 1 and "2 of 4 parts are not done, the first is 1" in failed.stderr
    assert jobs("work", job, "--threads", "2").stdout == "20 pairs\n"
    assert jobs("collect", job, tmp_path / "out.trec").stdout == "40 pairs\n"
    assert (tmp_path / "out.trec").read_bytes() == expected
    assert jobs("work", job, "--share", "3/2").returncode == 2
    assert "plan job --dataset" in jobs("--help").stdout
