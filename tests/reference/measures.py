"""`rerank eval` gives the numbers of trec_eval, query by query: on made-up judgements and runs with every oddity that the
file forms allow, and on a real collection where one is beside the clone.

Usage: measures.py RERANK
"""

import random
import sys
import tempfile

import reference

reference.need("ir_measures")
import ir_measures  # noqa: E402

NAMES = "nDCG@10,nDCG@3,nDCG,MRR,P@1,P@10,Recall@10,Recall@100,MAP,MAP@5,Success@1"
# What ir_measures calls them.
PEERS = [ir_measures.parse_measure(name.replace("Recall", "R").replace("MRR", "RR").replace("MAP", "AP"))
         for name in NAMES.split(",")]
# trec_eval has no cut-off for the reciprocal rank, and the programs that have one break ties in another way: these are
# trec_eval's reciprocal rank, 0 where the rank is below the cut-off.
CUT_OFFS = [1, 3, 10]
TOLERANCE = 1e-9


def make_files(folder, seed):
    """Judgements and a run with ties, unjudged passages, queries that only one of the two has, and grades below 1."""
    rng = random.Random(seed)
    qrels, run = [], []
    for query in range(40):
        passages = [f"p{number}" for number in rng.sample(range(1000), 60)]
        if query % 9 != 0:
            grades = [rng.choice([-1, 0, 0, 1, 1, 2, 3]) for _ in passages[:20]]
            grades[0] = max(grades[0], 0)
            qrels += [f"q{query} 0 {passage} {grade}\n" for passage, grade in zip(passages, grades)]
        if query % 7 != 0:
            found = rng.sample(passages, rng.choice([1, 5, 30, 60]))
            scores = [rng.choice([0.0, 0.5, 1.0, -2.25, rng.uniform(-5, 5)]) for _ in found]
            run += [f"q{query} Q0 {passage} {rank} {score} made-up\n"
                    for rank, (passage, score) in enumerate(zip(found, scores), 1)]
    qrels_file, run_file = f"{folder}/qrels.{seed}", f"{folder}/run.{seed}"
    for name, lines in ((qrels_file, qrels), (run_file, run)):
        with open(name, "w", encoding="utf-8") as file:
            file.writelines(lines)
    return qrels_file, run_file


def compare(binary, qrels_file, run_file, qrels):
    """Differences between `rerank eval` and ir_measures, and how many values were compared."""
    names = ",".join([NAMES, *(f"MRR@{k}" for k in CUT_OFFS)])
    ours = reference.run(binary, "eval", "--qrels", qrels_file, "--run", run_file, "--measures", names, "--per-query",
                         "--json")[0]
    run = list(ir_measures.read_trec_run(str(run_file)))
    problems, compared = [], 0

    def hold(where, name, value, expected):
        nonlocal compared
        compared += 1
        if abs(value - expected) > TOLERANCE:
            problems.append(f"{run_file}: {where}: {name} is {value}, trec_eval has {expected}")

    means = ir_measures.calc_aggregate(PEERS, qrels, run)
    for name, peer in zip(NAMES.split(","), PEERS):
        hold("mean", name, ours["measures"][name], means[peer])
    by_peer = dict(zip(PEERS, NAMES.split(",")))
    for value in ir_measures.iter_calc(PEERS, qrels, run):
        name = by_peer[value.measure]
        values = ours["per_query"][value.query_id]
        hold(value.query_id, name, values[name], value.value)
        if name == "MRR":
            for k in CUT_OFFS:
                hold(value.query_id, f"MRR@{k}", values[f"MRR@{k}"], value.value if value.value * k > 0.999 else 0)
    return problems, compared


def main():
    binary = sys.argv[1]
    problems, compared = [], 0

    def add(found):
        nonlocal problems, compared
        problems += found[0]
        compared += found[1]

    with tempfile.TemporaryDirectory() as folder:
        for seed in range(5):
            qrels_file, run_file = make_files(folder, seed)
            add(compare(binary, qrels_file, run_file, list(ir_measures.read_trec_qrels(qrels_file))))
    for data in (reference.ROOT / "examples" / "collection", reference.SHARED / "data" / "scifact"):
        runs = [path for path in (data / "bm25.trec", data / "run.bm25.txt") if path.exists()]
        if runs:
            qrels_file = data / "qrels" / "test.tsv"
            rows = [line.split("\t") for line in qrels_file.read_text(encoding="utf-8").splitlines()[1:]]
            add(compare(binary, qrels_file, runs[0], [ir_measures.Qrel(q, p, int(grade)) for q, p, grade in rows]))
    reference.finish(problems, f"{compared} values equal trec_eval's")


if __name__ == "__main__":
    main()
