#!/usr/bin/env python3
"""Compares our measures with the real ones, query by query and in the mean, to 1e-9.

The real ones are ir_measures' with its pytrec_eval provider, which is trec_eval's own code. MRR@k is the exception:
trec_eval has no such measure, and ir_measures takes it from MS MARCO's script, which ranks equal scores the other way
round; so it is held against trec_eval's recip_rank, 0 where that is below 1/k.

Compared are the first stages of the collections under --data, if they are there, and runs made up here: full of ties,
with scores that only a double tells apart, graded and negative judgements, missing and unjudged queries.

Exits 77 (skipped) when no Python here has ir_measures.
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
try:
    import ir_measures
    import pytrec_eval
except ImportError:
    # scripts/install-deps puts the packages of the tests there.
    venv = ROOT / "build" / "venv" / "bin" / "python"
    if venv.exists() and pathlib.Path(sys.prefix) != venv.parent.parent:
        os.execv(venv, [str(venv), *sys.argv])
    print("skipped: ir_measures is not installed (scripts/install-deps installs it)")
    sys.exit(77)

MEASURES = ["nDCG", "nDCG@1", "nDCG@3", "nDCG@10", "nDCG@1000", "P@1", "P@5", "P@100", "R@1", "R@10", "R@100", "AP",
            "AP@5", "AP@100", "RR", "Success@1", "Success@10"]
CUT_RECIPROCAL_RANKS = {"MRR@1": 1, "MRR@10": 10, "MRR@100": 100}
TOLERANCE = 1e-9


def expected(qrels, run):
    """{(query, measure): value}, with the means under query ""."""
    measures = {name: ir_measures.parse_measure(name) for name in MEASURES}
    values = {}
    provider = ir_measures.pytrec_eval
    for metric in provider.iter_calc(list(measures.values()), qrels, run):
        values[metric.query_id, str(metric.measure)] = metric.value
    for measure, value in provider.calc_aggregate(list(measures.values()), qrels, run).items():
        values["", str(measure)] = value
    queries = {qrel.query_id for qrel in qrels}
    for name, cutoff in CUT_RECIPROCAL_RANKS.items():
        for query in queries:
            whole = values[query, "RR"]
            values[query, name] = whole if whole * cutoff >= 1 - 1e-12 else 0.0
        values["", name] = sum(values[query, name] for query in queries) / len(queries)
    return values


def ours(program, qrels_file, run_file):
    names = MEASURES + list(CUT_RECIPROCAL_RANKS)
    printed = subprocess.run([program, qrels_file, run_file, ",".join(names)], check=True, capture_output=True, text=True)
    values = {}
    for line in printed.stdout.splitlines():
        query, name, value = line.split("\t")
        values[query, name] = float(value)
    return values


def compare(label, program, qrels_file, run_file, qrels, run):
    """The number of values that differ."""
    want, got = expected(qrels, run), ours(program, qrels_file, run_file)
    differ = sorted(key for key in want.keys() | got.keys()
                    if key not in want or key not in got or not abs(want[key] - got[key]) <= TOLERANCE)
    for key in differ[:10]:
        print(f"{label}: {key}: expected {want.get(key)}, got {got.get(key)}")
    print(f"{label}: {len(want)} values, {len(differ)} differ")
    return len(differ)


def read_beir_qrels(path):
    with open(path, encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            query, passage, relevance = line.rstrip("\n").split("\t")
            yield ir_measures.Qrel(query, passage, int(relevance))


def made_up(rng, scores):
    """Qrels and a run of 60 queries, of which some are not judged, some not ranked, some without relevant passages."""
    qrels, run = [], []
    for number in range(60):
        query = f"q{number}"
        passages = [f"d{rng.randrange(10**rng.randrange(1, 5))}{suffix}" for suffix in rng.choices("aZä-", k=40)]
        passages = sorted(set(passages))
        if number % 10 != 0:
            # Negative judgements as well; sometimes nothing is relevant.
            grades = [0, 0, -1] if number % 7 == 0 else [-1, 0, 0, 1, 1, 2, 3]
            judged = rng.sample(passages, len(passages) // 2) + [f"unseen{number}"]
            qrels += [ir_measures.Qrel(query, passage, rng.choice(grades)) for passage in judged]
        if number % 9 != 0:
            ranked = rng.sample(passages, rng.randrange(1, len(passages)))
            run += [ir_measures.ScoredDoc(query, passage, rng.choice(scores)) for passage in ranked]
    return qrels, run


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--program", required=True, help="the print_measures of this build")
    arguments.add_argument("--data", help="folder with collections in BEIR's layout")
    arguments = arguments.parse_args()

    different = 0
    score_sets = {
        "all scores equal": [1.0],
        "many ties": [3.0, 2.0, 1.0, -1.0],
        "ties as floats": [1.0, 1.00000001, 1.0000001, 0.99999999, 16777216.0, 16777217.0],
        "any scores": [random.Random(7).uniform(-20, 20) for _ in range(500)],
        "tiny scores": [1e-46, 0.0, -1e-46, 1e-45, 2e-45],
    }
    for label, scores in score_sets.items():
        qrels, run = made_up(random.Random(label), scores)
        with tempfile.TemporaryDirectory() as folder:
            qrels_file, run_file = f"{folder}/qrels", f"{folder}/run"
            with open(qrels_file, "w", encoding="utf-8") as file:
                file.writelines(f"{q.query_id} 0 {q.doc_id} {q.relevance}\n" for q in qrels)
            with open(run_file, "w", encoding="utf-8") as file:
                file.writelines(f"{s.query_id} Q0 {s.doc_id} 1 {s.score!r} t\n" for s in run)
            different += compare(label, arguments.program, qrels_file, run_file, qrels, run)

    runs = sorted(pathlib.Path(arguments.data).glob("**/run.*.txt")) if arguments.data else []
    for run_file in runs:
        qrels_file = run_file.parent / "qrels" / "test.tsv"
        label = str(run_file.relative_to(arguments.data))
        different += compare(label, arguments.program, qrels_file, run_file, list(read_beir_qrels(qrels_file)),
                             list(ir_measures.read_trec_run(str(run_file))))
    if not runs:
        print("the collections are not here: only the runs made up here were compared")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
