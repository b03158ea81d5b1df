"""Every Python block of docs/python.md runs, with golden checkpoints in place of the models that it names."""

from __future__ import annotations

import importlib.util
import pathlib
import re
from typing import Any

import pytest
from conftest import ROOT

PAGE = ROOT / "docs" / "python.md"
STAND_INS = {
    "BAAI/bge-reranker-v2-m3": "bge-reranker-v2-m3",
    "BAAI/bge-reranker-v2-gemma": "bge-reranker-v2-gemma",
    "BAAI/bge-reranker-v2-minicpm-layerwise": "bge-reranker-v2-minicpm-layerwise",
    "BAAI/bge-reranker-v2.5-gemma2-lightweight": "bge-reranker-v2.5-gemma2-lightweight",
    "cross-encoder/ms-marco-MiniLM-L6-v2": "ms-marco-minilm",
    "jhu-clsp/rank1-7b": "rank1-toy",
}


def blocks() -> list[Any]:
    text = PAGE.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S)
    return [pytest.param(match[1], id=f"line {text.count(chr(10), 0, match.start()) + 1}") for match in found]


@pytest.mark.parametrize("block", blocks())
def test_block_runs(block: str, goldens: Any, tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    for package in re.findall(r"^(?:from|import) (\w+)", block, re.M):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    for name, stand_in in STAND_INS.items():
        if f'"{name}"' in block:
            repository = tmp_path / f"models--{name.replace('/', '--')}"
            (repository / "refs").mkdir(parents=True)
            (repository / "refs" / "main").write_text("0123abc")
            (repository / "snapshots").mkdir()
            (repository / "snapshots" / "0123abc").symlink_to(goldens(stand_in).folder)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    exec(compile(block, str(PAGE), "exec"), {"__name__": "page"})
