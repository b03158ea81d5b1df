"""The teacher: the base bi-encoder's cosine, BM25, and the anchor, which is the model that training starts from; added up
with weights that labels choose.

`embed_pools` writes one NAME.npz a pool, with the unit vectors of its queries ("q") and passages ("p") by the base model;
files that exist are kept. `fit` finds the weights.
"""
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
        with torch.inference_mode():
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        out[chunk] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return out


def embed_pools(base, pools, tokenizer, settings, folder):
    from transformers import AutoModel

    os.makedirs(folder, exist_ok=True)
    model = None
    for pool in pools:
        path = os.path.join(folder, pool.name + ".npz")
        if os.path.exists(path):
            continue
        if model is None:
            model = AutoModel.from_pretrained(base, attn_implementation="sdpa", dtype=torch.bfloat16).eval()
        begin = time.time()
        limits = settings["teacher_max_tokens"], settings["teacher_batch_tokens"]
        passages = data.tokenize(tokenizer, pool.passages)
        q = embed(model, data.tokenize(tokenizer, pool.queries), *limits)
        p = embed(model, passages, *limits)
        np.savez(path + ".tmp.npz", q=q, p=p)
        os.replace(path + ".tmp.npz", path)
        print(f"{pool.name}: {len(q)} queries, {len(p)} passages of {np.mean([len(x) for x in passages]):.0f} tokens, "
              f"{time.time() - begin:.0f} s", flush=True)
