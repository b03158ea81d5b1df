"""The programs of examples/scaling on clusters of this machine, with a worker killed in the middle of a part. Each is
skipped where its packages are not installed (requirements-cluster.txt), Spark's where there is no Java."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT
from dying_worker import DyingWorker
from rerank_cpp import ScoreOptions
from rerank_cpp.jobs import Job, Worker
from test_jobs import plan, rerank_all

EXAMPLES = ROOT / "examples" / "scaling"
# The processes of the frameworks import the examples and the dying worker as this one does.
PATHS = [str(EXAMPLES), str(pathlib.Path(__file__).parent)]


@pytest.fixture(autouse=True)
def paths(monkeypatch: Any) -> None:
    for path in PATHS:
        monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*PATHS, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture
def job(tmp_path: pathlib.Path) -> Job:
    """One that was interrupted: the first of four parts is done."""
    job = plan(tmp_path / "job")
    Worker(job, threads=1).rerank(0)
    return job


@pytest.fixture(scope="module")
def expected(tmp_path_factory: Any) -> bytes:
    folder = tmp_path_factory.mktemp("expected")
    job = plan(folder / "job")
    rerank_all(job, Worker)
    job.collect(folder / "out.trec")
    return (folder / "out.trec").read_bytes()


def is_whole(job: Job, expected: bytes) -> None:
    """A worker died, its draft is there, and every pair came out once."""
    assert (job.folder / "died").exists() and (job.folder / "drafts" / "part-00000002.trec.torn").exists()
    assert job.open_parts() == []
    assert job.collect(job.folder / "out.trec") == 40
    assert (job.folder / "out.trec").read_bytes() == expected


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    paths = os.pathsep.join([*PATHS, *filter(None, sys.path)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", paths)
        # A minute is too short for its proxy to start on a machine that does other work.
        patch.setattr("ray.serve._private.api.HTTP_PROXY_TIMEOUT", 600, raising=False)
        # As many as the examples ask for, however few this machine has: here nothing has to be fast.
        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="error",
                 runtime_env={"env_vars": {"PYTHONPATH": paths}})  # fmt: skip
        yield ray
        ray.shutdown()


def test_ray_data(job: Job, expected: bytes, ray: Any) -> None:
    pytest.importorskip("pyarrow")
    import rerank_on_ray_data

    ray.data.DataContext.get_current().enable_progress_bars = False
    assert rerank_on_ray_data.rerank(job, workers=2, threads=1, kind=DyingWorker) == 30
    is_whole(job, expected)
    assert rerank_on_ray_data.rerank(job, workers=2, threads=1) == 0


def test_ray_serve(job: Job, expected: bytes, ray: Any) -> None:
    serve = pytest.importorskip("ray.serve")
    import rerank_on_ray_serve

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    try:
        handle = rerank_on_ray_serve.start(job, workers=2, threads=1, kind=DyingWorker)
        assert rerank_on_ray_serve.rerank(job, handle, workers=2) == 30
        is_whole(job, expected)

        def post(body: bytes) -> Any:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/rerank", body)
            return json.load(urllib.request.urlopen(request, timeout=60))

        asked = {"query": "what do pandas eat?", "documents": ["Rust is iron.", "Pandas eat bamboo."], "top_n": 1}
        (best,) = post(json.dumps(asked).encode())["results"]
        (score,) = Worker(job, threads=1).model.score_passages(asked["query"], asked["documents"][1:], ScoreOptions())
        assert best == {"index": 1, "relevance_score": score}
        for bad in (b"{", b'{"query": "q"}', b'{"query": "q", "documents": [3]}'):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                post(bad)
    finally:
        serve.shutdown()


def test_spark(job: Job, expected: bytes, monkeypatch: Any) -> None:
    pytest.importorskip("pyspark")
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    if shutil.which("java") is None:
        pytest.skip("no Java")
    import rerank_on_spark
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    session = (
        SparkSession.builder.master("local[2, 4]")
        .appName("rerank")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    try:
        assert rerank_on_spark.rerank(session, job, threads=1, kind=DyingWorker) == 30
        is_whole(job, expected)
        assert rerank_on_spark.rerank(session, job, threads=1) == 0
    finally:
        session.stop()


def test_dask(job: Job, expected: bytes) -> None:
    distributed = pytest.importorskip("dask.distributed")
    import rerank_on_dask

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            assert rerank_on_dask.rerank(client, job, threads=1, kind=DyingWorker) == 30
            is_whole(job, expected)


def test_commands_of_the_page(tmp_path: pathlib.Path) -> None:
    """examples/scaling/on_one_machine, which docs/scaling.md shows."""
    pytest.importorskip("dask.distributed")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    environment = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-eu", tmp_path / "examples" / "scaling" / "on_one_machine"], cwd=tmp_path,
                          env=environment, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reranked.trec").read_bytes().count(b"\n") == 320
