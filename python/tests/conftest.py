"""What the tests share: the golden checkpoints, and the model inside the library."""

from __future__ import annotations

import json
import os
import pathlib
import signal
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("RERANK_SHARED_DIR") or ROOT.parent / "shared")

PAIRS = [
    ("what is a panda?", "hi"),
    ("what is a panda?", "The giant panda is a bear species endemic to China."),
    ("what makes dough rise?", "Yeast turns sugar into carbon dioxide, which lifts the dough."),
    ("what makes dough rise?", ""),
]

# The golden checkpoint of each model that documents name by its hub name.
STAND_INS = {
    "BAAI/bge-reranker-v2-m3": "bge-reranker-v2-m3",
    "BAAI/bge-reranker-v2-gemma": "bge-reranker-v2-gemma",
    "BAAI/bge-reranker-v2-minicpm-layerwise": "bge-reranker-v2-minicpm-layerwise",
    "BAAI/bge-reranker-v2.5-gemma2-lightweight": "bge-reranker-v2.5-gemma2-lightweight",
    "cross-encoder/ms-marco-MiniLM-L6-v2": "ms-marco-minilm",
    "jhu-clsp/rank1-7b": "rank1-toy",
}


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


def provide_hub_models(code: str, goldens: Any, cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `cache` a Hugging Face cache, with stand-ins for the models that the code names."""
    for name, stand_in in STAND_INS.items():
        if f'"{name}"' in code:
            repository = cache / f"models--{name.replace('/', '--')}"
            (repository / "refs").mkdir(parents=True)
            (repository / "refs" / "main").write_text("0123abc")
            (repository / "snapshots").mkdir()
            (repository / "snapshots" / "0123abc").symlink_to(goldens(stand_in).folder)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))


@pytest.fixture(scope="session", autouse=True)
def listening_to_ctrl_c() -> None:
    """A shell starts programs in the background with SIGINT ignored, and Python leaves that so."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def embedded() -> Any:
    """The model inside the library."""
    from rerank_cpp import Reranker

    return Reranker(dtype="f32", threads=2)
