"""Checks the training tools on a tiny model and made-up texts, in seconds and without any download.

It embeds, trains, resumes, exports, evaluates and compares, and checks that the loss falls, that a resumed run ends at the very
weights of an uninterrupted one, and that transformers reads the exported folder and ranks with it.

Example:
  python selfcheck.py
"""
import argparse
import gzip
import json
import os
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file

import compare
import data
import evaluate
import train

WORDS = 60


def write_json_lines(path, rows):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def make_base(folder):
    """A BERT of two layers with a whole-word vocabulary, special tokens where BERT's English vocabulary has them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    tokens = [f"[unused{i}]" for i in range(data.SEP + 1)] + [f"w{i}" for i in range(WORDS)]
    tokens[data.PAD], tokens[100], tokens[data.CLS], tokens[data.SEP] = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
    vocab = {token: i for i, token in enumerate(tokens)}
    os.makedirs(folder)
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", data.CLS), ("[SEP]", data.SEP)])
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    torch.manual_seed(1)
    BertModel(BertConfig(vocab_size=len(vocab), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                         intermediate_size=64, max_position_embeddings=64)).save_pretrained(folder)


def make_texts(folder, rng):
    """Passages of random words; a query repeats two words of its passage."""
    os.makedirs(os.path.join(folder, "qrels"))
    passages = [[f"w{w}" for w in rng.choice(WORDS, 8, replace=False)] for _ in range(60)]
    # Three sentences: queries are made only of a sentence that leaves two others.
    rows = [{"_id": str(i), "title": p[0] if i % 2 else "", "text": " ".join(p[i % 2:]) + ". W1 w2. W3 w4."}
            for i, p in enumerate(passages)]
    queries = [" ".join(rng.choice(p, 2, replace=False)) for p in passages]
    pairs = [{"query": q, "positive": i, "negatives": [int(x) for x in rng.choice(60, 6, replace=False) if x != i][:5]}
             for i, q in enumerate(queries)]
    write_json_lines(os.path.join(folder, "toy.passages.jsonl.gz"), rows)
    write_json_lines(os.path.join(folder, "toy.pairs.jsonl.gz"), pairs)
    write_json_lines(os.path.join(folder, "corpus.jsonl"), rows)
    write_json_lines(os.path.join(folder, "queries.jsonl"), [{"_id": f"q{i}", "text": q} for i, q in enumerate(queries)])
    with open(os.path.join(folder, "qrels", "test.tsv"), "w", encoding="utf-8") as file:
        file.write("query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\t{i}\t1\n" for i in range(60)))
    with open(os.path.join(folder, "run.bm25.txt"), "w", encoding="utf-8") as file:
        for i, pair in enumerate(pairs):
            for rank, passage in enumerate([*pair["negatives"], i], 1):
                file.write(f"q{i} Q0 {passage} {rank} {10 - rank} bm25\n")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "settings.json"), encoding="utf-8") as file:
        settings = json.load(file)
    with tempfile.TemporaryDirectory() as root:
        at = lambda *names: os.path.join(root, *names)
        make_base(at("base"))
        make_texts(at("texts"), np.random.default_rng(2))
        phase = dict(settings["phases"][0], mixture={"toy": 2, "toy-parts": 1}, steps=60, max_length=48)
        settings.update(rounds=1, pools={"toy": {"source": "toy", "passages": 60},
                               "toy-parts": {"source": "toy", "part_words": 12, "passages": 70,
                                             "made": {"sentence": 20, "words": 10}}},
                        validation={"toy": 10}, phases=[phase, dict(phase, steps=20, max_length=64, joined=0.5)],
                        encoders={"base": {"query": "", "passage": "w1 ", "weight": 8.0}}, bm25_weight=4.0,
                        warmup_steps=5, checkpoint_steps=20, validation_steps=40, validation_depth=8,
                        learning_rate=3e-3, head_learning_rate=3e-3, patience=9, frozen=[], start_share=0.5)

        def run(out, seeds, *more):
            with open(at("settings.json"), "w", encoding="utf-8") as file:
                json.dump({**settings, "seeds": seeds}, file)
            train.main(["--base", at("base"), "--encoders", root, "--data", at("texts"), "--settings", at("settings.json"),
                        "--out", at(out), *more])
            return [torch.load(at(out, f"run-{seed}", "last.pt"), weights_only=True) for seed in seeds]

        [whole] = run("whole", [1])
        log = data.read_lines(at("whole", "run-1", "log.jsonl"))
        losses = [x["loss"] for x in log if "loss" in x]
        assert len(losses) == 80, len(losses)
        assert np.mean(losses[-20:]) < np.mean(losses[:5]) - 0.05, losses
        assert [x["step"] for x in log if "ndcg" in x] == [40, 80], log
        # A run that is killed right after its checkpoint of step 40 and started again.
        original = train.Trainer.save

        def save_and_stop(self, path):
            original(self, path)
            if self.step == 40:
                raise KeyboardInterrupt

        train.Trainer.save = save_and_stop
        try:
            run("parts", [1])
            raise SystemExit("error: the run was not interrupted")
        except KeyboardInterrupt:
            train.Trainer.save = original
        [parts] = run("parts", [1])
        for weights in ("last", "average"):
            for name, tensor in whole[weights].items():
                assert torch.equal(tensor, parts[weights][name]), f"resuming changed {weights} {name}"
        # From a reranker: what is exported stands between its weights and the mean of the runs'.
        started = at("whole", "model", "model.safetensors")
        run("further", [1, 2], "--start", started)
        name = "bert.encoder.layer.0.output.dense.weight"
        runs = [torch.load(at("further", f"run-{seed}", "best.pt"), weights_only=True)["average"][name] for seed in (1, 2)]
        assert not torch.allclose(*runs, atol=2e-3), "both seeds gave the same weights"
        trained = (runs[0] + runs[1]) / 2
        between = torch.lerp(trained, load_file(started)[name].float(), settings["start_share"])
        exported = load_file(at("further", "model", "model.safetensors"))[name].float()
        assert torch.allclose(exported, between, atol=2e-3), (exported - between).abs().max()
        assert not torch.allclose(trained, between, atol=2e-3), "the runs did not move the weights"
        evaluate.main(["--model", at("whole", "model"), "--base", at("base"), "--data", root, "--collections", "texts",
                       "--max-length", "64", "--runs", at("runs")])
        compare.main(["--runs", at("runs"), "--data", root, "--collections", "texts", "--failures", "2"])
    print("selfcheck: ok")


if __name__ == "__main__":
    main()
