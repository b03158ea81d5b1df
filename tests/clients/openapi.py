"""schemathesis against our own server: every operation of /openapi.json, with good and bad requests made from it.

Usage: openapi.py RERANK
Exit code: 0 good, 1 not, 77 skipped (schemathesis is not installed).
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

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


def patient(document):
    """The document with longer deadlines: that a short one is over (504) is no fault of the server."""
    if isinstance(document, list):
        return [patient(entry) for entry in document]
    if not isinstance(document, dict):
        return document
    document = {key: patient(value) for key, value in document.items()}
    if "exclusiveMinimum" in document.get("timeout", {}).get("anyOf", [{}])[0]:
        document["timeout"]["anyOf"][0] |= {"exclusiveMinimum": 60}
    return document


def main():
    with Server(str(pathlib.Path(sys.argv[1]).resolve())) as url, tempfile.TemporaryDirectory() as folder:
        with urllib.request.urlopen(url + "/openapi.json") as response:
            pathlib.Path(folder, "openapi.json").write_text(json.dumps(patient(json.load(response))))
        command = [str(pathlib.Path(sys.executable).parent / "schemathesis"), "run", "openapi.json", "--url", url,
                   "--phases", "examples,fuzzing", "--max-examples", "10", "--generation-deterministic", "--checks", CHECKS]
        # It keeps a cache in the folder that it runs in.
        sys.exit(subprocess.run(command, cwd=folder, timeout=400).returncode)


if __name__ == "__main__":
    main()
