"""What `tune_batch` found: rows, advice in words, a chart."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from annvil.errors import RequestError
from annvil.trainer.results.charts import Plot
from annvil.trainer.results.population_charts import batch_chart
from annvil.trainer.results.rows import Table

PRACTICALLY_EQUAL = 0.01
"""A loss that is at most this share higher than the best is named beside it, if its epochs are faster (assumed)."""

LOSS = "validation loss"


@dataclass(frozen=True)
class BatchSizeRow:
    """One batch size, at the learning rate that served it best.

    Attributes
    ----------
    batch_size, learning_rate : what was tried
    seconds_per_epoch : the median, validation included; None where not one epoch was finished in the time
    samples_per_second : training rows in that time
    peak_memory_bytes : most memory that training took beyond what was in use before
    epochs_reached : in the time that every size had
    val_loss : the lowest validation loss by then
    best_epoch : where that was
    seconds_to_best : what the epochs until then took; None where not one epoch was finished
    score : the metric monitored, else the first metric, with the weights of that epoch; the loss where there is none
    """

    batch_size: int
    learning_rate: float
    seconds_per_epoch: float | None
    samples_per_second: float | None
    peak_memory_bytes: int
    epochs_reached: int
    val_loss: float
    best_epoch: int
    score: float

    @property
    def seconds_to_best(self) -> float | None:
        """See above."""
        return None if self.seconds_per_epoch is None else self.best_epoch * self.seconds_per_epoch


@dataclass(frozen=True, repr=False)
class BatchSizeComparison:
    """What `tune_batch` found: one `BatchSizeRow` for every batch size, in ascending order.

    Attributes
    ----------
    rows : the sizes
    seconds : that every size had for each of its learning rates
    score_name : what ``score`` is
    greater : whether more of it is better
    notices : sentences on what was chosen from the data
    constant : whether the learning rate stayed the same, so that epochs after the best one are of no use
    """

    rows: tuple[BatchSizeRow, ...]
    seconds: float
    score_name: str
    greater: bool
    notices: tuple[str, ...]
    constant: bool = True

    @property
    def best(self) -> BatchSizeRow:
        """The size with the best score in the given time; the larger one of equals, since its epochs are faster."""
        sign = 1.0 if self.greater else -1.0
        finite = [row for row in self.rows if math.isfinite(row.score)]
        if not finite:
            raise RequestError("Training diverged with every batch size; try a smaller learning rate, or clip_norm=1.")
        return max(finite, key=lambda row: (sign * row.score, row.batch_size))

    @property
    def settings(self) -> dict[str, Any]:
        """Batch size, learning rate and epochs of the best, as `annvil.train` takes them.

        The epochs are those that the schedule was stretched over; where the rate was constant, at most twice as many as
        it took to the best.
        """
        best = self.best
        epochs = max(1, best.epochs_reached)
        if self.constant and best.best_epoch:
            epochs = min(epochs, 2 * best.best_epoch)
        return {"batch_size": best.batch_size, "learning_rate": best.learning_rate, "epochs": epochs}

    @property
    def advice(self) -> str:
        """What the table says, in words."""
        best = self.best
        after = "" if best.seconds_to_best is None else f", after {best.seconds_to_best:.2g} s"
        first = (
            f"In {self.seconds:.3g} s each, batches of {best.batch_size} reach the best {self.score_name} "
            f"({best.score:.4g}, at epoch {best.best_epoch} of {best.epochs_reached}{after}, learning rate "
            f"{best.learning_rate:.3g})."
        )
        said = [first, *self._of_faster(best)]
        if len(self.rows) > 1 and best is self.rows[-1]:
            said.append("It is the largest that was tried: a larger one may be better still.")
        if len(self.rows) > 1 and best is self.rows[0] and best.batch_size > 1:
            said.append("It is the smallest that was tried: a smaller one may be better still.")
        if best.best_epoch >= 0.9 * best.epochs_reached > 0:
            said.append("Its loss was still falling: more time will help.")
        return " ".join(said)

    def _of_faster(self, best: BatchSizeRow) -> list[str]:
        """The fastest size that is practically as good."""
        most = best.val_loss + PRACTICALLY_EQUAL * abs(best.val_loss)
        timed = [(row.seconds_per_epoch, row) for row in self.rows if row.val_loss <= most and row.seconds_per_epoch]
        if best.seconds_per_epoch is None:
            return []
        seconds, fast = min(timed, key=lambda pair: pair[0], default=(best.seconds_per_epoch, best))
        times = best.seconds_per_epoch / seconds
        if times < 1.2:
            return []
        said = f"Batches of {fast.batch_size} come within {PRACTICALLY_EQUAL:.0%} of its loss"
        return [f"{said}, with epochs that are {times:.1f} times as fast."]

    def table(self) -> Table:
        """One row for each size."""
        made = [asdict(row) | {"seconds_to_best": row.seconds_to_best, self.score_name: row.score} for row in self.rows]
        return Table({name: row[name] for name in row if name not in ("score", LOSS)} for row in made)

    def plot(self, path: str | Path | None = None) -> Plot:
        """Score, and seconds an epoch, over the batch size; written to ``path`` as SVG if given. Notebooks show it."""
        sizes, scores = [row.batch_size for row in self.rows], [row.score for row in self.rows]
        seconds = [row.seconds_per_epoch for row in self.rows]
        return Plot(batch_chart(sizes, scores, seconds, self.best.batch_size, self.score_name, self.greater), path)

    def __repr__(self) -> str:
        return f"{self.table()}\n{self.advice}"

    def _repr_html_(self) -> str:
        return f"{self.table()._repr_html_()}<p>{escape(self.advice)}</p>"
