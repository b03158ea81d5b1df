"""Reranking a run on many machines: the run cut into parts of whole queries, each part's ranking a file of its own.

    job = Job.create("job", dataset="scifact", run="bm25.trec", model="BAAI/bge-reranker-v2-m3", dtype="bf16")
    for part in job.open_parts():                  # on any number of machines: Worker("job").rerank(part)
        Worker(job).rerank(part)
    job.collect("reranked.trec")

The folder of a job holds all that is known of it, on a file system that every machine sees. A part's file appears
whole or not at all, and the score of a pair depends on that pair alone. So nothing is lost and nothing is doubled: a
part that was cut off is done again, a part that two machines do at once has the same bytes from both, and create()
with the same arguments goes on where the last program stopped. collect() proves it, pair by pair. examples/scaling has
the programs for Ray, Spark and Dask.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._collection import Ranking, Texts, as_single, fingerprint, publish, read_run
from ._model import Model, make_options
from ._stop import in_thread
from .errors import BadInputError, CorruptModelError, ModelNotFoundError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class PartPairs:
    """What is to be scored in a part: queries and passages [pairs], each with its id."""

    query_ids: list[str]
    passage_ids: list[str]
    pairs: list[tuple[str, str]]


class Job:
    """A run that is being reranked. May be used from many threads, and sent to other processes."""

    def __init__(self, folder: StrPath) -> None:
        """Opens what create() made."""
        self.folder = Path(folder).absolute()
        try:
            self._description: dict[str, Any] = json.loads((self.folder / "job.json").read_bytes())
        except OSError as error:
            raise ModelNotFoundError(str(error.strerror), str(self.folder / "job.json"), "see Job.create") from None
        self._parts: list[list[int]] = self._description["parts"]

    @classmethod
    def create(
        cls,
        folder: StrPath,
        *,
        dataset: StrPath,
        run: StrPath,
        model: StrPath | None = None,
        method: str = "",
        dtype: str = "f32",
        cpu_level: str = "",
        top_k: int = 100,
        queries_per_part: int = 100,
        tag: str = "rerank",
        options: Mapping[str, Any] | None = None,
    ) -> Job:
        """Plans a job; where the folder holds the same one already, goes on with it.

        `dataset`: a BEIR folder; `run`: TREC's form, query by query; `model`, `method`, `dtype`: as for Reranker.
        `cpu_level`: "avx2" and so on, what the weakest machine has; empty: that of the machine that begins, and
        machines that have another are refused. `top_k`: how many passages of a query; 0: all. `tag`: the last column.
        `options`: fields of ScoreOptions. Reads the run, the collection and the model through once. BadInputError for
        a text that is missing, or a folder that holds another job.
        """
        try:  # now, and not on a hundred machines
            make_options(**(options or {}))
        except AttributeError as error:
            raise TypeError(f"Job.create() has no such option: {error}") from None
        if queries_per_part < 1:
            raise BadInputError("must be at least 1", f"queries_per_part {queries_per_part}")
        paths = {"run": Path(run).absolute(), "dataset": Path(dataset).absolute()}
        home = Path(folder).absolute()
        for name in ("parts", "drafts"):
            (home / name).mkdir(parents=True, exist_ok=True)
        wanted = {
            "version": 1,
            "dataset": str(paths["dataset"]),
            "run": str(paths["run"]),
            "inputs": {
                "run": fingerprint(paths["run"]),
                **{name: fingerprint(paths["dataset"] / f"{name}.jsonl") for name in ("queries", "corpus")},
            },
            "model": os.fspath(model) if model is not None else None,
            "weights": _weights(model),
            "method": method,
            "dtype": dtype,
            "cpu_level": cpu_level,
            "top_k": top_k,
            "queries_per_part": queries_per_part,
            "tag": "_".join(tag.split()),
            "options": dict(options or {}),
        }
        if not (home / "job.json").exists():
            parts = _plan(home, paths["dataset"], paths["run"], top_k, queries_per_part)
            try:
                publish(json.dumps({**wanted, "parts": parts}).encode(), home / "job.json", home / "drafts", once=True)
            except FileExistsError:
                pass  # another program planned at the same time; the same, or told apart below
        job = cls(home)
        # As JSON gives it back: tuples among the options are lists there.
        differing = [name for name, value in json.loads(json.dumps(wanted)).items() if job._description[name] != value]
        if differing:
            raise BadInputError(f"holds a job with another {', '.join(differing)}", str(home),
                                "go on with the same one, or name another folder")  # fmt: skip
        return job

    @property
    def parts(self) -> range:
        """All parts."""
        return range(len(self._parts))

    def open_parts(self) -> list[int]:
        """The parts that are not done."""
        done = set(os.listdir(self.folder / "parts"))
        return [part for part in self.parts if _part_name(part) not in done]

    def is_done(self, part: int) -> bool:
        """Whether a part's ranking is there."""
        return self._part_path(part).exists()

    def load_model(self, threads: int = 0) -> Model:
        """The job's model, with so many worker threads; 0: one for each CPU."""
        described = self._description
        return Model(
            described["model"],
            method=described["method"],
            dtype=described["dtype"],
            cpu_level=described["cpu_level"],
            threads=threads,
        )

    @property
    def options(self) -> dict[str, Any]:
        """What differs from ScoreOptions' defaults."""
        return dict(self._description["options"])

    def read(self, part: int) -> PartPairs:
        """The pairs of a part, query by query, those of a query by falling score of the first stage."""
        read = PartPairs([], [], [])
        with Texts(Path(self._description["dataset"]), self.folder / "texts.sqlite") as texts:
            for ranking in self._rankings(part):
                query = texts.query(ranking.query_id)
                for passage_id in ranking.best(self._description["top_k"]):
                    read.query_ids.append(ranking.query_id)
                    read.passage_ids.append(passage_id)
                    read.pairs.append((query, texts.passage(passage_id)))
        return read

    def write(
        self, part: int, read: PartPairs, scores: Sequence[float] | NDArray[np.float64], dtype: str, cpu_level: str
    ) -> None:
        """Ranks a part by its scores [pairs], and gives it its file. `dtype` and `cpu_level`: of the ModelInfo that
        made the scores; UnsupportedError where other parts were made with others."""
        if len(scores) != len(read.pairs):
            raise BadInputError(f"has {len(scores)} scores for {len(read.pairs)} pairs", f"part {part}")
        self._hold_to({"dtype": dtype, "cpu_level": cpu_level})
        by_query: dict[str, list[tuple[float, str]]] = {}
        for query_id, passage_id, score in zip(read.query_ids, read.passage_ids, scores, strict=True):
            by_query.setdefault(query_id, []).append((as_single(score), passage_id))
        lines = []
        for query_id, scored in by_query.items():
            scored.sort(key=lambda entry: (entry[0], entry[1].encode()), reverse=True)
            for rank, (score, passage_id) in enumerate(scored, 1):
                lines.append(f"{query_id} Q0 {passage_id} {rank} {_written(score)} {self._description['tag']}\n")
        publish("".join(lines).encode(), self._part_path(part), self.folder / "drafts")

    def collect(self, output: StrPath) -> int:
        """Joins the parts to one run in the order of the first stage; returns how many pairs it has.

        Each part is compared with what it was to rank: CorruptModelError unless every pair is there once and nothing
        else, BadInputError while parts are open. The output appears whole or not at all.
        """
        open_parts = self.open_parts()
        if open_parts:
            raise BadInputError(
                f"{len(open_parts)} of {len(self.parts)} parts are not done, the first is {open_parts[0]}",
                str(self.folder),
            )
        path = Path(output).absolute()
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        pairs = 0
        try:
            with draft.open("wb") as file:
                for part in self.parts:
                    pairs += self._check(part)
                    file.write(self._part_path(part).read_bytes())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return pairs

    def _check(self, part: int) -> int:
        top_k = self._description["top_k"]
        wanted = [(ranking.query_id, sorted(ranking.best(top_k))) for ranking in self._rankings(part)]
        path = self._part_path(part)
        try:
            found = [(ranking.query_id, sorted(ranking.best(0))) for ranking in read_run(path)]
        except BadInputError as error:
            raise CorruptModelError(error.what, error.where, "delete the file, and run the job again") from None
        if found != wanted:
            raise CorruptModelError("has other pairs than its part of the run", str(path),
                                    "delete the file, and run the job again")  # fmt: skip
        return sum(len(passages) for _, passages in wanted)

    def _rankings(self, part: int) -> Iterator[Ranking]:
        begin, end = self._parts[part]
        return read_run(Path(self._description["run"]), begin, end)

    def _part_path(self, part: int) -> Path:
        if part not in self.parts:
            raise BadInputError(f"there are {len(self.parts)} parts", f"part {part}")
        return self.folder / "parts" / _part_name(part)

    def _hold_to(self, numbers: dict[str, str]) -> None:
        """The first who writes says how all scores are computed: only then are they the same bits on every machine."""
        path = self.folder / "numbers.json"
        if not path.exists():
            try:
                publish(json.dumps(numbers).encode(), path, self.folder / "drafts", once=True)
            except FileExistsError:
                pass
        agreed = json.loads(path.read_bytes())
        if agreed != numbers:
            raise UnsupportedError(
                f"scores are {numbers['dtype']} on {numbers['cpu_level']}, those of the job {agreed['dtype']} on "
                f"{agreed['cpu_level']}", os.uname().nodename,
                "plan the job with the dtype and cpu_level of its weakest machine",
            )  # fmt: skip


