"""Leaves one family of sources out after another: what the recipe is worth on texts of a kind it was never trained on.

Sources of one family share texts or style (encyclopedia questions, biomedical texts, ...), so a family is left out as a whole. For
each, a run begins with the base model and a fresh head, trains on the other families for the steps that the settings'
"cross_validation" gives, and is measured on held-out queries of the family: each with all its relevant passages and BM25's best. One
more run leaves nothing out: its distance to the others is what the family's own texts bring. No run sees a held-out query, and
none is measured before its end, so nothing is chosen by these figures. --out keeps the runs, each in a folder fold-FAMILY;
an interrupted one goes on. In the folder that train.py wrote, the teacher's embeddings are not made again.

These runs are far shorter than the shipped model's, which no longer can be made without a family: its figures are not theirs.

Example:
  python crossval.py --base base/model --encoders encoders --data ../../shared/data/train extra --out run
"""
import argparse
import copy
import json
import os
import types

import numpy as np
import torch

import evaluate
import network
import teacher
import train
import validation
from lists import Lists


def fold_settings(settings, left_out):
    """One round, without the family's pools, measured at its end alone."""
    options, out = settings["cross_validation"], copy.deepcopy(settings)
    for phase, steps in zip(out["phases"], options["steps"], strict=True):
        phase["steps"] = steps
        phase["mixture"] = {name: share for name, share in phase["mixture"].items() if name not in left_out}
    out["validation_steps"] = sum(options["steps"])
    return out


def cosines(lists, entries, base):
    """The base model's own cosine of each pair, in the entries' order."""
    texts = types.SimpleNamespace(queries={(pool.name, i): pool.queries[i] for pool, i, _, _ in entries},
                                  passages={(pool.name, x): pool.passages[x] for pool, _, found, _ in entries for x in found})
    limits = lists.settings["teacher_max_tokens"], lists.settings["teacher_batch_tokens"]
    score = evaluate.cosine_scores(teacher.Encoder(base), texts, *limits)
    return np.array(score([((pool.name, i), (pool.name, x)) for pool, i, found, _ in entries for x in found]))


def run_fold(lists, left_out, measured, args, out):
    """The figures on the pools that are measured, of a run that was not trained on the pools left out."""
    fold = copy.copy(lists)
    fold.settings = fold_settings(lists.settings, left_out)
    fold.held_out = {name: lists.held_out[name] for name in measured}
    seed = fold.settings["cross_validation"]["seed"]
    torch.manual_seed(seed)
    trainer = train.Trainer(network.build_model(args.base, None), fold.settings)
    _, figures = train.train(trainer, fold, seed, out)
    trainer.workers.close()
    return figures["by_pool"]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    train.add_inputs(parser)
    parser.add_argument("--out", required=True, help="folder for all that the runs write; best that of train.py")
    args = parser.parse_args(argv)
    with open(args.settings, encoding="utf-8") as file:
        settings = json.load(file)
    torch.set_num_threads(1)
    families = settings["cross_validation"]["families"]
    measured = [name for family in families.values() for name in family["measured"]]
    settings["validation"] = {name: settings["cross_validation"]["queries"] for name in measured}
    lists = Lists(settings, args.data, args.base, args.encoders, args.out)
    entries = list(lists.validation())
    columns = validation.baselines(lists)
    columns["cosine"] = validation.figures(entries, cosines(lists, entries, args.base))
    columns = {name: figures["by_pool"] for name, figures in columns.items()}
    columns["none left out"] = run_fold(lists, [], measured, args, os.path.join(args.out, "fold-none"))
    columns["left out"] = {}
    for name, family in families.items():
        left_out = [*family["measured"], *family.get("also", [])]
        columns["left out"] |= run_fold(lists, left_out, family["measured"], args, os.path.join(args.out, "fold-" + name.replace(" ", "-")))
    shown = ["bm25", "cosine", "teacher", "left out", "none left out"]
    print("| family | source | " + " | ".join(shown) + " |\n| " + " --- |" * (len(shown) + 2))
    for name, family in families.items():
        for pool in family["measured"]:
            print(f"| {name} | {pool} | " + " | ".join(f"{columns[column][pool]:.3f}" for column in shown) + " |")
    # Mean of the families, so that one of many sources does not count more.
    means = [np.mean([np.mean([columns[c][pool] for pool in family["measured"]]) for family in families.values()]) for c in shown]
    print("| mean of the families | | " + " | ".join(f"{value:.3f}" for value in means) + " |")
    with open(os.path.join(args.out, "crossval.json"), "w", encoding="utf-8") as file:
        json.dump(columns, file, indent=2)


if __name__ == "__main__":
    main()
