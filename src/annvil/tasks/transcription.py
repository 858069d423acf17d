"""The task whose answer is a sequence of words."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import Decision, FloatArray, IntArray, Task
from annvil.tasks.link import Identity
from annvil.tasks.metrics import Metric
from annvil.tasks.targets import Examples, Targets, mistakes_first
from annvil.tasks.transcription_metrics import (
    NOTHING,
    TRANSCRIPTION_METRICS,
    aligned,
    codes_of,
    word_counts,
    word_errors,
)
from annvil.text.phrases import shorten
from annvil.text.quantities import count

MOST_WORDS = 512
"""Of one answer (assumed): every place of a word is an output."""

NO_WORD = "(nothing)"
"""What stands for an answer without words."""


class Transcription(Task, frozen=True, tag="transcription"):
    """Words in their order. ``classes`` are the words there may be; ``y`` is int64 codes of them ``(n_rows, most)``,
    padded with -1, and outputs are float64 of the same shape: what was decoded.

    Attributes
    ----------
    most : words of the longest answer that can be given
    """

    most: Annotated[int, msgspec.Meta(ge=1, le=MOST_WORDS)] = 1

    kind: ClassVar[str] = "transcription"
    answers: ClassVar[str] = "sequences of words"
    n_classes: ClassVar[range] = range(1, 1 << 20)
    predicts_probabilities: ClassVar[bool] = False
    averages: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = TRANSCRIPTION_METRICS
    link: ClassVar[Identity] = Identity()
    errors: ClassVar[tuple[str, ...]] = ()
    share_right: ClassVar[str] = "word accuracy"
    right_words: ClassVar[str] = "all words right for"
    dealing: ClassVar[str] = "random, lengths in proportion"
    constant_words: ClassVar[str] = "the most frequent word of each place, as many as half of the answers have"

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(f"word {place}" for place in range(1, self.most + 1))

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "most": self.most}

    def row_losses(self, y: Targets | NDArray[Any], outputs: FloatArray) -> FloatArray:
        """Errors divided by words; NaN where nothing was decoded because nobody tried (outputs of NaN)."""
        truth = Targets.of(y).y
        losses = word_errors(truth, outputs) / np.maximum(1, word_counts(codes_of(truth)))
        return np.where(np.isnan(outputs).any(axis=1), np.nan, losses)

    def decide(self, outputs: FloatArray, decision: Decision = None) -> IntArray:
        """Codes ``(n_rows, most)``, the words in front, then -1."""
        return codes_of(outputs)

    def said(self, outputs: FloatArray, decision: Decision = None) -> NDArray[Any]:
        """Words with a space between."""
        return np.array([self._text(row) for row in self.decide(outputs)], dtype=object)

    def _text(self, codes: Any) -> str:
        return " ".join(str(self.classes[int(code)]) for code in codes if code != NOTHING)

    def counts(self, y: NDArray[Any]) -> IntArray:
        """How often each word was said."""
        return np.bincount(y[y != NOTHING].astype(np.int64), minlength=len(self.classes))

    def describe(self, y: NDArray[Any]) -> str:
        lengths = word_counts(y)
        low, high = (int(lengths.min()), int(lengths.max())) if len(y) else (0, 0)
        many = f"{low}" if low == high else f"{low} to {high}"
        of = f"{len(self.classes):,} words" if len(self.classes) > 1 else "one word"
        return f"sequences of {many} word{'s' * (high != 1)}, of {of}"

    def answer(self, y: Any) -> str:
        return self._text(y) or NO_WORD

    def written(self, y: NDArray[Any]) -> list[tuple[str, ...]]:
        return [(self._text(row),) for row in y]

    def right(self, y: NDArray[Any], outputs: FloatArray, decision: Decision = None) -> NDArray[np.bool_]:
        """Those without any wrong word."""
        return np.asarray(word_errors(y, outputs) == 0)

    def shares_wrong(self, y: NDArray[Any], outputs: FloatArray) -> FloatArray:
        """Errors divided by words: more than 1 where more words are added than were said."""
        return self.row_losses(y, outputs)

    def error_sentence(self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, how: str) -> str:
        """Words that were taken for others, missed and added, each counted."""
        taken = missed = added = 0
        for said, heard in zip(y, self.decide(outputs), strict=True):
            for one, other in aligned(said, heard):
                missed += other == NOTHING
                added += one == NOTHING
                taken += NOTHING not in (one, other) and one != other
        right, words = count(self.right(y, outputs).sum()), count(word_counts(y).sum())
        return (
            f"All words are right for {right} of {rows}; errors among {words} words: {count(taken)} "
            f"taken for another, {count(missed)} missed, {count(added)} added; {how}."
        )

    def examples(
        self, y: NDArray[Any], outputs: FloatArray, decision: Decision, rows: str, most_mistakes: int, most: int
    ) -> Examples:
        """The more of a row's words are wrong, the graver."""
        wrong, heard = ~self.right(y, outputs), self.said(outputs)
        order = mistakes_first(wrong, self.row_losses(y, outputs), most_mistakes, most)
        captions = [
            shorten(self.answer(y[i]), 60) + (f", heard {shorten(heard[i] or NO_WORD, 60)}" if wrong[i] else "")
            for i in order
        ]
        said: tuple[str, ...] = (f"All words of {rows} were right; these are drawn at random.",)
        if n_wrong := int(wrong.sum()):
            have, first = ("has", "it comes") if n_wrong == 1 else ("have", "those with the largest share come")
            said = (
                f"Of {rows}, {n_wrong:,} {have} a wrong word; {first} first.",
                "The others are drawn at random from those that are right.",
            )
        return Examples(order, tuple(captions), wrong[order], said)

    def strata(self, y: NDArray[Any]) -> IntArray:
        """As many words."""
        return np.unique(word_counts(y), return_inverse=True)[1].astype(np.int64)

    def indicators(self, y: NDArray[Any]) -> FloatArray:
        return np.asarray(y, dtype=np.float64)

    def constant(self, y: NDArray[Any]) -> FloatArray:
        """See `constant_words`."""
        found = np.full(self.most, float(NOTHING))
        for place in range(int(np.median(word_counts(y))) if len(y) else 0):
            codes = y[:, place]
            found[place] = np.bincount(codes[codes != NOTHING], minlength=len(self.classes)).argmax()
        return found
