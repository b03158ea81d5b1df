"""Trains the embedded reranker: a BERT cross-encoder on lists of one positive and several negatives a query.

Everything that shapes the model stands in settings.json. A run writes log.jsonl and last.pt into --out and goes on from
last.pt, to the very step, when it is started again with the same folder: data order and negatives depend on the seed
and the step alone. Changing "steps" between two starts is allowed; the learning rate then follows the new schedule.

Example:
  python teacher.py --base base/model --out teacher
  python train.py --base base/model --teacher teacher --out run
  python train.py --base base/model --teacher teacher --settings settings-2.json --start run/last.pt --out run-2
"""
import argparse
import json
import os
import time
import zlib

import numpy as np
import torch

import data


def attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **kwargs):
    """Plain attention that stays in bf16 and scales the small operand. On a CPU the backward pass of PyTorch's fused
    kernel takes twice as long, and transformers' own plain one spends a fifth of its time on float32 copies."""
    scores = torch.matmul(query * scaling, key.transpose(2, 3))
    if attention_mask is not None:
        scores += attention_mask
    return torch.matmul(scores.softmax(-1), value).transpose(1, 2).contiguous(), None


def build_model(base):
    from transformers import AttentionInterface, AttentionMaskInterface, BertForSequenceClassification
    from transformers.masking_utils import eager_mask

    AttentionInterface.register("plain", attention)
    AttentionMaskInterface.register("plain", eager_mask)
    # Dropout costs more than half of a forward pass in random numbers, and one pass over few data hardly overfits.
    options = dict(num_labels=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="plain")
    return BertForSequenceClassification.from_pretrained(base, **options)


class Lists:
    """Training lists: which queries a step takes, and which passages stand beside each query."""

    def __init__(self, settings, data_dir, teacher_dir, tokenizer):
        self.settings = settings
        self.sources, self.vectors = [], []
        plan, self.held_out = [], []
        rng = np.random.default_rng(settings["seed"])
        for number, (name, share) in enumerate(settings["sources"].items()):
            source = data.Source(data_dir, name, tokenizer)
            with np.load(os.path.join(teacher_dir, name + ".npz")) as file:
                self.vectors.append((file["q"].astype(np.float32), file["p"].astype(np.float32)))
            self.sources.append(source)
            order = rng.permutation(len(source.queries))
            held = []
            if name in settings["validation"]:
                # Runs that start from one another differ in seed and sources but must hold out the same queries.
                stream = np.random.default_rng((settings["validation_seed"], zlib.crc32(name.encode())))
                held = stream.permutation(len(source.queries))[:settings["validation"][name]]
            # The same query may stand in several pairs, and none of them may be trained on when it is held out.
            texts = {source.queries[i].tobytes() for i in held}
            rest = [i for i in order if source.queries[i].tobytes() not in texts]
            self.held_out += [(number, int(i)) for i in held]
            plan += [(number, int(i)) for i in rest[:share]]
        self.plan = [plan[i] for i in rng.permutation(len(plan))]

    def cosines(self, number, i, passages):
        q, p = self.vectors[number]
        return p[passages] @ q[i]

    def nearest(self, number, i, count):
        """Passages nearest to the query for the base model, without its positives."""
        q, p = self.vectors[number]
        scores = p @ q[i]
        top = np.argpartition(-scores, count + len(self.sources[number].answers[i]))
        top = top[:count + len(self.sources[number].answers[i])]
        top = top[np.argsort(-scores[top])]
        return [int(x) for x in top if int(x) not in self.sources[number].answers[i]][:count]

    def step(self, step):
        """The queries of one step: (source, query, passages with the positive first)."""
        s = self.settings
        rng = np.random.default_rng((s["seed"], step))
        size = s["queries_per_step"]
        out = []
        for k in range(step * size, (step + 1) * size):
            number, i = self.plan[k % len(self.plan)]
            source = self.sources[number]
            given = [x for x in source.negatives[i] if x not in source.answers[i]]
            chosen = [given[j] for j in rng.permutation(len(given))[:s["negatives_given"]]]
            near = [x for x in self.nearest(number, i, s["near_depth"])[s["near_skip"]:] if x not in chosen]
            chosen += [near[j] for j in rng.permutation(len(near))[:s["negatives_near"]]]
            # Random passages fill the list, so that every query has the same number.
            length = 1 + s["negatives_given"] + s["negatives_near"] + s["negatives_random"]
            while len(chosen) < length - 1:
                x = int(rng.integers(len(source.passages)))
                if x not in chosen and x not in source.answers[i]:
                    chosen.append(x)
            out.append((number, i, [source.positives[i]] + chosen))
        return out


