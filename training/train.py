"""Trains the embedded reranker with one command: a BERT cross-encoder that learns a list's labels and a teacher's view of it.

Everything that shapes the model stands in settings.json. A run is made for each seed, one after the other, and the model is the
mean of their weights. --out gets teacher/ (embeddings), start.json (what start and teacher are worth), for each seed run-SEED/ with
log.jsonl, last.pt and best.pt, and at the end model/, a Hugging Face folder with calibrated scores. Started again with the same
folder, a run goes on from last.pt, to the very step: data order and negatives depend on the seed and the step alone.

Example:
  python train.py --base base/model --out run
"""
import argparse
import json
import os
import time

import torch

import data
import export
import network
import validation
from lists import Lists, Schedule
from workers import Workers


def rate(step, steps, warm):
    """Linear warm-up and linear decay to zero, as a share of the peak rate."""
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / max(1, steps - warm))


def peak_rate(name, settings, layers):
    """The head, which starts from nothing, learns fastest; lower layers change less than upper ones."""
    if name.startswith(("classifier", "bert.pooler")):
        return settings["head_learning_rate"]
    depth = 0
    if ".layer." in name:
        depth = layers - 1 - int(name.split(".layer.")[1].split(".")[0])
    elif ".embeddings." in name:
        depth = layers
    return settings["learning_rate"] * settings["layer_decay"] ** depth


