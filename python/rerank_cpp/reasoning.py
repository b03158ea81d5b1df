"""rank1: a model reasons about a pair before it says true or false; the score is p(true).

from rerank_cpp import rank1
model = rank1(model_name_or_path="jhu-clsp/rank1-7b", num_gpus=1, device="cuda")
model.predict([("what is panda?", "The giant panda is a bear.")])
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ._engine import Score
from ._model import Model, make_options
from ._stop import in_thread
from .errors import BadInputError

# A text, or a record of a collection with "text" and perhaps "title".
Passage = str | Mapping[str, Any]


class rank1:
    """The class of the rank1 repository: the same arguments and scores.

    `context_size`: tokens of prompt and reasoning together. `max_output_tokens`: of the reasoning. `dataset_prompt`: a
    text that has FILL_QUERY_HERE in the query's place. `fp_options`: "float16" and "bfloat16" mean bfloat16 where the
    CPU multiplies it natively, else float32. `force_rethink`: how often a verdict is taken back, and the model thinks
    on. `verdict`: where true and false are read when the model did not come to an end ("official", as in the
    repository; "forced" and "card": see ScoreOptions). `device`, `num_gpus` and `batch_size` are taken and not needed:
    everything runs on CPUs, as many pairs at a time as fit in memory.
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] = "jhu-clsp/rank1-7b",
        batch_size: int = 999999999999,
        context_size: int = 16000,
        max_output_tokens: int = 8192,
        fp_options: str = "float16",
        num_gpus: int = 1,
        device: str = "cuda",
        force_rethink: int = 0,
        dataset_prompt: str | None = None,
        *,
        dtype: str | None = None,
        threads: int = 0,
        verdict: str = "official",
        **options: Any,
    ) -> None:
        half = fp_options in ("float16", "bfloat16", "half", "auto")
        self.model = Model(
            model_name_or_path, method="reasoning", dtype=dtype or ("auto" if half else "f32"), threads=threads
        )
        positions = self.model.info.max_positions
        self._options = make_options(
            max_length=min(context_size, positions),
            max_new_tokens=max_output_tokens,
            prompt=dataset_prompt,
            verdict=verdict,
            rethink=force_rethink,
            **options,
        )

    def predict(self, input_to_rerank: Sequence[Sequence[Any]], **kwargs: Any) -> list[float]:
        """p(true) of each (query, passage) or (query, passage, instruction), in the order given.

        An instruction that is not the query itself goes behind the query. A passage is a text, or a record with "text"
        and perhaps "title". Other keyword arguments, which evaluation programs pass, are not needed.
        """
        return [score.value for score in self.explain(input_to_rerank)]

    def explain(self, pairs: Sequence[Sequence[Any]], progress: bool | None = None) -> list[Score]:
        """The same with the reasoning: Score has value, reasoning, new_tokens and finished."""
        return self.model.score_details([_as_pair(i, pair) for i, pair in enumerate(pairs)], self._options, progress)

    async def predict_async(self, input_to_rerank: Sequence[Sequence[Any]], **kwargs: Any) -> list[float]:
        """predict() on a thread of its own; the event loop goes on meanwhile. Cancelling it ends the work."""
        return await in_thread(self.predict, input_to_rerank, **kwargs)

    async def explain_async(self, pairs: Sequence[Sequence[Any]], progress: bool | None = None) -> list[Score]:
        """explain() in the same way."""
        return await in_thread(self.explain, pairs, progress)


def _as_pair(pair_idx: int, pair: Sequence[Any]) -> tuple[str, str]:
    if len(pair) not in (2, 3):
        raise BadInputError(f"has {len(pair)} texts, expected a query, a passage and perhaps an instruction",
                            f"pair {pair_idx}")  # fmt: skip
    query = pair[0]
    if len(pair) == 3 and pair[2] is not None and str(pair[2]).strip() != query.strip():
        query = f"{query} {pair[2]}".strip()
    return query, as_text(pair[1])


def as_text(passage: Passage) -> str:
    """The text of a passage, its title before it."""
    if isinstance(passage, str):
        return passage
    title = passage.get("title")
    return f"{title} {passage['text']}".strip() if title else str(passage["text"])
