"""Writes trained weights as an ordinary Hugging Face folder: BertForSequenceClassification in F16, one label."""
import json
import os

import torch
from safetensors.torch import save_file

# What every reader of the folder needs, and nothing about how the model was trained. The dropouts are those of the base
# model and matter only to someone who trains further.
CONFIG_KEYS = ["attention_probs_dropout_prob", "hidden_act", "hidden_dropout_prob", "hidden_size", "initializer_range",
               "intermediate_size", "layer_norm_eps", "max_position_embeddings", "num_attention_heads",
               "num_hidden_layers", "pad_token_id", "type_vocab_size", "vocab_size"]


def calibrated(weights, scale, offset):
    """The weights with scale x score + offset folded into the head."""
    head = {"classifier.weight": weights["classifier.weight"] * scale,
            "classifier.bias": weights["classifier.bias"] * scale + offset}
    return {**weights, **head}


def write_model(out, base, tensors):
    from transformers import AutoModelForSequenceClassification

    os.makedirs(out, exist_ok=True)
    tensors = {name: t.to(torch.float16).contiguous() for name, t in tensors.items()}
    bad = [name for name, t in tensors.items() if not torch.isfinite(t).all()]
    if bad:
        raise SystemExit(f"error: values that F16 cannot hold in {', '.join(bad)}; train again with less weight growth")
    path = os.path.join(out, "model.safetensors")
    save_file(tensors, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)  # safetensors makes a file that only its owner can read
    with open(os.path.join(base, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
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
    # Reading it back shows missing or unexpected tensors, which transformers would only warn about.
    _, info = AutoModelForSequenceClassification.from_pretrained(out, output_loading_info=True)
    wrong = {key: sorted(value) for key, value in info.items() if value}
    if wrong:
        raise SystemExit(f"error: transformers reports {wrong} for {out}")
    print(f"{out}: {len(tensors)} tensors, {os.path.getsize(path) / 1e6:.1f} MB")
