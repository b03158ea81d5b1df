"""A worker whose process is killed once, in the middle of a part: what it computed is lost, a torn draft is left."""

from __future__ import annotations

import os
import signal
from typing import Any

from rerank_cpp.jobs import Job, PartPairs, Worker

DYING_PART = 2


class DyingWorker(Worker):
    """Dies while it writes DYING_PART, unless that happened before."""

    def write(self, part: int, read: PartPairs, scores: Any) -> None:
        if part == DYING_PART and first_time(self.job):
            (self.job.folder / "drafts" / "part-00000002.trec.torn").write_text("q3 Q0 dough-")
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(part, read, scores)


class DyingAfterwardsWorker(Worker):
    """Dies when DYING_PART has its file, and nobody was told yet."""

    def write(self, part: int, read: PartPairs, scores: Any) -> None:
        super().write(part, read, scores)
        if part == DYING_PART and first_time(self.job):
            os.kill(os.getpid(), signal.SIGKILL)


def first_time(job: Job) -> bool:
    """Whether nobody asked before, in any process."""
    try:
        (job.folder / "died").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
