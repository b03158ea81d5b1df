#!/usr/bin/env python3
"""Averages the weights of two exported models and keeps the positions that they were trained on.

Example:
  python blend.py run-4/model run-5/model --positions 192 --out ../models/embedded

Two runs that start from the same weights lie in one valley, and their mean often ranks better than either. Pairs beyond the
trained length rank worse than cut ones, so the position table ends there: `max_length` then defaults to it.
"""
import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file

POSITIONS = "bert.embeddings.position_embeddings.weight"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=pathlib.Path)
    parser.add_argument("second", type=pathlib.Path)
    parser.add_argument("--positions", type=int, default=192)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    first, second = (load_file(folder / "model.safetensors") for folder in (args.first, args.second))
    tensors = {name: ((value.float() + second[name].float()) / 2).to(torch.float16) for name, value in first.items()}
    tensors[POSITIONS] = tensors[POSITIONS][:args.positions].clone()
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, args.out / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(args.first / "tokenizer.json", args.out)
    for name, key in (("config.json", "max_position_embeddings"), ("tokenizer_config.json", "model_max_length")):
        settings = json.loads((args.first / name).read_text(encoding="utf-8"))
        settings[key] = args.positions
        (args.out / name).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
