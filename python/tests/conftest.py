"""What the tests share: the golden checkpoints, and the model inside the library."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
from typing import Any

import pytest
from stand_ins import STAND_INS, deepen

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("RERANK_SHARED_DIR") or ROOT.parent / "shared")

PAIRS = [
    ("what is a panda?", "hi"),
    ("what is a panda?", "The giant panda is a bear species endemic to China."),
    ("what makes dough rise?", "Yeast turns sugar into carbon dioxide, which lifts the dough."),
    ("what makes dough rise?", ""),
]


class Golden:
    """A golden checkpoint and what the reference program makes of it."""

    def __init__(self, name: str) -> None:
        self.folder = SHARED / "golden" / name
        if not (self.folder / "golden.json").is_file():
            pytest.skip(f"no golden checkpoint {name} beside the repository")
        self.data: dict[str, Any] = json.loads((self.folder / "golden.json").read_text(encoding="utf-8"))
        self.tolerance: float = self.data["tolerance"]["float32_abs"]
        self._texts = {pair["id"]: (pair["query"], pair["passage"]) for pair in self.data["pairs"]}

    def setting(self, setting_id: str) -> dict[str, Any]:
        return next(setting for setting in self.data["settings"] if setting["id"] == setting_id)

    def pairs(self, setting: dict[str, Any]) -> list[tuple[str, str]]:
        return [self._texts[result["pair"]] for result in setting["results"]]


def golden_settings(name: str) -> list[str]:
    """The ids of a checkpoint's settings; one stand-in where the golden data are not there."""
    path = SHARED / "golden" / name / "golden.json"
    if not path.is_file():
        return ["(golden data missing)"]
    return [setting["id"] for setting in json.loads(path.read_text(encoding="utf-8"))["settings"]]


@pytest.fixture(scope="session")
def goldens() -> Any:
    """Golden checkpoints by name, each read once."""
    kept: dict[str, Golden] = {}

    def get(name: str) -> Golden:
        if name not in kept:
            kept[name] = Golden(name)
        return kept[name]

    return get


def provide_models(code: str, goldens: Any, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts stand-ins where the code looks for models: "OWNER/NAME" in a Hugging Face cache, "models/NAME" in a folder
    of the working directory, which becomes `folder`."""
    for owner, name in set(re.findall(r'"([\w.-]+)/([\w.-]+)"', code)):
        if name not in STAND_INS:
            continue
        repository = folder / "hub" / f"models--{owner}--{name}"
        model = folder / "models" / name if owner == "models" else repository / "snapshots" / "0123abc"
        stand_in, layers = STAND_INS[name]
        if layers:
            deepen(goldens(stand_in).folder, layers, model)
        else:
            model.parent.mkdir(parents=True, exist_ok=True)
            model.symlink_to(goldens(stand_in).folder)
        if owner != "models":
            (repository / "refs").mkdir()
            (repository / "refs" / "main").write_text("0123abc")
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.chdir(folder)


@pytest.fixture(scope="session", autouse=True)
def listening_to_ctrl_c() -> None:
    """A shell starts programs in the background with SIGINT ignored, and Python leaves that so."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def embedded() -> Any:
    """The model inside the library."""
    from rerank_cpp import Reranker

    return Reranker(dtype="f32", threads=2)
