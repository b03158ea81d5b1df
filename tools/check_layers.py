#!/usr/bin/env python3
"""Checks that the folders of src/ use each other along the allowed arrows only.

Reads every #include "..." and every CMakeLists.txt below src/. Fails when a file includes a header of a folder that its
own folder may not use, when a CMake target links one, or when a file includes a folder that no target of its own folder
links, directly or through another folder.

Usage: tools/check_layers.py [--root FOLDER] | --self-test
"""

import argparse
import pathlib
import re
import sys
import tempfile

# The arrows, in reading order: a folder and the folders it may use. include/rerank may be used by all of them.
ARROWS = {
    "base": "",
    "io": "base",
    "tokenizer": "io base",
    "kernels": "base",
    "models": "kernels io base",
    "scoring": "models tokenizer io base",
    "engine": "scoring models tokenizer kernels io base",
    "evaluation": "io base",
    "dialects": "io base",
    "retrieval": "base",
    "server": "dialects engine io base",
    "hub": "io base",
    "cli": "hub server engine evaluation retrieval io base",
}
# Headers outside of the tree that belong to one folder.
ONLY_IN = {"immintrin.h": "kernels", "curl/curl.h": "hub"}

SOURCES = {".h", ".cc", ".c", ".S"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include\s*(?:"([^"]+)"|<([^>]+)>)', re.M)
TARGET = re.compile(r"\brerank_(\w+)")
COMMAND = re.compile(r"\b(\w+)\s*\(([^()]*)\)")
LINKING = {"rerank_add_library", "rerank_add_tests", "rerank_add_fuzzer", "rerank_add_benchmark", "target_link_libraries"}


def sources(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in SOURCES and path.is_file())


def includes(path):
    """Yields (line number, header in quotes or None, header in angle brackets or None)."""
    text = path.read_text(encoding="utf-8", errors="replace")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def linked_folders(cmake_file):
    """Yields (line number, folder) for each rerank_FOLDER that a target of this file links."""
    text = re.sub(r"#[^\n]*", "", cmake_file.read_text(encoding="utf-8"))
    for command in COMMAND.finditer(text):
        if command.group(1) not in LINKING:
            continue
        for target in TARGET.finditer(command.group(2)):
            if target.group(1) in ARROWS:
                yield text.count("\n", 0, command.start(2) + target.start()) + 1, target.group(1)


def check(root):
    """Returns what is wrong in the tree at `root`, a line each."""
    allowed = {folder: set(may_use.split()) | {folder} for folder, may_use in ARROWS.items()}
    problems = []
    src = root / "src"
    for folder in sorted(path.name for path in src.iterdir() if path.is_dir()):
        if folder not in ARROWS:
            problems.append(f"src/{folder}: has no row in the table of arrows in tools/check_layers.py")

    direct = {}
    for folder in ARROWS:
        direct[folder] = set()
        cmake_file = src / folder / "CMakeLists.txt"
        if not cmake_file.is_file():
            continue
        for line, linked in linked_folders(cmake_file):
            direct[folder].add(linked)
            if linked not in allowed[folder]:
                problems.append(f"src/{folder}/CMakeLists.txt:{line}: links rerank_{linked}; {folder} may use: "
                                f"{ARROWS[folder] or 'nothing'}")

    def reachable(folder):
        seen, todo = {folder}, [folder]
        while todo:
            for linked in direct[todo.pop()] - seen:
                seen.add(linked)
                todo.append(linked)
        return seen

    for folder in ARROWS:
        links = reachable(folder)
        for path in sources(src / folder):
            for line, quoted, angled in includes(path):
                where = f"{path.relative_to(root)}:{line}"
                used = (quoted or angled).split("/")[0] if "/" in (quoted or angled) else ""
                owner = ONLY_IN.get(angled or quoted)
                if owner is not None and owner != folder:
                    problems.append(f"{where}: includes {angled or quoted}; only {owner} may")
                if used not in ARROWS:
                    continue
                if used not in allowed[folder]:
                    problems.append(f"{where}: includes {quoted or angled}; {folder} may use: "
                                    f"{ARROWS[folder] or 'nothing'}")
                elif used not in links:
                    problems.append(f"{where}: includes {quoted or angled}; src/{folder}/CMakeLists.txt does not link "
                                    f"rerank_{used}")

    for outside in ("include", "examples", "python"):
        if not (root / outside).is_dir():
            continue
        for path in sources(root / outside):
            for line, quoted, angled in includes(path):
                if (quoted or angled).split("/")[0] in ARROWS and "/" in (quoted or angled):
                    problems.append(f"{path.relative_to(root)}:{line}: includes {quoted or angled}; {outside}/ may use "
                                    "only rerank/")
    return problems


def self_test():
    """A made-up tree with one mistake of each kind, and one without any."""
    good = {
        "include/rerank/error.h": "#include <string>\n",
        "src/base/CMakeLists.txt": "rerank_add_library(rerank_base SOURCES a.cc DEPENDS fmt::fmt)\n",
        "src/base/a.cc": '#include "base/a.h"\n#include "rerank/error.h"\n',
        "src/io/CMakeLists.txt": "rerank_add_library(rerank_io SOURCES b.cc\n  DEPENDS rerank_base)\n",
        "src/io/b.cc": '#include "base/a.h"\n',
        "src/tokenizer/CMakeLists.txt": "rerank_add_library(rerank_tokenizer SOURCES c.cc DEPENDS rerank_io)\n",
        "src/tokenizer/c.cc": '#include "base/a.h"\n#include "io/b.h"\n',
    }
    bad = [
        ("an include against the arrows", "src/io/b.cc", '#include "tokenizer/c.h"\n', "src/io/b.cc:1: includes"),
        ("a link against the arrows", "src/base/CMakeLists.txt",
         "rerank_add_library(rerank_base SOURCES a.cc\n  DEPENDS rerank_io)\n", "src/base/CMakeLists.txt:2: links"),
        ("an include without a link", "src/kernels/d.cc", '\n#include "base/a.h"\n', "src/kernels/d.cc:2: includes"),
        ("a folder without a row", "src/misc/e.cc", "", "src/misc: has no row"),
        ("SIMD outside of kernels", "src/base/a.cc", "#include <immintrin.h>\n", "only kernels may"),
        ("a public header that uses the inside", "include/rerank/error.h", '#include "base/a.h"\n', "may use only"),
    ]

    def problems_of(tree):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in tree.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            return check(root)

    failures = [f"a tree without mistakes: {problem}" for problem in problems_of(good)]
    for why, name, text, expected in bad:
        found = problems_of({**good, name: text})
        if len(found) != 1 or expected not in found[0]:
            failures.append(f"{why}: expected one problem with '{expected}', found {found}")
    return failures, 1 + len(bad)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true", help="check the checker on made-up trees")
    arguments = parser.parse_args()
    if arguments.self_test:
        problems, trees = self_test()
        done = f"{trees} made-up trees judged as expected"
    else:
        problems = check(arguments.root)
        done = "every include and every link follows the arrows"
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(done)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