def forward(model, pairs, max_length, group):
    """Scores of the pairs, computed in groups of like length: little padding, and activations that stay in the cache."""
    order = sorted(range(len(pairs)), key=lambda k: data.pair_length(*pairs[k], max_length))
    scores = []
    for start in range(0, len(order), group):
        ids, types, mask = data.collate([pairs[k] for k in order[start:start + group]], max_length)
        # A group without padding needs no mask.
        scores.append(model(input_ids=torch.from_numpy(ids), token_type_ids=torch.from_numpy(types),
                            attention_mask=None if mask.all() else torch.from_numpy(mask)).logits[:, 0].float())
    inverse = np.empty(len(order), dtype=np.int64)
    inverse[order] = np.arange(len(order))
    return torch.cat(scores)[torch.from_numpy(inverse)]


def list_loss(scores, cosines, settings):
    """Cross-entropy of the list's softmax. The target is the positive, softened by the base model's view of the list:
    some negatives of every source are relevant all the same, and the base model has seen many more texts."""
    share = settings["teacher_share"]
    target = share * (cosines / settings["teacher_temperature"]).softmax(-1)
    target[:, 0] += 1 - share
    return -(target * scores.log_softmax(-1)).sum(-1).mean()


def validate(model, lists, settings):
    """Mean nDCG@10 over the held-out queries, each with its positive and its hardest negatives. There is one relevant
    passage a query, so nDCG@10 is 1/log2(1 + rank). Also the base model's on the same lists."""
    ours, theirs = {}, {}
    for number, i in lists.held_out:
        source = lists.sources[number]
        passages = [x for x in source.negatives[i] if x not in source.answers[i]]
        near = lists.nearest(number, i, settings["validation_near"])
        passages = [source.positives[i]] + passages + [x for x in near if x not in passages]
        with torch.inference_mode():
            scores = forward(model, [(source.queries[i], source.passages[x]) for x in passages],
                             settings["max_length"], settings["group"]).numpy()
        for values, out in ((scores, ours), (lists.cosines(number, i, passages), theirs)):
            rank = 1 + int((values[1:] >= values[0]).sum())
            out.setdefault(source.name, []).append(1 / np.log2(1 + rank) if rank <= 10 else 0.0)
    mean = lambda values: round(float(np.mean(values)), 4)
    return {"ndcg": mean(sum(ours.values(), [])), "base_cosine_ndcg": mean(sum(theirs.values(), [])),
            "by_source": {name: mean(values) for name, values in ours.items()}}


def rate(step, settings):
    """Linear warm-up and linear decay to zero, as a share of the peak rate."""
    warm = settings["warmup_steps"]
    if step < warm:
        return (step + 1) / warm
    return max(0.0, (settings["steps"] - step) / max(1, settings["steps"] - warm))


