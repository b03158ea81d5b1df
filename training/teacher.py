"""Embeds the queries and passages of the training sources with the base bi-encoder.

The cosines of these embeddings soften the training targets and find further negatives (see train.py). One file
NAME.npz a source, with the unit vectors of its queries ("q") and passages ("p"); files that exist are kept.

Example:
  python teacher.py --base base/model --data ../../shared/data/train --out teacher
"""
import argparse
import json
import os
import time

import numpy as np
import torch

import data


def embed(model, texts, max_tokens, batch_tokens):
    """Unit vectors of token id lists: the mean over all tokens' last states, as the base model was trained."""
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    out = np.zeros((len(texts), model.config.hidden_size), dtype=np.float16)
    start = 0
    while start < len(order):
        width = min(len(texts[order[start]]), max_tokens - 2) + 2
        chunk = order[start:start + max(1, batch_tokens // width)]
        start += len(chunk)
        ids = torch.zeros((len(chunk), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(chunk):
            tokens = [data.CLS, *texts[i][:max_tokens - 2], data.SEP]
            ids[row, :len(tokens)] = torch.tensor(tokens)
            mask[row, :len(tokens)] = 1
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        out[chunk] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return out


def main(argv=None):
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="folder of the base model (config, weights, tokenizer.json)")
    parser.add_argument("--data", default=os.path.join(here, "../../shared/data/train"), help="folder of the sources")
    parser.add_argument("--settings", default=os.path.join(here, "settings.json"))
    parser.add_argument("--out", required=True, help="folder for the embeddings")
    args = parser.parse_args(argv)
    from transformers import AutoModel

    with open(args.settings, encoding="utf-8") as file:
        settings = json.load(file)
    torch.set_num_threads(settings["threads"])
    tokenizer = data.load_tokenizer(args.base)
    model = AutoModel.from_pretrained(args.base, attn_implementation="sdpa").eval()
    os.makedirs(args.out, exist_ok=True)
    for name in settings["sources"]:
        path = os.path.join(args.out, name + ".npz")
        if os.path.exists(path):
            continue
        begin = time.time()
        source = data.Source(args.data, name, tokenizer)
        limits = settings["teacher_max_tokens"], settings["teacher_batch_tokens"]
        q = embed(model, source.queries, *limits)
        p = embed(model, source.passages, *limits)
        np.savez(path, q=q, p=p)
        cosine = (q.astype(np.float32) * p[source.positives].astype(np.float32)).sum(1).mean()
        lengths = [len(x) for x in source.passages]
        print(f"{name}: {len(q)} queries, {len(p)} passages, passage tokens mean {np.mean(lengths):.0f} "
              f"p90 {np.percentile(lengths, 90):.0f}, positive cosine {cosine:.3f}, {time.time() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
