"""`find_learning_rate`: many rates are tried at once, and the one in the middle of the good ones is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from annvil.errors import RequestError
from annvil.tasks.base import IntArray
from annvil.trainer.arguments.parse_arguments import read_request
from annvil.trainer.arguments.read_settings import NOT_TUNED, SharedOptions, read_settings, takes_settings
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.arguments.training_rows import held_out, strata
from annvil.trainer.results.charts import Plot, rates_chart
from annvil.trainer.results.rows import Table
from annvil.training.lr_finder import LearningRateCurve, range_test

HELD_BACK, MOST_HELD_BACK = 0.2, 2000
"""Rows that judge the rates where nobody gave any: a fifth, at most so many (assumed: enough to tell rates apart)."""


class RateTest(LearningRateCurve):
    """What came of each learning rate.

    Attributes
    ----------
    best : the rate to use as the peak of a schedule: the middle of those with which the loss fell most
    learning_rates, losses : float64 ``(n_rates,)``, rising: what was tried, and the loss on rows held back after it
        (infinite where training diverged)
    start_loss : the loss on these rows before training
    """

    @property
    def best(self) -> float:
        """See above.

        Raises
        ------
        RequestError
            Where no rate lowered the loss.
        """
        if self.suggestion is None:
            raise RequestError(
                f"No learning rate lowered the loss of {self.start_loss:.4g}; check that inputs are scaled and belong "
                "to their targets, or try more steps."
            )
        return float(f"{self.suggestion:.2g}")

    def table(self) -> Table:
        """One row for each rate."""
        pairs = zip(self.learning_rates.tolist(), self.losses.tolist(), strict=True)
        return Table([{"learning_rate": rate, "val_loss": loss} for rate, loss in pairs])

    def plot(self, path: str | Path | None = None) -> Plot:
        """The loss over the learning rates; written to ``path`` as SVG if given. Notebooks show it."""
        rates, losses = self.learning_rates.tolist(), self.losses.tolist()
        return Plot(rates_chart(rates, losses, self.start_loss, self.suggestion), path)

    def __repr__(self) -> str:
        named = "none" if self.suggestion is None else f"{self.best:g}"
        return f"<RateTest of {len(self.learning_rates)} learning rates, best: {named}>"


NOT_TAKEN = NOT_TUNED | {
    "learning_rate", "average", "schedule", "warmup", "label_smoothing", "metrics", "epochs", "monitor",
}  # fmt: skip
"""Settings of `annvil.train` that have no place here."""


@takes_settings(*NOT_TAKEN)
def find_learning_rate(
    network: Any,
    X: Any,
    y: Any = None,
    *,
    learning_rates: Sequence[float] | None = None,
    steps: int = 200,
    validation: Any = None,
    **options: Unpack[SharedOptions],
) -> RateTest:
    """Train with many learning rates at once for some steps, from the same weights on the same batches, and compare.

    Returns a `RateTest`: ``.best`` is the rate to use, ``.plot()`` shows why. Networks are thrown away, and the user's
    own stays as it was.

    Parameters
    ----------
    network, X, y, **options : as in `annvil.train`, flat or in groups
    learning_rates : to try, rising, all above 0; default 19 from 1e-6 to 1, three to each factor of ten
    steps : updates with each rate
    validation : rows to judge by: ``(X, y)``, a share, or None for a fifth of the rows, at most 2 000

    Smith (2017, arXiv 1506.01186, section 3.3) raises the rate of one network step by step; there the loss at a rate is
    the work of all the rates before it. Here each rate has a network of its own, since many train almost for the price
    of one.

    Raises
    ------
    RequestError, DataError
        As `annvil.train`; for learning rates that do not rise.
    """
    settings = read_settings(options, "find_learning_rate", NOT_TAKEN, {"epochs": 1, "verbose": False})
    request = read_request(network, X, y, validation, settings)
    train, judged = _divided(request)
    rates = range_test(
        **request.engine_arguments,
        recipe=request.recipe,
        member=request.member(train=train, validation=judged),
        learning_rates=learning_rates,
        steps=steps,
        seed=request.seed,
    )
    return RateTest(**vars(rates))


def _divided(request: Request) -> tuple[IntArray, IntArray]:
    if len(request.validation):
        return request.train, request.validation
    rows = len(request.train)
    if rows < 2:
        raise RequestError("Learning rates are compared on rows held back, which takes at least 2 rows.")
    share = min(HELD_BACK, MOST_HELD_BACK / rows)
    held = held_out(strata(request.target, request.targets), share, request.seed)
    return np.setdiff1d(request.train, held), held
