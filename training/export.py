"""Writes a trained checkpoint as an ordinary Hugging Face folder: BertForSequenceClassification in F16, one label.

The checkpoint is a .pt file of train.py; its exponential average is taken where --weights says so. With --untrained the
base weights get a fresh head instead: a stand-in with the final layout.

Example:
  python export.py --base base/model --checkpoint run/last.pt --weights average --out ../models/embedded
"""
import argparse
import json
import os

import torch
from safetensors.torch import save_file

# What every reader of the folder needs, and nothing about how the model was trained. The dropouts are those of the base
# model and matter only to someone who trains further.
CONFIG_KEYS = ["attention_probs_dropout_prob", "hidden_act", "hidden_dropout_prob", "hidden_size", "initializer_range",
               "intermediate_size", "layer_norm_eps", "max_position_embeddings", "num_attention_heads",
               "num_hidden_layers", "pad_token_id", "type_vocab_size", "vocab_size"]


def write_model(out, config, tensors, base):
    os.makedirs(out, exist_ok=True)
    tensors = {name: t.to(torch.float16).contiguous() for name, t in tensors.items()}
    bad = [name for name, t in tensors.items() if not torch.isfinite(t).all()]
    if bad:
        raise SystemExit(f"error: values that F16 cannot hold in {', '.join(bad)}; train again with less weight growth")
    path = os.path.join(out, "model.safetensors")
    save_file(tensors, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)  # safetensors makes a file that only its owner can read
    config = {"architectures": ["BertForSequenceClassification"], "model_type": "bert",
              **{key: config[key] for key in CONFIG_KEYS},
              "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "torch_dtype": "float16"}
    with open(os.path.join(base, "tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    # The package cuts and pads to 128 tokens, which would also cut pairs.
    tokenizer["truncation"] = None
    tokenizer["padding"] = None
    tokenizer_config = {"tokenizer_class": "BertTokenizer", "model_max_length": config["max_position_embeddings"],
                        "do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True,
                        "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]",
                        "mask_token": "[MASK]"}
    for name, value in (("config.json", config), ("tokenizer.json", tokenizer),
                        ("tokenizer_config.json", tokenizer_config)):
        with open(os.path.join(out, name), "w", encoding="utf-8") as file:
            if name == "tokenizer.json":
                json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
            else:
                json.dump(value, file, indent=2)
            file.write("\n")


def main(argv=None):
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="folder of the base model (config, weights, tokenizer.json)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--checkpoint", help="checkpoint of train.py")
    what.add_argument("--untrained", action="store_true", help="base weights and a fresh head")
    parser.add_argument("--weights", choices=["last", "average"], default="average")
    parser.add_argument("--out", default=os.path.join(here, "../models/embedded"))
    args = parser.parse_args(argv)
    from transformers import AutoModelForSequenceClassification

    if args.untrained:
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(args.base, num_labels=1)
        tensors = model.state_dict()
    else:
        state = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
        tensors = state[args.weights]
    with open(os.path.join(args.base, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    write_model(args.out, config, tensors, args.base)
    # Reading it back shows missing or unexpected tensors, which transformers would only warn about.
    _, info = AutoModelForSequenceClassification.from_pretrained(args.out, output_loading_info=True)
    wrong = {key: sorted(value) for key, value in info.items() if value}
    if wrong:
        raise SystemExit(f"error: transformers reports {wrong} for {args.out}")
    size = os.path.getsize(os.path.join(args.out, "model.safetensors"))
    print(f"{args.out}: {len(tensors)} tensors, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
