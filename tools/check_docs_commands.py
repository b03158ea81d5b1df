#!/usr/bin/env python3
"""Runs the commands that the documents show, and compares what they print where a document shows that too.

Of README.md and docs/**/*.md it runs every fenced block marked `sh` (a script) or `console` (lines that begin with "$ "
are commands, the others what they print; "..." stands for any text). The blocks of a page run in order in one folder
that holds copies of examples/, models/embedded/ and build/release, with the built `rerank` first on PATH. Blocks
marked `cpp` or `cmake` have to stand in a file of examples/, which other tests build. A comment on the line before a
block changes what is done:

  <!-- not run: WHY -->        is not run; only commands that need a network or a model of gigabytes may say so
  <!-- run by: SCRIPT -->      is not run here, because that script of ours holds each of its lines or is named by it
  <!-- exit code: N -->        the last command ends with N, which is not 0
  <!-- needs: PATH -->         is run only where PATH exists beside the repository, as ../shared/data/scifact does

Models that are named by their hub name come from a hub on this machine (tests/hub/server.py), with a cache of each page's
own. It has one: BAAI/bge-reranker-v2-m3, which is the built-in model under that name.

Usage: tools/check_docs_commands.py --bin FOLDER_OF_RERANK [--only PAGE] | --self-test
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
HUB_MODEL, HUB_REVISIONS = "BAAI/bge-reranker-v2-m3", ("main", "v1.0")
# What a block that is not run must contain: a model that has to be fetched, or is named by its hub name.
MAY_BE_LEFT_OUT = re.compile(r"huggingface-cli|hf download|rerank pull|--model \S*/\S*|apt-get|pip install|git clone")
COMMENT = re.compile(r"^\s*<!--\s*(not run|run by|exit code|needs):\s*(.*?)\s*-->\s*$")
FENCE = re.compile(r"^\s*```\s*(\S*)\s*$")
TIMEOUT_S = 300


class Block:
    def __init__(self, page, line, language, notes):
        self.page, self.line, self.language, self.notes, self.lines = page, line, language, notes, []

    def where(self):
        return f"{self.page}:{self.line}"


def blocks_of(page, text):
    """The fenced blocks of a page, each with the comments on the lines right before it."""
    blocks, notes, block = [], {}, None
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if block is not None:
            if fence and not fence.group(1):
                blocks.append(block)
                block, notes = None, {}
            else:
                block.lines.append(line)
        elif fence:
            block = Block(page, number, fence.group(1), notes)
        else:
            comment = COMMENT.match(line)
            if comment:
                notes[comment.group(1)] = comment.group(2)
            elif line.strip():
                notes = {}
    if block is not None:
        raise ValueError(f"{block.where()}: the block has no end")
    return blocks


def steps_of(block):
    """(script, what it has to print or None) of a block, in order."""
    if block.language == "sh":
        return [("\n".join(block.lines), None)]
    steps = []
    for line in block.lines:
        if line.startswith("$ "):
            steps.append(([line[2:]], []))
        elif steps and steps[-1][0][-1].endswith("\\") and not steps[-1][1]:
            steps[-1][0].append(line[2:] if line.startswith("> ") else line)
        elif steps:
            steps[-1][1].append(line)
        else:
            raise ValueError(f"{block.where()}: a console block begins with a command ('$ ')")
    return [("\n".join(command), "\n".join(shown)) for command, shown in steps]


def prints(shown, printed):
    """Whether `printed` is what a page shows, where "..." stands for any text."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("..."))
    lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    return re.fullmatch(pattern, lines, re.S) is not None


def left_out(block, root):
    """Why a block is not run here, or None; a ValueError where it may not be left out."""
    script = "\n".join(block.lines)
    if "not run" in block.notes:
        if not MAY_BE_LEFT_OUT.search(script):
            raise ValueError(f"{block.where()}: nothing in it needs a network or a big model: it has to be run")
        return block.notes["not run"]
    if "run by" in block.notes:
        name = block.notes["run by"]
        text = (root / name).read_text(encoding="utf-8")
        for line in script.splitlines():
            command = re.sub(r"\s+#.*", "", line).strip()
            if command and command != name and command.split()[0] != name and command not in text:
                raise ValueError(f"{block.where()}: {name} does not hold the command '{command}'")
        return f"run by {name}"
    if "needs" in block.notes and not (root / block.notes["needs"]).exists():
        return f"needs {block.notes['needs']}"
    return None


def stands_in_examples(block, root):
    """Whether the lines of a block follow each other in a file of examples/, however they are indented."""
    def bare(lines):
        return "\n" + "\n".join(line.strip() for line in lines if line.strip()) + "\n"

    wanted = bare(block.lines)
    files = (path for path in (root / "examples").rglob("*") if path.suffix in (".cc", ".h", ".txt"))
    return any(wanted in bare(path.read_text(encoding="utf-8").splitlines()) for path in files)


def run_page(page, text, root, folder, environment):
    """Runs the blocks of one page; returns (problems, commands run, blocks left out)."""
    problems, ran, skipped = [], 0, []
    for block in blocks_of(page, text):
        if block.language in ("cpp", "cmake") and not stands_in_examples(block, root):
            problems.append(f"{block.where()}: stands in no file of examples/")
        if block.language not in ("sh", "console"):
            continue
        try:
            why = left_out(block, root)
            steps = steps_of(block)
        except ValueError as error:
            problems.append(str(error))
            continue
        if why is not None:
            skipped.append(f"{block.where()}: {why}")
            continue
        expected = int(block.notes.get("exit code", 0))
        for number, (script, shown) in enumerate(steps, 1):
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=TIMEOUT_S)
            ran += 1
            wanted = expected if number == len(steps) else 0
            if done.returncode != wanted:
                problems.append(f"{block.where()}: exit code {done.returncode}, expected {wanted}\n$ {script}\n"
                                f"{done.stdout}")
                break
            if shown and not prints(shown, done.stdout):
                problems.append(f"{block.where()}: prints something else than the page shows\n$ {script}\n"
                                f"--- shown\n{shown}\n--- printed\n{done.stdout}")
    return problems, ran, skipped


