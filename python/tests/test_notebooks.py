"""Every notebook of examples/notebooks runs from top to bottom, with golden checkpoints for the models it names."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import runpy
from typing import Any

import pytest
from conftest import ROOT, provide_models

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(notebook: pathlib.Path, goldens: Any, tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    code = notebook.read_text(encoding="utf-8")
    for package in re.findall(r"^(?:from|import) (\w+)", code, re.M):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    provide_models(code, goldens, tmp_path, monkeypatch)
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(notebook), run_name="__main__")


def test_cells_are_marked() -> None:
    """Jupytext's percent format, which editors and Jupyter open as notebooks."""
    assert len(NOTEBOOKS) == 4
    for notebook in NOTEBOOKS:
        text = notebook.read_text(encoding="utf-8")
        assert text.startswith("# %% [markdown]\n# # "), notebook
        assert text.count("\n# %%\n") >= 4, notebook