class Trainer:
    """float32 weights with a bf16 copy that computes. Unlike autocast this also keeps the additions, GELUs and softmaxes
    in bf16, which takes a third off a step on a CPU."""

    def __init__(self, model, settings):
        self.settings, self.step = settings, 0
        self.steps = sum(phase["steps"] for phase in settings["phases"])
        self.best, self.waited = {"ndcg": -1.0}, 0  # figures of the best validation
        frozen = tuple(settings["frozen"])
        self.master = {name: p.detach().clone().float() for name, p in model.named_parameters()}
        self.average = {name: p.clone() for name, p in self.master.items()}
        self.model = model.to(torch.bfloat16).train()
        self.trained = {}
        for name, p in self.model.named_parameters():
            p.requires_grad_(not name.startswith(frozen))
            if p.requires_grad:
                self.trained[name] = p
        self.workers = Workers(self.model, settings, settings["processes"])
        layers = model.config.num_hidden_layers
        self.optimizer = torch.optim.AdamW(
            [{"params": [self.master[name]], "peak": peak_rate(name, settings, layers),
              "weight_decay": settings["weight_decay"] if p.dim() > 1 else 0.0} for name, p in self.trained.items()],
            betas=tuple(settings["betas"]))

    def update(self, gradients):
        for name, gradient in gradients.items():
            self.master[name].grad = gradient
        norm = torch.nn.utils.clip_grad_norm_([self.master[name] for name in self.trained], self.settings["clip"])
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate(self.step, self.steps, self.settings["warmup_steps"])
        self.optimizer.step()
        self.step += 1
        # Early weights should leave the average fast.
        decay = min(self.settings["average_decay"], (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name in self.trained:
                self.average[name].lerp_(self.master[name], 1 - decay)
        self.use(self.master)
        return float(norm)

    def use(self, weights):
        with torch.no_grad():
            for name, p in self.trained.items():
                p.copy_(weights[name])

    def save(self, path):
        torch.save({"step": self.step, "settings": self.settings, "last": self.master, "average": self.average,
                    "optimizer": self.optimizer.state_dict(), "best": self.best, "waited": self.waited}, path + ".tmp")
        os.replace(path + ".tmp", path)

    def load(self, path):
        state = torch.load(path, map_location="cpu", weights_only=True)
        # What is done with the weights at the end does not shape the run, nor do other runs.
        changed = [key for key in self.settings if self.settings[key] != state["settings"].get(key)
                   and key not in ("start_share", "calibrated_on", "cross_validation")]
        if changed:
            raise SystemExit(f"error: {path} was made with another {', '.join(changed)}; give a new --out folder")
        with torch.no_grad():
            for name in self.master:
                self.master[name].copy_(state["last"][name])
                self.average[name].copy_(state["average"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best, self.waited = state["step"], state["best"], state["waited"]
        self.use(self.master)

    def score(self, weights, pairs, max_length):
        self.use(weights)
        scores = self.workers.score(pairs, max_length)
        self.use(self.master)
        return scores


def validate(trainer, lists, weights):
    return validation.measure(lists, lambda pairs: trainer.score(
        weights, pairs, trainer.settings["validation_max_length"]))


def train(trainer, lists, seed, out):
    """Trains to the end, or on from the folder's last.pt. Returns the average weights that were best in validation, and that
    validation's figures."""
    settings, schedule = lists.settings, Schedule(lists, seed)
    os.makedirs(out, exist_ok=True)
    checkpoint, best = os.path.join(out, "last.pt"), os.path.join(out, "best.pt")
    if os.path.exists(checkpoint):
        trainer.load(checkpoint)
    with open(os.path.join(out, "log.jsonl"), "a", encoding="utf-8") as log:
        def report(**values):
            log.write(json.dumps({"step": trainer.step, **values}) + "\n")
            log.flush()

        while trainer.step < trainer.steps and trainer.waited < settings["patience"]:
            begin = time.time()
            batch, max_length = schedule.step(trainer.step)
            gradients, loss, hits = trainer.workers.gradients(batch, max_length)
            norm = trainer.update(gradients)
            report(loss=round(loss, 4), first=round(hits, 4), norm=round(norm, 3),
                   tokens=sum(data.list_length(query, passages, max_length) for query, passages, _ in batch),
                   seconds=round(time.time() - begin, 3))
            if trainer.step % settings["validation_steps"] == 0 or trainer.step == trainer.steps:
                figures, _ = validate(trainer, lists, trainer.average)
                report(**figures)
                if figures["ndcg"] > trainer.best["ndcg"]:
                    trainer.best, trainer.waited = figures, 0
                    trainer.save(best)
                else:
                    trainer.waited += 1
                trainer.save(checkpoint)
            elif trainer.step % settings["checkpoint_steps"] == 0:
                trainer.save(checkpoint)
    return torch.load(best, map_location="cpu", weights_only=True)["average"], trainer.best


def report_start(trainer, lists, path):
    """Writes what the start, the teacher and its parts are worth on the validation lists, unless it is known."""
    if not os.path.exists(path):
        figures, _ = validate(trainer, lists, trainer.master)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"start": figures, **validation.baselines(lists)}, file)


def add_inputs(parser):
    """The options that say what a run is made of."""
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--base", required=True, help="folder of the base model (config, weights, tokenizer.json)")
    parser.add_argument("--encoders", required=True, help="folder of the teacher's encoders, each a folder of its settings' name")
    parser.add_argument("--data", nargs="+", default=[os.path.join(here, "../../shared/data/train")], help="folders of the sources")
    parser.add_argument("--settings", default=os.path.join(here, "settings.json"))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_inputs(parser)
    parser.add_argument("--start", help="model.safetensors of the reranker to start from, instead of a fresh head")
    parser.add_argument("--out", required=True, help="folder for all that the run writes")
    args = parser.parse_args(argv)
    with open(args.settings, encoding="utf-8") as file:
        settings = json.load(file)
    settings["phases"] *= settings["rounds"]
    torch.set_num_threads(1)
    lists = Lists(settings, args.data, args.base, args.encoders, args.out)
    runs, report, start, trainer = [], {}, None, None
    for seed in settings["seeds"]:
        if trainer:
            trainer.workers.close()
        torch.manual_seed(settings["seeds"][0])  # a fresh head is the same in all runs, or their mean would be none of them
        trainer = Trainer(network.build_model(args.base, args.start), settings)
        if not runs:
            start = {name: p.clone() for name, p in trainer.master.items()}
            report_start(trainer, lists, os.path.join(args.out, "start.json"))
        weights, report[f"run-{seed}"] = train(trainer, lists, seed, os.path.join(args.out, f"run-{seed}"))
        runs.append(weights)
    # A mean of runs knows more than each; one with the weights of the start keeps more of what the start knew.
    weights = {name: torch.stack([run[name] for run in runs]).mean(0) for name in start}
    if args.start:
        weights = {name: torch.lerp(p, start[name], settings["start_share"]) for name, p in weights.items()}
    report["exported"], scores = validate(trainer, lists, weights)
    scale, offset = validation.calibrate(lists, scores)
    export.write_model(os.path.join(args.out, "model"), args.base, export.calibrated(weights, scale, offset))
    print(json.dumps({**report, "scale": scale, "offset": offset}))


if __name__ == "__main__":
    main()
