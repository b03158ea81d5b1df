"""`rerank tokenize` gives the ids of the tokenizers library, on texts drawn from every corner of Unicode, for the embedded
model and for the checkpoints of the reference data where they are beside the clone.

Usage: token_ids.py RERANK
Exit code: 0 all equal, 1 not, 77 skipped (no Python here has tokenizers).
"""

import json
import os
import pathlib
import random
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("RERANK_SHARED_DIR", ROOT.parent / "shared"))
try:
    from tokenizers import Tokenizer
except ImportError:
    # scripts/install-deps --tests puts the packages of the tests there.
    venv = ROOT / "build" / "venv"
    if venv.is_dir() and pathlib.Path(sys.prefix).resolve() != venv.resolve():
        os.execv(venv / "bin" / "python3", [str(venv / "bin" / "python3"), *sys.argv])
    print("SKIPPED: no Python here has tokenizers (scripts/install-deps --tests)")
    sys.exit(77)

CHECKPOINTS = ["bge-reranker-base", "bge-reranker-v2-m3", "ms-marco-minilm"]
WORDS = ("the panda eats bamboo naïve façade Ǆ ŉ İstanbul ΑΣ ß ﬁne ２０２６ 熊猫吃竹子 ジャイアントパンダ 판다 "
         "পান্ডা हिन्दी ไทย العَرَبِيَّة עִבְרִית 👩‍👩‍👧 🇩🇪 e\u0301 \u00ad \u200b \ufeff \x00 \x07 [SEP] [MASK] <s> </s> <pad> <mask> ▁ ##s "
         "don't $1,234.56 a--b __x__ http://x.y/?z=1 \U0001d400 \U000e0041 \u2028 ﷺ ½ Ⅷ").split(" ")


def texts():
    """Empty and blank texts, runs of one sign, joined words, and random characters of all planes."""
    rng = random.Random(7)
    yield from ("", " ", "\n\t ", "a" * 300, "漢" * 50, "\u0301" * 20, "." * 100)
    for _ in range(400):
        yield rng.choice(["", " ", "  "]).join(rng.choices(WORDS, k=rng.randrange(1, 30)))
    for _ in range(600):
        limit = rng.choice([0x80, 0x250, 0x3000, 0x10000, 0x110000])
        points = (rng.randrange(limit) for _ in range(rng.randrange(1, 40)))
        yield "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)


def run(binary, arguments, text):
    """The JSON lines that the program prints."""
    done = subprocess.run([binary, *map(str, arguments)], input=text, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"{binary} {arguments}: exit code {done.returncode}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(binary, model, tokenizer):
    """Differences, and how many texts were compared."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    problems, compared = [], 0
    samples = list(texts())
    pairs = [{"id": number, "text": text, **({"text_pair": samples[-number]} if number % 5 == 1 else {})}
             for number, text in enumerate(samples)]
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs)
    for special in (True, False):
        arguments = ["tokenize", "--input", "-", *model, *([] if special else ["--no-special"])]
        for pair, ours in zip(pairs, run(binary, arguments, lines), strict=True):
            theirs = tokenizer.encode(pair["text"], pair.get("text_pair"), add_special_tokens=special)
            compared += 1
            if ours["ids"] != theirs.ids or ours["type_ids"] != theirs.type_ids:
                problems.append(f"{model or 'embedded'}: {ascii(pair)}: {ours['ids']}, tokenizers has {theirs.ids}")
    return problems, compared


def main():
    binary = sys.argv[1]
    models = [([], ROOT / "models" / "embedded")]
    for name in CHECKPOINTS:
        folder = SHARED / "golden" / name
        if folder.is_dir():
            models.append((["--model", folder], folder))
    problems, compared = [], 0
    for model, folder in models:
        found = compare(binary, model, Tokenizer.from_file(str(folder / "tokenizer.json")))
        problems += found[0]
        compared += found[1]
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(f"{len(problems)} of {compared} texts have other ids")
    print(f"{compared} texts of {len(models)} models have the ids of the tokenizers library")


if __name__ == "__main__":
    main()
