"""Arguments of CrossEncoder that have had other names, or that say how PyTorch should load a model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import UnsupportedError

# What the constructor took by position behind the model, until sentence-transformers 5.3.
_POSITIONAL = ("num_labels", "max_length", "activation_fn", "device")

# Old names that sentence-transformers goes on taking, and the new ones.
RENAMED_IN_CONSTRUCTOR = {
    "model_name": "model_name_or_path",
    "automodel_args": "model_kwargs",
    "tokenizer_args": "processor_kwargs",
    "tokenizer_kwargs": "processor_kwargs",
    "config_args": "config_kwargs",
    "cache_dir": "cache_folder",
    "default_activation_function": "activation_fn",
}
RENAMED_IN_CALLS = {"sentences": "inputs", "activation_fct": "activation_fn"}

_DTYPES = {
    "float16": "auto", "half": "auto", "bfloat16": "auto", "auto": "auto", "None": "f32",
    "float32": "f32", "float": "f32",
}  # fmt: skip


def take_old_names(call: str, arguments: dict[str, Any], given: Mapping[str, Any], renamed: Mapping[str, str]) -> None:
    """Puts `given`, which has old names, into `arguments`, where a new name that was given too comes first.

    Warns of each old name. TypeError for a name that is neither old nor new.
    """
    for old, value in given.items():
        if old not in renamed:
            raise TypeError(f"{call}() got an unexpected keyword argument {old!r}")
        warnings.warn(f"{old} is called {renamed[old]} now", FutureWarning, stacklevel=3)
        if arguments[renamed[old]] is None:
            arguments[renamed[old]] = value


def take_positional(call: str, arguments: dict[str, Any], positional: Sequence[Any]) -> None:
    """Puts what was given by position into `arguments`, where a name that was given too comes first. Warns of it."""
    if len(positional) > len(_POSITIONAL):
        raise TypeError(f"{call}() takes at most {len(_POSITIONAL) + 1} positional arguments")
    for name, value in zip(_POSITIONAL, positional, strict=False):
        warnings.warn(f"give {name} by its name", FutureWarning, stacklevel=3)
        if arguments[name] is None:
            arguments[name] = value


def dtype_of(model_kwargs: Mapping[str, Any]) -> str:
    """The dtype that "torch_dtype" or "dtype" asks for: bfloat16 where the CPU multiplies it natively stands for the
    16-bit ones. f32 without. UnsupportedError for others."""
    asked = model_kwargs.get("dtype", model_kwargs.get("torch_dtype"))
    name = str(asked).rpartition(".")[2]
    if name not in _DTYPES:
        raise UnsupportedError(f"is {name}", "model_kwargs, torch_dtype", f"take one of {', '.join(_DTYPES)}")
    return _DTYPES[name]


def warn_of_unused(**given: tuple[Mapping[str, Any], Sequence[str]]) -> None:
    """Tells of what is in (mapping, names that are used) and means nothing here."""
    for name, (mapping, used) in given.items():
        unused = [key for key in mapping if key not in used]
        if unused:
            warnings.warn(f"not used, of {name}: {', '.join(unused)}", UserWarning, stacklevel=3)