def local_hub():
    """A hub with the built-in model."""
    sys.path.insert(0, str(ROOT / "tests" / "hub"))
    from server import Hub, Repository

    files = {path.name: path.read_bytes() for path in (ROOT / "models" / "embedded").iterdir() if path.is_file()}
    return Hub({HUB_MODEL: Repository(files, revisions=HUB_REVISIONS)})


def without_settings(environment):
    """Without what would send `rerank` to another hub, or to another cache."""
    return {name: value for name, value in environment.items()
            if not name.startswith(("HF_", "TRANSFORMERS_OFFLINE")) and not name.lower().endswith("_proxy")}


def self_test():
    fence = "```"
    cases = [
        ("a command that works", f"{fence}sh\ntrue\n{fence}\n", 0),
        ("a command that fails", f"{fence}sh\nfalse\n{fence}\n", 1),
        ("a failure in a pipe", f"{fence}sh\nfalse | true\n{fence}\n", 1),
        ("what is printed is shown", f"{fence}console\n$ echo one two\none two\n{fence}\n", 0),
        ("something else is shown", f"{fence}console\n$ echo one\ntwo\n{fence}\n", 1),
        ("dots stand for text", f"{fence}console\n$ echo score 0.123 end\nscore ... end\n{fence}\n", 0),
        ("a command over two lines", f"{fence}console\n$ echo one \\\n    two\none two\n{fence}\n", 0),
        ("an exit code that is announced", f"<!-- exit code: 3 -->\n{fence}sh\nexit 3\n{fence}\n", 0),
        ("blocks share a folder", f"{fence}sh\necho x > f\n{fence}\n\n{fence}console\n$ cat f\nx\n{fence}\n", 0),
        ("left out without need", f"<!-- not run: slow -->\n{fence}sh\nfalse\n{fence}\n", 1),
        ("left out with need", f"<!-- not run: network -->\n{fence}sh\nrerank pull a/b\n{fence}\n", 0),
        ("left to a script that holds it", f"<!-- run by: s -->\n{fence}sh\nmake all\n{fence}\n", 0),
        ("left to a script that does not", f"<!-- run by: s -->\n{fence}sh\nmake none\n{fence}\n", 1),
        ("needs what is not there", f"<!-- needs: nowhere -->\n{fence}sh\nfalse\n{fence}\n", 0),
        ("another language", f"{fence}text\nfalse\n{fence}\n", 0),
        ("code of an example", f"{fence}cpp\nf();\n  g();\n{fence}\n", 0),
        ("code of no example", f"{fence}cpp\ng();\nf();\n{fence}\n", 1),
    ]
    problems = []
    for why, text, expected in cases:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "s").write_text("make all\n", encoding="utf-8")
            (folder / "examples").mkdir()
            (folder / "examples" / "a.cc").write_text("{\n  f();\n  g();\n}\n", encoding="utf-8")
            found = run_page("page.md", text, folder, folder, dict(os.environ))[0]
        if len(found) != expected:
            problems.append(f"{why}: expected {expected} problems, found {found}")
    return problems, len(cases)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, help="the folder that holds the built rerank")
    parser.add_argument("--only", help="one page, such as docs/cli.md")
    parser.add_argument("--self-test", action="store_true", help="check the checker on made-up pages")
    arguments = parser.parse_args()
    if arguments.self_test:
        problems, cases = self_test()
        summary = f"{cases} made-up pages judged as expected"
    else:
        if arguments.bin is None:
            parser.error("--bin is needed")
        pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
        environment = dict(without_settings(os.environ), PATH=f"{arguments.bin.resolve()}{os.pathsep}{os.environ['PATH']}", LC_ALL="C.UTF-8")
        problems, ran, skipped = [], 0, []
        hub = local_hub().__enter__()
        for page in pages:
            name = str(page.relative_to(ROOT))
            if arguments.only not in (None, name):
                continue
            with tempfile.TemporaryDirectory() as folder:
                inside = pathlib.Path(folder) / "repository"
                shutil.copytree(ROOT / "examples", inside / "examples")
                shutil.copytree(ROOT / "models" / "embedded", inside / "models" / "embedded")
                (inside / "build").mkdir()
                (inside / "build" / "release").symlink_to(arguments.bin.resolve(), target_is_directory=True)
                shared = ROOT.parent / "shared"
                if shared.is_dir():
                    (pathlib.Path(folder) / "shared").symlink_to(shared, target_is_directory=True)
                own = dict(environment, HF_ENDPOINT=hub.url, HF_HUB_CACHE=str(pathlib.Path(folder) / "hub"))
                found, here, left = run_page(name, page.read_text(encoding="utf-8"), ROOT, inside, own)
            problems += found
            ran += here
            skipped += left
        for line in skipped:
            print(f"not run here: {line}")
        summary = f"{ran} commands of {len(pages)} pages do what the pages say"
        if ran == 0 and not problems:
            problems.append("found no command to run")
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(summary)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
