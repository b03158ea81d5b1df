"""Small checkpoints in place of the published models that documents name."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import struct
from typing import Any

# The golden checkpoint for each published model, and its number of layers where examples name some of them: the
# golden one has six.
STAND_INS: dict[str, tuple[str, int]] = {
    "bge-reranker-base": ("bge-reranker-base", 0),
    "bge-reranker-large": ("bge-reranker-base", 0),
    "bge-reranker-v2-m3": ("bge-reranker-v2-m3", 0),
    "bge-reranker-v2-gemma": ("bge-reranker-v2-gemma", 0),
    "bge-reranker-v2-minicpm-layerwise": ("bge-reranker-v2-minicpm-layerwise", 40),
    "bge-reranker-v2.5-gemma2-lightweight": ("bge-reranker-v2.5-gemma2-lightweight", 42),
    "ms-marco-MiniLM-L6-v2": ("ms-marco-minilm", 0),
    "rank1-7b": ("rank1-toy", 0),
}
START_LAYER = 8  # of both published layerwise models: the first with a head


def read_safetensors(path: pathlib.Path) -> dict[str, tuple[str, list[int], bytes]]:
    """(dtype, shape, bytes) of each tensor."""
    content = path.read_bytes()
    (header_bytes,) = struct.unpack("<Q", content[:8])
    header: dict[str, Any] = json.loads(content[8 : 8 + header_bytes])
    data = content[8 + header_bytes :]
    return {
        name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def write_safetensors(path: pathlib.Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> None:
    header: dict[str, Any] = {}
    end = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def deepen(golden: pathlib.Path, layers: int, folder: pathlib.Path) -> None:
    """A copy of a layerwise checkpoint with as many layers and heads as the published one, its few repeated in turn."""
    folder.mkdir(parents=True)
    for path in golden.iterdir():
        if path.suffix not in (".safetensors",) and path.name != "golden.json":
            shutil.copyfile(path, folder / path.name)
    config = json.loads((golden / "config.json").read_text(encoding="utf-8"))
    heads = config["num_hidden_layers"] - config["start_layer"] + 1
    repeated = {"model.layers": (config["num_hidden_layers"], layers), "lm_head": (heads, layers - START_LAYER + 1)}
    tensors = {}
    for name, tensor in read_safetensors(golden / "model.safetensors").items():
        part = re.fullmatch(r"(model\.layers|lm_head)\.(\d+)\.(.*)", name)
        if part is None:
            tensors[name] = tensor
        else:
            have, want = repeated[part[1]]
            tensors |= {f"{part[1]}.{i}.{part[3]}": tensor for i in range(int(part[2]), want, have)}
    config |= {"num_hidden_layers": layers, "start_layer": START_LAYER}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_safetensors(folder / "model.safetensors", tensors)
