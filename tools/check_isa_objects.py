#!/usr/bin/env python3
"""Checks that wide instructions stay inside the kernels that were chosen at run time.

A function of a level's namespace may use that level's registers; every other function of the kernels runs on any x86-64
CPU, so it may not hold a VEX or EVEX instruction (which is what an AVX build of a shared template would bring). An
initialiser that runs before main would run before the level is chosen: no object may have one.

Usage: tools/check_isa_objects.py FOLDER_WITH_OBJECTS | --self-test
Exit code: 0 as it should be, 1 not, 77 skipped (no objdump, or not x86-64).
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

# The namespaces of the levels, and the registers that each may use besides xmm.
LEVELS = {
    "avx2": {"ymm"},
    "avx512": {"ymm", "zmm"},
    "avx512_bf16": {"ymm", "zmm"},
    "amx": {"ymm", "zmm", "tmm"},
}
SKIPPED = 77
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^\s+[0-9a-f]+:\s+(\S+)(.*)$")
REGISTER = re.compile(r"%([yzt]mm)\d")
NOT_VECTOR = re.compile(r"^(verr|verw|vm[a-z]*call|vmfunc)")


def level_of(function):
    """The level whose namespace the function lies in, or None."""
    levels = [name for name in re.findall(r"\b(\w+)::", function) if name in LEVELS]
    return levels[0] if levels else None


def check_disassembly(text, name):
    """Returns (problems, functions seen, functions of a level) of one disassembled object."""
    problems, functions, in_levels = [], 0, 0
    function, level, reported = "", None, True
    for line in text.splitlines():
        start = FUNCTION.match(line)
        if start:
            function, level, reported = start.group(1), level_of(start.group(1)), False
            functions += 1
            in_levels += level is not None
            continue
        instruction = INSTRUCTION.match(line)
        if not instruction or reported:
            continue
        mnemonic, operands = instruction.groups()
        found = set(REGISTER.findall(operands)) - LEVELS.get(level, set())
        if not found and level is None and mnemonic.startswith("v") and not NOT_VECTOR.match(mnemonic):
            found = {mnemonic}
        if found:
            where = f"namespace {level}" if level else "outside of the levels' namespaces"
            problems.append(f"{name}: {function} ({where}) uses {', '.join(sorted(found))}: {mnemonic}{operands}")
            reported = True
    return problems, functions, in_levels


def check_object(path, objdump):
    sections = subprocess.run([objdump, "-h", path], check=True, capture_output=True, text=True).stdout
    problems = []
    if re.search(r"\s\.(init_array|ctors)\b", sections):
        problems.append(f"{path.name}: has an initialiser that runs before main (.init_array)")
    text = subprocess.run([objdump, "-d", "-C", "--no-show-raw-insn", path], check=True, capture_output=True,
                          text=True).stdout
    found, functions, in_levels = check_disassembly(text, path.name)
    return problems + found, functions, in_levels


def self_test():
    def listing(function, instruction):
        return f"0000000000000000 <{function}>:\n   0:\t{instruction}\n"

    cases = [
        ("ymm in avx2", "rerank::avx2::(anonymous namespace)::f(float*)", "vmovups (%rdi),%ymm0", 0),
        ("zmm in avx2", "rerank::avx2::f(float*)", "vmovups (%rdi),%zmm0", 1),
        ("tmm in avx512_bf16", "rerank::avx512_bf16::f()", "tilezero %tmm0", 1),
        ("tmm in amx", "rerank::amx::f()", "tilezero %tmm0", 0),
        ("ymm in a shared function", "std::vector<float>::resize(unsigned long)", "vmovups (%rdi),%ymm0", 1),
        ("VEX code on xmm in a shared function", "rerank::f()", "vaddss %xmm0,%xmm1,%xmm2", 1),
        ("SSE code in a shared function", "rerank::f()", "addss %xmm0,%xmm1", 0),
    ]
    problems = []
    for why, function, instruction, expected in cases:
        found = len(check_disassembly(listing(function, instruction), "made-up.o")[0])
        if found != expected:
            problems.append(f"{why}: expected {expected} problems, found {found}")
    return problems, len(cases)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path, help="the folder with the kernels' object files")
    parser.add_argument("--self-test", action="store_true", help="check the checker on made-up listings")
    arguments = parser.parse_args()
    if arguments.self_test:
        problems, cases = self_test()
        summary = f"{cases} made-up listings judged as expected"
    else:
        if arguments.folder is None:
            parser.error("a folder with object files is needed")
        objdump = shutil.which("objdump")
        if objdump is None:
            print("SKIPPED: objdump is not installed")
            return SKIPPED
        objects = sorted(arguments.folder.rglob("*.o"))
        if not objects:
            print(f"{arguments.folder}: holds no object file (build the release preset first)", file=sys.stderr)
            return 1
        header = subprocess.run([objdump, "-f", objects[0]], check=True, capture_output=True, text=True).stdout
        if "x86-64" not in header:
            print("SKIPPED: the objects are not for x86-64")
            return SKIPPED
        problems, functions, in_levels = [], 0, 0
        for path in objects:
            found, here, here_in_levels = check_object(path, objdump)
            problems += found
            functions += here
            in_levels += here_in_levels
        if in_levels == 0:
            problems.append(f"{arguments.folder}: no function lies in a namespace of {', '.join(LEVELS)}")
        summary = f"{len(objects)} objects, {functions} functions, {in_levels} of them in a level: as they should be"
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(summary)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