class Worker:
    """Reranks parts of a job with a model that is loaded once. May be called from many threads."""

    def __init__(self, job: Job | StrPath, threads: int = 0) -> None:
        """`threads`: 0: one for each CPU."""
        self.job = job if isinstance(job, Job) else Job(job)
        self.model = self.job.load_model(threads)
        self._options = make_options(**self.job.options)
        self.model.warn(self._options)

    def rerank(self, part: int) -> int:
        """Ranks a part, unless that is done; returns how many pairs were scored. RerankError names the pair that
        cannot be."""
        if self.job.is_done(part):
            return 0
        read = self.job.read(part)
        try:
            scores = self.model.score(read.pairs, self._options)
        except BadInputError as error:
            raise BadInputError(error.what, _named(error.where, read), error.mend) from None
        if scores.ndim > 1:
            scores = scores[-1]  # of several layers the last one asked for
        self.write(part, read, scores)
        return len(read.pairs)

    async def rerank_async(self, part: int) -> int:
        """rerank() on a thread of its own. Cancelling it ends the work; the part stays open."""
        return await in_thread(self.rerank, part)

    async def score_async(self, query: str, passages: Sequence[str]) -> list[float]:
        """The scores of other passages by the job's model and options, for services that answer requests as well."""
        scores = await in_thread(self.model.score_passages, query, passages, self._options)
        listed: list[float] = (scores[-1] if scores.ndim > 1 else scores).tolist()
        return listed

    def write(self, part: int, read: PartPairs, scores: NDArray[np.float64]) -> None:
        """Gives a part its file."""
        info = self.model.info
        self.job.write(part, read, scores.tolist(), info.dtype, info.cpu_level)


