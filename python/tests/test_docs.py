"""Every Python block of the pages about Python runs, with golden checkpoints in place of the models that it names."""

from __future__ import annotations

import importlib.util
import pathlib
import re
from typing import Any

import pytest
from conftest import ROOT, provide_models

PAGES = ("python.md", "flagembedding.md")


def blocks() -> list[Any]:
    found = []
    for page in PAGES:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
            found.append(pytest.param(match[1], id=f"{page} line {text.count(chr(10), 0, match.start()) + 1}"))
    return found


@pytest.mark.parametrize("block", blocks())
def test_block_runs(block: str, goldens: Any, tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    for package in re.findall(r"^(?:from|import) (\w+)", block, re.M):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    provide_models(block, goldens, tmp_path, monkeypatch)
    exec(compile(block, "page", "exec", dont_inherit=True), {"__name__": "page"})
