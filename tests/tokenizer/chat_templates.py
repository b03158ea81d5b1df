#!/usr/bin/env python3
"""Renders the chat templates of real checkpoints with transformers and lets the C++ tests compare with it.

    chat_templates.py --tests build/.../tokenizer_tests --shared DIR

DIR is the folder of the reference data. The rows are made anew each time, since Mistral's template holds today's date.
Ends with 77 when transformers or the reference data are not there.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def templates(shared):
    """Each different template once: from chat_template.jinja, or from tokenizer_config.json."""
    found = {}
    for folder in sorted([*shared.glob("tokenizers/*"), *shared.glob("golden/*")]):
        if (folder / "chat_template.jinja").exists():
            found.setdefault((folder / "chat_template.jinja").read_text(encoding="utf-8"), folder.name)
        elif (folder / "tokenizer_config.json").exists():
            text = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
            if text:
                found.setdefault(text, folder.name)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", required=True)
    parser.add_argument("--shared", type=pathlib.Path, required=True)
    args = parser.parse_args()
    try:
        import transformers  # noqa: F401
    except ImportError:
        print("skipped: transformers is not installed")
        return 77
    found = templates(args.shared)
    if not found:
        print(f"skipped: no chat templates below {args.shared}")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for text, name in found.items():
            files.append(pathlib.Path(folder, name + ".jinja"))
            files[-1].write_text(text, encoding="utf-8")
        rows = pathlib.Path(folder, "rows.jsonl")
        with rows.open("w", encoding="utf-8") as out:
            subprocess.run([sys.executable, HERE / "make_chat_golden.py", "--check", *files], stdout=out, check=True)
        print(f"{len(files)} templates: {', '.join(file.stem for file in files)}")
        return subprocess.run([args.tests, "--gtest_filter=ChatTemplates.OfCheckpointsEqualTheGoldenRows"], check=False,
                              env={**os.environ, "RERANK_CHAT_GOLDEN": str(rows)}).returncode


if __name__ == "__main__":
    sys.exit(main())
