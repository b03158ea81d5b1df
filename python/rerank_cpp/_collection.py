"""A first stage's run and the texts that it names, read a piece at a time: neither has to fit into memory."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadInputError, CorruptModelError, ModelNotFoundError

_RUN_FORM = "a line is 'query-id Q0 passage-id rank score tag'"
_PAGE = 1 << 20


def open_input(path: Path) -> Any:
    """The file, to be read as bytes. ModelNotFoundError where there is none."""
    try:
        return path.open("rb")
    except OSError as error:
        raise ModelNotFoundError(str(error.strerror), str(path)) from None


def fingerprint(path: Path) -> dict[str, Any]:
    """What tells whether a file is the same: its size and SHA-256."""
    digest = hashlib.sha256()
    with open_input(path) as file:
        while page := file.read(_PAGE):
            digest.update(page)
        return {"bytes": file.tell(), "sha256": digest.hexdigest()}


def as_single(score: float) -> float:
    """The score in float precision, in which rankings are compared."""
    return float(struct.unpack("f", struct.pack("f", score))[0])


@dataclass(frozen=True)
class Ranking:
    """A query's passages, and where in the run they stand: bytes [begin, end)."""

    query_id: str
    passages: list[tuple[str, float]]
    begin: int
    end: int

    def best(self, top_k: int) -> list[str]:
        """The ids of the first passages, as trec_eval and `rerank run` order them: ties by falling id."""
        ordered = sorted(self.passages, key=lambda passage: (passage[1], passage[0].encode()), reverse=True)
        return [passage_id for passage_id, _ in ordered[: top_k or None]]


def read_run(path: Path, begin: int = 0, end: int | None = None) -> Iterator[Ranking]:
    """The rankings in bytes [begin, end) of a run, whose lines stand query by query. BadInputError for a line that is
    none."""
    with open_input(path) as file:
        file.seek(begin)
        position, first, query_id = begin, begin, ""
        passages: dict[str, float] = {}
        while end is None or position < end:
            line = file.readline()
            if not line:
                break
            columns = _columns(line, path, position)
            if columns:
                if columns[0] != query_id and passages:
                    yield Ranking(query_id, list(passages.items()), first, position)
                    passages, first = {}, position
                query_id = columns[0]
                if columns[2] in passages:
                    raise BadInputError(f"passage {columns[2]!r} is there twice", _where(path, position), _RUN_FORM)
                passages[columns[2]] = as_single(float(columns[4]))
            position += len(line)
        if passages:
            yield Ranking(query_id, list(passages.items()), first, position)


def _where(path: Path, position: int) -> str:
    return f"{path}, byte {position}"


def _columns(line: bytes, path: Path, position: int) -> list[str]:
    try:
        columns = line.decode("utf-8").split()
        if columns and (len(columns) != 6 or not math.isfinite(float(columns[4]))):
            raise ValueError
    except ValueError:
        raise BadInputError(f"{line[:80]!r} is no line of a run", _where(path, position), _RUN_FORM) from None
    return columns


class Texts:
    """queries.jsonl and corpus.jsonl of a BEIR folder by id, through an index of byte offsets in one SQLite file."""

    def __init__(self, folder: Path, index: Path) -> None:
        """`folder`: the collection; `index`: what build() wrote. Not to be shared between threads."""
        self._files = {name: open_input(folder / f"{name}.jsonl") for name in ("queries", "corpus")}
        # The index never changes once it has its name, so nothing needs a lock: network file systems have bad ones.
        self._index = sqlite3.connect(f"{index.absolute().as_uri()}?mode=ro&immutable=1", uri=True)

    @staticmethod
    def build(folder: Path, index: Path) -> None:
        """Writes the index. BadInputError for a line that is no record, or an id that is there twice."""
        with closing(sqlite3.connect(index)) as database, database:
            for name in ("queries", "corpus"):
                path = folder / f"{name}.jsonl"
                database.execute(f"CREATE TABLE {name} (id TEXT PRIMARY KEY, offset INTEGER) WITHOUT ROWID")
                try:
                    database.executemany(f"INSERT INTO {name} VALUES (?, ?)", _offsets(path))
                except sqlite3.IntegrityError:
                    raise BadInputError("an id is there twice", str(path)) from None

    def close(self) -> None:
        """Closes the files."""
        for file in self._files.values():
            file.close()
        self._index.close()

    def __enter__(self) -> Texts:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def query(self, query_id: str) -> str:
        """The text of a query. BadInputError where the collection has none."""
        return str(self._record("queries", query_id)["text"])

    def passage(self, passage_id: str) -> str:
        """The text of a passage, its title and a blank before it."""
        record = self._record("corpus", passage_id)
        title, text = record.get("title") or "", str(record["text"])
        return f"{title} {text}" if title else text

    def check(self, ranking: Ranking, top_k: int) -> None:
        """BadInputError where a text of the ranking is missing."""
        self._offset("queries", ranking.query_id)
        for passage_id in ranking.best(top_k):
            self._offset("corpus", passage_id)

    def _offset(self, name: str, text_id: str) -> int:
        row = self._index.execute(f"SELECT offset FROM {name} WHERE id = ?", (text_id,)).fetchone()
        if row is None:
            raise BadInputError(f"{text_id!r} is in the run, and not here", self._files[name].name,
                                "use the collection that the run was made on")  # fmt: skip
        return int(row[0])

    def _record(self, name: str, text_id: str) -> dict[str, Any]:
        file = self._files[name]
        file.seek(self._offset(name, text_id))
        record = _record(file.readline())
        if record is None or record["_id"] != text_id:
            raise CorruptModelError(f"{text_id!r} is not where the index says", file.name, "was the file changed?")
        return record


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    fits = isinstance(record, dict) and isinstance(record.get("_id"), str) and isinstance(record.get("text"), str)
    return record if fits else None


def _offsets(path: Path) -> Iterator[tuple[str, int]]:
    position = 0
    with open_input(path) as file:
        for line in file:
            if line.strip():
                record = _record(line)
                if record is None:
                    raise BadInputError(
                        f"{line[:80]!r} is no record", _where(path, position), 'a line is {"_id": ID, "text": TEXT}'
                    )
                yield record["_id"], position
            position += len(line)


def publish(content: bytes, path: Path, scratch: Path, *, once: bool = False) -> None:
    """Gives `path` this content, whole or not at all, whoever else writes it and wherever this process dies.

    It is written under a name of its own in `scratch`, a folder of the same file system, and then renamed. `once`:
    FileExistsError where the path is there already; else it is replaced.
    """
    name = f"{path.name}.{os.uname().nodename}.{os.getpid()}.{os.urandom(8).hex()}"
    draft = scratch / name
    with draft.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if once:
        try:
            os.link(draft, path)
        finally:
            draft.unlink()
    else:
        draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
