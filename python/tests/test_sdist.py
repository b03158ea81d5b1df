"""The source archive holds what the wheel is built from and nothing else; the module links what python.md says."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import pytest
import rerank_cpp._engine
from conftest import ROOT

# Folders that `cmake` reads for a wheel, and what a program of the package's user or packager wants beside them.
WHOLE_FOLDERS = ("cmake", "include", "models/embedded", "models/verify", "python/bindings", "python/rerank_cpp", "src")
LINKED = {"fmt", "simdjson", "utf8proc", "pcre2-8", "stdc++", "m", "gcc_s", "c", "ld-linux-x86-64"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    pytest.importorskip("scikit_build_core")
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("no source tree")
    folder = tmp_path_factory.mktemp("sdist")
    script = f"from scikit_build_core.build import build_sdist; build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("rerank_cpp-*.tar.gz")
    return path


def test_the_sdist_holds_the_sources_and_nothing_built(archive: pathlib.Path) -> None:
    with tarfile.open(archive) as file:
        names = {member.name.partition("/")[2]: member.size for member in file if member.isfile()}
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for folder in WHOLE_FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    wanted = on_disk | {"CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "PKG-INFO"}
    assert wanted - set(names) == set()
    strange = re.compile(r"^(\.|build|bench/|training/|tests/corpus/)|\.(o|a|so|pyc|xml)$|__pycache__")
    assert [name for name in names if strange.search(name)] == []
    large = [name for name, size in names.items() if size > 1 << 20]
    assert large == ["models/embedded/model.safetensors"]


def test_the_module_links_what_the_documents_say() -> None:
    if shutil.which("readelf") is None:
        pytest.skip("no readelf")
    listed = subprocess.run(
        ["readelf", "--dynamic", rerank_cpp._engine.__file__], capture_output=True, text=True, check=True
    )
    names = set(re.findall(r"\(NEEDED\).*\[(?:lib)?([^\]]+?)\.so[^\]]*\]", listed.stdout))
    assert {"fmt", "simdjson", "utf8proc", "pcre2-8"} <= names <= LINKED
    assert "RPATH" not in listed.stdout and "RUNPATH" not in listed.stdout
