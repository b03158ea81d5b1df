"""What goes wrong, with what is wrong, where, and how to mend it.

Each class is also the built-in exception that fits, so that `except ValueError` and the like go on working.
"""

from __future__ import annotations

import re

# The engine names its options as the command line spells them.
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


def _in_python(text: str) -> str:
    return _OPTION.sub(lambda match: match[1].replace("-", "_"), text)


class RerankError(Exception):
    """The base of all errors of the engine.

    Attributes: what is wrong ("shape is [2, 1024], expected [1, 1024]"), where ("model.safetensors: head.weight") and
    how to mend it; the last two may be empty.
    """

    def __init__(self, what: str, where: str = "", mend: str = "") -> None:
        what, where, mend = _in_python(what), _in_python(where), _in_python(mend)
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text} ({mend})" if mend else text)
        self.what = what
        self.where = where
        self.mend = mend

    def __reduce__(self) -> tuple[type[RerankError], tuple[str, str, str]]:
        return type(self), (self.what, self.where, self.mend)


class BadInputError(RerankError, ValueError):
    """A text or an argument of the caller is wrong."""


class WrongTypeError(BadInputError, TypeError):
    """What should be a text, a number or a sequence of them is something else.

    FlagEmbedding raises ValueError or TypeError, of a text depending on where in a batch it stands: this is both.
    """


class TooShortError(BadInputError, IndexError):
    """A sequence has fewer items than are needed: a pair without a passage, no device."""


class NegativeLengthError(BadInputError, OverflowError):
    """A number of tokens is below 0, which the original's tokenizers cannot hold."""


class ModelNotFoundError(RerankError, FileNotFoundError, LookupError):
    """A file or a model name does not exist here."""


class AdapterNotFoundError(ModelNotFoundError, ValueError):
    """The same of an adapter, for which peft raises ValueError."""


class CorruptModelError(RerankError, ValueError):
    """A file exists, but breaks its own format."""


class UnsupportedError(RerankError, NotImplementedError):
    """Well-formed, but nothing here can run it."""


class OutOfMemoryError(RerankError, MemoryError):
    """A size that this machine cannot hold."""


class SystemCallError(RerankError, RuntimeError):
    """The operating system refused."""


class MissingExtraError(RerankError, ImportError):
    """A package that only one class needs is not installed."""


def needs_extra(package: str, extra: str) -> MissingExtraError:
    """The error of a class whose optional package is missing."""
    return MissingExtraError(f"{package} is not installed", "", f"pip install 'rerank_cpp[{extra}]'")
