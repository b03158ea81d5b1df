"""What the suites of this folder share: the Python environment with the reference programs, and the program under test."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("RERANK_SHARED_DIR", ROOT.parent / "shared"))
SKIPPED = 77


def need(*modules):
    """Goes on in the environment that scripts/install-deps --tests makes; ends as skipped where it is not there."""
    venv = ROOT / "build" / "venv"
    if venv.is_dir() and pathlib.Path(sys.prefix).resolve() != venv.resolve():
        python = str(venv / "bin" / "python3")
        os.execv(python, [python, *sys.argv])
    for module in modules:
        try:
            __import__(module)
        except ImportError:
            print(f"SKIPPED: needs the Python package {module} (scripts/install-deps --tests)")
            sys.exit(SKIPPED)


def run(binary, *arguments, text=""):
    """The JSON lines that the program prints."""
    done = subprocess.run([binary, *map(str, arguments)], input=text, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"{binary} {arguments}: exit code {done.returncode}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def finish(problems, summary):
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(f"{len(problems)} differences")
    print(summary)