def peak_rate(name, settings, layers):
    """The head, which starts from nothing, learns fastest; lower layers change less than upper ones."""
    if name.startswith("classifier"):
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
        frozen = tuple(settings["frozen"])
        self.master = {name: p.detach().clone().float() for name, p in model.named_parameters()}
        self.average = {name: p.clone() for name, p in self.master.items()}
        self.model = model.to(torch.bfloat16).train()
        self.trained = {}
        for name, p in self.model.named_parameters():
            p.requires_grad_(not name.startswith(frozen))
            if p.requires_grad:
                self.trained[name] = p
        layers = model.config.num_hidden_layers
        self.optimizer = torch.optim.AdamW(
            [{"params": [self.master[name]], "peak": peak_rate(name, settings, layers),
              "weight_decay": settings["weight_decay"] if p.dim() > 1 else 0.0} for name, p in self.trained.items()],
            betas=tuple(settings["betas"]))

    def update(self):
        for name, p in self.trained.items():
            self.master[name].grad = p.grad.float()
            p.grad = None
        norm = torch.nn.utils.clip_grad_norm_([self.master[name] for name in self.trained], self.settings["clip"])
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate(self.step, self.settings)
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
                    "optimizer": self.optimizer.state_dict()}, path + ".tmp")
        os.replace(path + ".tmp", path)

    def start_from(self, path):
        """Takes the averaged weights of another run as the first ones of this run."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for name in self.master:
                self.master[name].copy_(state["average"][name])
                self.average[name].copy_(state["average"][name])
        self.use(self.master)

    def load(self, path):
        state = torch.load(path, map_location="cpu", weights_only=True)
        changed = [key for key in self.settings if key != "steps" and self.settings[key] != state["settings"].get(key)]
        if changed:
            raise SystemExit(f"error: {path} was made with another {', '.join(changed)}; give a new --out folder")
        with torch.no_grad():
            for name in self.master:
                self.master[name].copy_(state["last"][name])
                self.average[name].copy_(state["average"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.use(self.master)


def train(trainer, lists, settings, out, start):
    os.makedirs(out, exist_ok=True)
    checkpoint = os.path.join(out, "last.pt")
    if os.path.exists(checkpoint):
        trainer.load(checkpoint)
    elif start:
        trainer.start_from(start)
    with open(os.path.join(out, "log.jsonl"), "a", encoding="utf-8") as log:
        def report(**values):
            log.write(json.dumps({"step": trainer.step, **values}) + "\n")
            log.flush()

        def report_validation():
            for name, weights in (("last", trainer.master), ("average", trainer.average)):
                trainer.use(weights)
                report(weights=name, **validate(trainer.model, lists, settings))
            trainer.use(trainer.master)

        while trainer.step < settings["steps"]:
            begin = time.time()
            batch = lists.step(trainer.step)
            pairs = [(lists.sources[number].queries[i], lists.sources[number].passages[x])
                     for number, i, passages in batch for x in passages]
            cosines = torch.from_numpy(np.stack([lists.cosines(*entry) for entry in batch]))
            scores = forward(trainer.model, pairs, settings["max_length"], settings["group"]).view(len(batch), -1)
            loss = list_loss(scores, cosines, settings)
            loss.backward()
            loss = float(loss.detach())
            hits = float((scores.argmax(-1) == 0).float().mean())
            learning_rate = settings["learning_rate"] * rate(trainer.step, settings)
            norm = trainer.update()
            report(loss=round(loss, 4), first=round(hits, 4), lr=learning_rate, norm=round(norm, 3),
                   tokens=sum(data.pair_length(q, p, settings["max_length"]) for q, p in pairs),
                   seconds=round(time.time() - begin, 3))
            if trainer.step % settings["checkpoint_steps"] == 0:
                trainer.save(checkpoint)
            if trainer.step % settings["validation_steps"] == 0 and trainer.step < settings["steps"]:
                report_validation()
        trainer.save(checkpoint)
        report_validation()


def main(argv=None):
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="folder of the base model (config, weights, tokenizer.json)")
    parser.add_argument("--data", default=os.path.join(here, "../../shared/data/train"), help="folder of the sources")
    parser.add_argument("--teacher", required=True, help="folder that teacher.py wrote")
    parser.add_argument("--settings", default=os.path.join(here, "settings.json"))
    parser.add_argument("--start", help="checkpoint of an earlier run whose averaged weights this run starts from")
    parser.add_argument("--out", required=True, help="folder for log.jsonl and last.pt")
    args = parser.parse_args(argv)
    with open(args.settings, encoding="utf-8") as file:
        settings = json.load(file)
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    trainer = Trainer(build_model(args.base), settings)
    lists = Lists(settings, args.data, args.teacher, data.load_tokenizer(args.base))
    print(f"{len(lists.plan)} queries to train on, {len(lists.held_out)} held out, "
          f"{settings['steps'] * settings['queries_per_step'] / len(lists.plan):.2f} passes", flush=True)
    train(trainer, lists, settings, args.out, args.start)


if __name__ == "__main__":
    main()
