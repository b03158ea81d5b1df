"""Finds models on this machine. Nothing here uses the network."""

from __future__ import annotations

import os
import re

from .errors import ModelNotFoundError

_HUB_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*")
_COMMIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


def hub_cache_folder() -> str:
    """The local Hugging Face cache, by huggingface_hub's rules."""
    if folder := os.environ.get("HF_HUB_CACHE"):
        return folder
    if home := os.environ.get("HF_HOME"):
        return os.path.join(home, "hub")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(cache, "huggingface", "hub")


def locate_model(name_or_path: str | os.PathLike[str], cache_folder: str | None = None, revision: str = "main") -> str:
    """The folder of a model: the path itself, or the snapshot of a hub name in the local cache.

    Raises ModelNotFoundError, with the command that downloads the model.
    """
    path = os.fspath(name_or_path)
    if os.path.isdir(path):
        return path
    if not _HUB_NAME.fullmatch(path):
        raise ModelNotFoundError("is no folder", path, "give the path of a model folder, or a hub name OWNER/NAME")
    cache = cache_folder or hub_cache_folder()
    repository = os.path.join(cache, "models--" + path.replace("/", "--"))
    commit = revision
    try:
        with open(os.path.join(repository, "refs", revision), encoding="utf-8") as file:
            commit = file.read().strip()
    except OSError:
        pass  # the revision may be a commit
    folder = os.path.join(repository, "snapshots", commit)
    if _COMMIT.fullmatch(commit) and os.path.isdir(folder):
        return folder
    raise ModelNotFoundError(
        f"is neither a folder nor in the local cache {cache}", path, f"huggingface-cli download {path}"
    )
