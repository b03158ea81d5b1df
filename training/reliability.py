"""Draws how well scores are calibrated: for pairs whose sigmoid(score) falls into one bin, how many are relevant.

Reads TREC runs with raw scores and BEIR judgements, writes one SVG and prints each run's expected calibration error: the mean
distance of score and share over the bins, weighted by their pairs.

Example:
  python reliability.py --out ../docs/embedded-reliability.svg scifact=scifact.trec=data/scifact/qrels/test.tsv
"""
import argparse
import collections

import numpy as np

BINS = 10
COLORS = ["#1f6fb4", "#c2571a", "#2e8b57", "#7b4ea3"]
LEFT, TOP, SIDE = 60, 20, 320  # pixels; the plot is a square


def read_pairs(run, qrels):
    """(sigmoid of the score, 1 where relevant) of every pair of the run whose query is judged."""
    judged = collections.defaultdict(dict)
    with open(qrels, encoding="utf-8") as file:
        next(file)
        for line in file:
            query, passage, grade = line.split("\t")
            judged[query][passage] = int(grade)
    scores, labels = [], []
    with open(run, encoding="utf-8") as file:
        for line in file:
            query, _, passage, _, score, _ = line.split()
            if query in judged:
                scores.append(float(score))
                labels.append(judged[query].get(passage, 0) > 0)
    return 1 / (1 + np.exp(-np.array(scores))), np.array(labels, dtype=float)


def reliability(probabilities, labels):
    """Per bin that holds pairs: (mean probability, share of relevant pairs, pairs)."""
    number = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    rows = []
    for k in range(BINS):
        inside = number == k
        if inside.any():
            rows.append((float(probabilities[inside].mean()), float(labels[inside].mean()), int(inside.sum())))
    return rows


def draw(curves):
    """One line a curve over the diagonal of perfect calibration; a point's size grows with its pairs."""
    x = lambda value: LEFT + SIDE * value
    y = lambda value: TOP + SIDE * (1 - value)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + SIDE + 150}" height="{TOP + SIDE + 50}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="100%" height="100%" fill="white"/>',
           f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#999"/>',
           f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="#bbb" stroke-dasharray="4 4"/>']
    for tick in (0, 0.25, 0.5, 0.75, 1):
        out.append(f'<text x="{x(tick)}" y="{TOP + SIDE + 18}" text-anchor="middle">{tick:g}</text>')
        out.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    out.append(f'<text x="{x(0.5)}" y="{TOP + SIDE + 40}" text-anchor="middle">sigmoid of the score</text>')
    out.append(f'<text transform="translate(16 {y(0.5)}) rotate(-90)" text-anchor="middle">share of relevant pairs</text>')
    for k, (name, rows) in enumerate(curves):
        color = COLORS[k % len(COLORS)]
        points = " ".join(f"{x(p):.1f},{y(share):.1f}" for p, share, _ in rows)
        out.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        out += [f'<circle cx="{x(p):.1f}" cy="{y(share):.1f}" r="{1.5 + np.log10(pairs):.1f}" fill="{color}">'
                f'<title>{pairs} pairs</title></circle>' for p, share, pairs in rows]
        out.append(f'<text x="{LEFT + SIDE + 14}" y="{TOP + 16 + 18 * k}" fill="{color}">{name}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN=QRELS")
    parser.add_argument("--out", required=True)
    args = parser.parse_args(argv)
    curves = []
    for entry in args.runs:
        name, run, qrels = entry.split("=")
        rows = reliability(*read_pairs(run, qrels))
        curves.append((name, rows))
        total = sum(pairs for _, _, pairs in rows)
        error = sum(pairs * abs(p - share) for p, share, pairs in rows) / total
        print(f"{name}: {total} pairs, expected calibration error {error:.4f}")
        for p, share, pairs in rows:
            print(f"  {p:.3f}  {share:.3f}  {pairs}")
    with open(args.out, "w", encoding="utf-8") as file:
        file.write(draw(curves))


if __name__ == "__main__":
    main()
