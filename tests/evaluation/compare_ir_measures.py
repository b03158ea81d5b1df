#!/usr/bin/env python3
"""Compares our measures with the real ones, query by query and in the mean, to 1e-9.

The real ones are ir_measures'. Most come from its pytrec_eval provider, which is trec_eval's own code. What trec_eval
lacks comes from other programs behind ir_measures: MRR@k from MS MARCO's script, ERR and the exponential nDCG from
gdeval.pl (where there is Perl; it prints 5 digits), Judged from ir_measures itself, RBP from cwl_eval (a formula here where
it is not installed). These order equal scores each in a way of their own, and we all of them as trec_eval does; so they are
given the run in trec_eval's order, with scores that have no ties.

Compared are, of the collections under --data, if they are there, the first stages, the rankings that `rerank retrieve` finds
and those that `rerank run` makes of some of them; and runs made up here: full of ties, with scores that only a double tells
apart, graded and negative judgements, missing and unjudged queries.

Exits 77 (skipped) when no Python here has ir_measures.
"""

import argparse
import ctypes
import os
import pathlib
import random
import shutil
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
            "AP@5", "AP@100", "RR", "Success@1", "Success@10", "P(rel=2)@5", "R(rel=2)@10", "AP(rel=2)", "AP(rel=2)@5",
            "RR(rel=2)", "Success(rel=2)@3", "Bpref", "Bpref(rel=2)"]
# Those of other programs than trec_eval.
MS_MARCO = ["RR@1", "RR@10", "RR@100", "RR(rel=2)@10"]
JUDGED = ["Judged", "Judged@1", "Judged@10", "Judged@1000"]
GDEVAL = ["nDCG(dcg='exp-log2')@1", "nDCG(dcg='exp-log2')@10", "nDCG(dcg='exp-log2')@100", "ERR@1", "ERR@10", "ERR@100"]
RANK_BIASED = {"RBP(rel=1)": (1, 0.8), "RBP(rel=1,p=0.5)": (1, 0.5), "RBP(rel=2,p=0.95)": (2, 0.95)}
TOLERANCE = 1e-9
GDEVAL_TOLERANCE = 0.5e-5 + 1e-9  # half of its last digit


def in_trec_evals_order(run):
    """The run with scores that fall from rank to rank, in the order in which trec_eval ranks: by score as a float, then
    by falling id."""
    by_query = {}
    for doc in run:
        by_query.setdefault(doc.query_id, []).append(doc)
    for query, docs in by_query.items():
        docs.sort(key=lambda doc: (ctypes.c_float(doc.score).value, doc.doc_id.encode()), reverse=True)
        for rank, doc in enumerate(docs):
            yield ir_measures.ScoredDoc(query, doc.doc_id, float(-rank))


def calculate(provider, names, qrels, run):
    """{(query, name): value}, with the means under query "". Every judged query is there."""
    measures = {ir_measures.parse_measure(name): name for name in names}
    values = {(metric.query_id, measures[metric.measure]): metric.value
              for metric in provider.iter_calc(list(measures), qrels, run)}
    for measure, value in provider.calc_aggregate(list(measures), qrels, run).items():
        values["", measures[measure]] = value
    return values


def rank_biased(qrels, ranked):
    """RBP from its definition."""
    queries = {qrel.query_id for qrel in qrels}
    values = {}
    for name, (rel, p) in RANK_BIASED.items():
        relevant = {(qrel.query_id, qrel.doc_id) for qrel in qrels if qrel.relevance >= rel}
        values.update({(query, name): 0.0 for query in queries})
        for doc in ranked:
            if (doc.query_id, doc.doc_id) in relevant:
                values[doc.query_id, name] += (1 - p) * p ** -doc.score
        values["", name] = sum(values[query, name] for query in queries) / len(queries)
    return values


def expected(qrels, run):
    """({(query, measure): value}, what they may differ by), with the means under query ""."""
    values = calculate(ir_measures.pytrec_eval, MEASURES, qrels, run)
    ranked = list(in_trec_evals_order(run))
    values |= calculate(ir_measures.providers.registry["msmarco"], MS_MARCO, qrels, ranked)
    values |= calculate(ir_measures.providers.registry["judged"], JUDGED, qrels, ranked)
    cwl_eval = ir_measures.providers.registry["cwl_eval"]
    values |= rank_biased(qrels, ranked)
    if cwl_eval.is_available():
        values |= calculate(cwl_eval, list(RANK_BIASED), qrels, ranked)
    tolerances = dict.fromkeys(values, TOLERANCE)
    if shutil.which("perl"):
        # gdeval takes numbers for queries only.
        number = {query: str(n) for n, query in enumerate(sorted({q.query_id for q in [*qrels, *ranked]}))}
        name = {n: query for query, n in number.items()} | {"": ""}
        numbered = calculate(ir_measures.providers.registry["gdeval"], GDEVAL,
                             [qrel._replace(query_id=number[qrel.query_id]) for qrel in qrels],
                             [doc._replace(query_id=number[doc.query_id]) for doc in ranked])
        for (query, measure), value in numbered.items():
            values[name[query], measure] = value
            tolerances[name[query], measure] = GDEVAL_TOLERANCE
    return values, tolerances


def ours(program, qrels_file, run_file):
    names = MEASURES + MS_MARCO + JUDGED + list(RANK_BIASED) + (GDEVAL if shutil.which("perl") else [])
    printed = subprocess.run([program, qrels_file, run_file, ",".join(names)], check=True, capture_output=True, text=True)
    values = {}
    for line in printed.stdout.splitlines():
        query, name, value = line.split("\t")
        values[query, name] = float(value)
    return values


def compare(label, program, qrels_file, run_file, qrels, run):
    """The number of values that differ."""
    (want, tolerances), got = expected(qrels, run), ours(program, qrels_file, run_file)
    differ = sorted(key for key in want.keys() | got.keys()
                    if key not in want or key not in got or not abs(want[key] - got[key]) <= tolerances[key])
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


def own_runs(rerank, dataset, folder):
    """Rankings of a collection that our own commands make: all queries by words, and some of those by the model."""
    words, model = pathlib.Path(folder) / "words.trec", pathlib.Path(folder) / "model.trec"
    subprocess.run([rerank, "retrieve", "--dataset", dataset, "--output", words, "--analyzer", "neutral", "--quiet"], check=True)
    subprocess.run([rerank, "run", "--dataset", dataset, "--run", words, "--output", model, "--quiet", "--queries", "20",
                    "--top-k", "10", "--max-length", "64"], check=True)
    return [words, model]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--program", required=True, help="the print_measures of this build")
    arguments.add_argument("--rerank", help="the rerank of this build")
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
        dataset = run_file.parent
        with tempfile.TemporaryDirectory() as folder:
            for compared in [run_file, *(own_runs(arguments.rerank, dataset, folder) if arguments.rerank else [])]:
                different += compare(f"{dataset.relative_to(arguments.data)} {compared.name}", arguments.program,
                                     dataset / "qrels" / "test.tsv", compared,
                                     list(read_beir_qrels(dataset / "qrels" / "test.tsv")),
                                     list(ir_measures.read_trec_run(str(compared))))
    if not runs:
        print("the collections are not here: only the runs made up here were compared")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
