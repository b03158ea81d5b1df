"""The teacher: the cosines of bi-encoders that know more than the student, and BM25, added up with weights that labels chose.

`embed_pools` writes ENCODER/POOL.npz, with the unit vectors of the pool's queries ("q") and passages ("p"); files that exist
are kept.
"""
import os
import time

import numpy as np
import torch

import data


class Encoder:
    """A bi-encoder: a folder that transformers reads, with a tokenizer.json. A text's vector is the mean over all tokens' last
    states, scaled to length one."""

    def __init__(self, folder, dtype=torch.bfloat16):
        from transformers import AutoModel

        self.model = AutoModel.from_pretrained(folder, dtype=dtype).eval()
        self.tokenizer = data.load_tokenizer(folder)

    def embed(self, texts, max_tokens, batch_tokens):
        """Unit vectors, float16, of texts cut to max_tokens, special tokens among them."""
        rows = [e.ids for e in self.tokenizer.encode_batch(texts)]
        # The last token, which ends the text, stays.
        rows = [row if len(row) <= max_tokens else row[:max_tokens - 1] + row[-1:] for row in rows]
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        out = np.zeros((len(rows), self.model.config.hidden_size), dtype=np.float16)
        start = 0
        while start < len(order):
            width = len(rows[order[start]])
            chunk = order[start:start + max(1, batch_tokens // width)]
            start += len(chunk)
            ids = torch.full((len(chunk), width), self.model.config.pad_token_id or 0)
            mask = torch.zeros_like(ids)
            for line, i in enumerate(chunk):
                ids[line, :len(rows[i])] = torch.tensor(rows[i])
                mask[line, :len(rows[i])] = 1
            with torch.inference_mode():
                states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            out[chunk] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return out


def embed_pools(folder, options, pools, settings, out):
    """options: {"query", "passage"}, what the encoder wants before a text of either kind."""
    os.makedirs(out, exist_ok=True)
    encoder = None
    for pool in pools:
        path = os.path.join(out, pool.name + ".npz")
        if os.path.exists(path):
            continue
        encoder = encoder or Encoder(folder)
        begin = time.time()
        limits = settings["teacher_max_tokens"], settings["teacher_batch_tokens"]
        q = encoder.embed([options["query"] + text for text in pool.queries], *limits)
        p = encoder.embed([options["passage"] + text for text in pool.passages], *limits)
        np.savez(path + ".tmp.npz", q=q, p=p)
        os.replace(path + ".tmp.npz", path)
        print(f"{path}: {len(q)} queries, {len(p)} passages, {time.time() - begin:.0f} s", flush=True)
