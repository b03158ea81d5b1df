"""schemathesis against our own server: every operation of /openapi.json, with good and bad requests made from it.

Usage: openapi.py RERANK
Exit code: 0 good, 1 not, 77 skipped (schemathesis is not installed).
"""

import importlib.util
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
if importlib.util.find_spec("schemathesis") is None:
    # scripts/install-deps --tests puts the packages of the tests there.
    venv = ROOT / "build" / "venv"
    if venv.is_dir() and pathlib.Path(sys.prefix).resolve() != venv.resolve():
        os.execv(venv / "bin" / "python3", [str(venv / "bin" / "python3"), *sys.argv])
    print("SKIPPED: no Python here has schemathesis (scripts/install-deps --tests)")
    sys.exit(77)

from server import Server

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def main():
    with Server(str(pathlib.Path(sys.argv[1]).resolve())) as url:
        command = [str(pathlib.Path(sys.executable).parent / "schemathesis"), "run", url + "/openapi.json",
                   "--phases", "examples,fuzzing", "--max-examples", "10", "--generation-deterministic", "--checks", CHECKS]
        sys.exit(subprocess.run(command, timeout=400).returncode)


if __name__ == "__main__":
    main()
