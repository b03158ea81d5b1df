"""The package as type checkers and importers see it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import pathlib
import subprocess
import sys

import pytest
import rerank_cpp


def test_mypy_accepts_a_users_program(tmp_path: pathlib.Path) -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    sample = pathlib.Path(__file__).with_name("sample_for_mypy.py")
    copy = tmp_path / sample.name
    copy.write_text(sample.read_text(encoding="utf-8"), encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(copy)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_importing_brings_no_heavy_package() -> None:
    script = (
        "import sys, rerank_cpp; print([name for name in ('numpy', 'torch', 'tqdm', 'asyncio') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_everything_promised_is_there() -> None:
    for name in rerank_cpp.__all__:
        made = getattr(rerank_cpp, name)
        assert made.__doc__, f"{name} has no docstring"
    folder = pathlib.Path(rerank_cpp.__file__).parent
    assert (folder / "py.typed").is_file() and (folder / "_engine.pyi").is_file()


def test_numpy_is_the_only_requirement() -> None:
    try:
        requires = importlib.metadata.requires("rerank_cpp") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from the tree, not from a wheel")
    assert [line for line in requires if "extra ==" not in line] == ["numpy>=1.23"]
