"""The embedded model is an ordinary Hugging Face folder: transformers, and sentence-transformers' CrossEncoder, read
models/embedded without a word and give the scores of `rerank score`, at all lengths up to the model's 512 tokens.

Usage: embedded_model.py RERANK
Exit code: 0 equal, 1 not, 77 skipped (no Python here has transformers and PyTorch). CrossEncoder is left out where
sentence-transformers is not installed.
"""

import json
import pathlib
import random
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "models" / "embedded"
TOLERANCE = 1e-4  # both compute in float32 from the same f16 weights; measured: 3e-6
try:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
except ImportError:
    print("SKIPPED: this Python has no transformers with PyTorch")
    sys.exit(77)


def pairs():
    """Pairs of a few words to more than 512 tokens."""
    rng = random.Random(3)
    words = [word for line in (ROOT / "examples" / "passages.jsonl").read_text(encoding="utf-8").splitlines()
             for word in json.loads(line)["text"].split()]
    for length in (1, 5, 40, 120, 250, 360, 600):
        start = rng.randrange(len(words))
        passage = " ".join((words * 20)[start:start + length])
        yield " ".join(rng.sample(words, rng.randrange(2, 12))), passage


def ours(binary, samples):
    lines = "".join(json.dumps({"query": query, "passage": passage}) + "\n" for query, passage in samples)
    done = subprocess.run([binary, "score", "--input", "-", "--dtype", "f32"], input=lines, capture_output=True, text=True,
                          encoding="utf-8", check=True)
    return [json.loads(line)["score"] for line in done.stdout.splitlines()]


def theirs(samples):
    model, notes = AutoModelForSequenceClassification.from_pretrained(FOLDER, dtype=torch.float32, output_loading_info=True)
    wrong = {key: value for key, value in notes.items() if value}
    if wrong:
        sys.exit(f"transformers reports {wrong}")
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    scores = []
    for query, passage in samples:
        inputs = tokenizer(query, passage, truncation="only_second", return_tensors="pt")
        if inputs["input_ids"].shape[1] > 512:
            sys.exit(f"the tokenizer lets {inputs['input_ids'].shape[1]} tokens through")
        with torch.inference_mode():
            scores.append(float(model.eval()(**inputs).logits[0, 0]))
    return scores


def main():
    samples = list(pairs())
    rows = {"rerank": ours(sys.argv[1], samples), "transformers": theirs(samples)}
    try:
        from sentence_transformers import CrossEncoder
    except ImportError:
        print("sentence-transformers is not installed: CrossEncoder left out")
    else:
        encoder = CrossEncoder(str(FOLDER), activation_fn=torch.nn.Identity(), device="cpu",
                               model_kwargs={"dtype": torch.float32})
        rows["CrossEncoder"] = [float(score) for score in encoder.predict(samples)]
    worst = max(abs(score - reference) for scores in rows.values() for score, reference in zip(scores, rows["rerank"], strict=True))
    print(f"{len(samples)} pairs, {', '.join(rows)}: greatest difference {worst:.2g}")
    if not worst <= TOLERANCE:
        sys.exit("\n".join(f"{name}: {scores}" for name, scores in rows.items()))


if __name__ == "__main__":
    main()