_workers: dict[tuple[object, ...], Worker] = {}
_workers_lock = threading.Lock()


def worker_of(folder: StrPath, threads: int = 0, kind: type[Worker] = Worker) -> Worker:
    """The worker of this process for a job, loaded once for all tasks that a framework runs here one after another."""
    key = (os.getpid(), os.fspath(folder), threads, kind)
    with _workers_lock:
        if key not in _workers:
            _workers.clear()  # one model at a time
            _workers[key] = kind(folder, threads)
        return _workers[key]


def _plan(home: Path, dataset: Path, run: Path, top_k: int, queries_per_part: int) -> list[list[int]]:
    """Writes the index of texts, and cuts the run: [parts] of [begin, end) in bytes."""
    draft = home / "drafts" / f"texts.{os.getpid()}.{os.urandom(8).hex()}"
    Texts.build(dataset, draft)
    parts: list[list[int]] = []
    seen: set[str] = set()
    with Texts(dataset, draft) as texts:
        for number, ranking in enumerate(read_run(run)):
            if ranking.query_id in seen:
                raise BadInputError(f"query {ranking.query_id!r} comes again behind others",
                                    f"{run}, byte {ranking.begin}", "sort the run by query")  # fmt: skip
            seen.add(ranking.query_id)
            texts.check(ranking, top_k)
            if number % queries_per_part == 0:
                parts.append([ranking.begin, ranking.end])
            parts[-1][1] = ranking.end
    if not parts:
        raise BadInputError("holds no ranking", str(run))
    draft.replace(home / "texts.sqlite")
    return parts


def _weights(model: StrPath | None) -> dict[str, Any]:
    """Fingerprints of the files of a model's folder."""
    if model is None:
        return {}
    from ._hub import locate_model

    folder = Path(locate_model(model))
    return {file.name: fingerprint(file) for file in sorted(folder.iterdir()) if file.is_file()}


def _part_name(part: int) -> str:
    return f"part-{part:08}.trec"


def _written(score: float) -> str:
    """The fewest digits that read back as the same float, as `rerank run` writes them."""
    import numpy as np

    return str(np.float32(score)).removesuffix(".0")


def _named(where: str, read: PartPairs) -> str:
    """The engine counts pairs; here they have names."""
    pair = re.match(r"pair (\d+)", where)
    if pair is None or int(pair[1]) >= len(read.pairs):
        return where
    idx = int(pair[1])
    return f"query {read.query_ids[idx]!r}, passage {read.passage_ids[idx]!r}{where[pair.end() :]}"


if __name__ == "__main__":
    from ._job_commands import main

    raise SystemExit(main())
