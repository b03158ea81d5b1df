"""Checks the training tools on a tiny model and made-up texts, in seconds and without any download.

It reads Debian's descriptions and WordNet's files, embeds, trains, resumes, exports, evaluates, compares and leaves families out, and
checks that the loss falls, that a resumed run ends at the very weights of an uninterrupted one, that a family left out is not
trained on, and that transformers reads the exported folder and ranks with it.

Example:
  python selfcheck.py
"""
import argparse
import json
import os
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file

import compare
import crossval
import data
import debian
import evaluate
import train

WORDS = 60


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
    data.write_lines(os.path.join(folder, "toy.passages.jsonl.gz"), rows)
    data.write_lines(os.path.join(folder, "toy.pairs.jsonl.gz"), pairs)
    data.write_lines(os.path.join(folder, "corpus.jsonl"), rows)
    data.write_lines(os.path.join(folder, "queries.jsonl"), [{"_id": f"q{i}", "text": q} for i, q in enumerate(queries)])
    with open(os.path.join(folder, "qrels", "test.tsv"), "w", encoding="utf-8") as file:
        file.write("query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\t{i}\t1\n" for i in range(60)))
    with open(os.path.join(folder, "run.bm25.txt"), "w", encoding="utf-8") as file:
        for i, pair in enumerate(pairs):
            for rank, passage in enumerate([*pair["negatives"], i], 1):
                file.write(f"q{i} Q0 {passage} {rank} {10 - rank} bm25\n")


def check_sources(folder):
    body = "\n ".join(["A tool that ranks passages by how well each of them", "answers a question, for people who search."] * 2)
    block = "Package: {}\nDescription-md5: 0\nDescription-en: {}\n {}\n .\n Second paragraph."
    text = "\n\n".join([block.format("b", "ranks passages (data files)", body), block.format("a", "reranker of passages", body),
                         block.format("c", "transitional package", body.replace("tool", "thing")),
                         "Package: d\nDescription-en: too short\n A body of few words."])
    [(query, passage)] = debian.descriptions(text)
    assert query == "reranker of passages" and passage.endswith("people who search. Second paragraph."), (query, passage)
    for part, line in (("noun", '00001740 03 n 02 jet_engine 0 jet 1 001 @ 00 n 0 | an engine that pushes a gas backwards; "a jet"'),
                       ("verb", "00001741 29 v 01 go 0 000 | too short"),
                       ("adj", "00001742 00 a 01 wide(p) 0 000 | so much that all of it fits  ")):
        with open(os.path.join(folder, "data." + part), "w", encoding="utf-8") as file:
            file.write("  1 License\n" + line + "\n")
    assert list(debian.meanings(folder)) == [("jet engine, jet", "an engine that pushes a gas backwards"),
                                             ("wide", "so much that all of it fits")], list(debian.meanings(folder))


def check_crossval(settings, at, root):
    """Two families; each run but the last learns from the other one alone."""
    seen = []
    original = crossval.train.train

    def note(trainer, lists, seed, out):
        seen.append((sorted(lists.held_out), [sorted(phase["mixture"]) for phase in lists.settings["phases"]]))
        return original(trainer, lists, seed, out)

    settings = dict(settings, cross_validation={"seed": 5, "queries": 6, "steps": [4, 2], "families": {
        "toys": {"measured": ["toy"]}, "other toys": {"measured": ["toy-2"], "also": ["toy-parts"]}}})
    settings["pools"]["toy-2"] = settings["pools"]["toy"]
    settings["phases"] = [dict(phase, mixture={**phase["mixture"], "toy-2": 1}) for phase in settings["phases"]]
    with open(at("settings.json"), "w", encoding="utf-8") as file:
        json.dump(settings, file)
    crossval.train.train = note
    crossval.main(["--base", at("base"), "--encoders", root, "--data", at("texts"), "--settings", at("settings.json"),
                   "--out", at("folds")])
    crossval.train.train = original
    every, rest = ["toy", "toy-2", "toy-parts"], ["toy-2", "toy-parts"]
    assert seen == [(["toy", "toy-2"], [every] * 2), (["toy"], [rest] * 2), (["toy-2"], [["toy"]] * 2)], seen
    with open(at("folds", "crossval.json"), encoding="utf-8") as file:
        columns = json.load(file)
    assert all(set(columns[name]) == {"toy", "toy-2"} for name in ("bm25", "cosine", "teacher", "left out", "none left out")), columns


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
        check_sources(root)
        phase = dict(settings["phases"][0], mixture={"toy": 2, "toy-parts": 1}, steps=60, max_length=48)
        settings.update(rounds=1, pools={"toy": {"source": "toy", "passages": 60},
                               "toy-parts": {"source": "toy", "part_words": 12, "passages": 70,
                                             "made": {"sentence": 20, "words": 10}}},
                        validation={"toy": 10}, calibrated_on=["toy"], phases=[phase, dict(phase, steps=20, max_length=64, joined=0.5)],
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
        check_crossval(settings, at, root)
    print("selfcheck: ok")


if __name__ == "__main__":
    main()
