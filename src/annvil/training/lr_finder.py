"""Which learning rate: many are tried at once, each by a member of one population.

Smith 2017 ("Cyclical learning rates for training neural networks", arXiv 1506.01186, section 3.3) raises the rate of
one network step by step and looks where its loss falls and where it bursts. There the loss at a rate is the work of all
the rates before it. As members train together almost for the price of one, each rate here gets a network of its own,
from the same weights on the same batches, and is judged on rows held back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.tasks.base import FloatArray, IntArray
from annvil.training.loop.engine import train_population
from annvil.training.losses.resolve import CustomLoss
from annvil.training.recipe import Member, Recipe

_REACHED = 0.95  # share of the greatest fall that counts as falling as far (assumed)
_MOST_HELD_BACK = 2000  # rows: enough to tell rates apart that matter (assumed)


@dataclass(frozen=True)
class LearningRateCurve:
    """What came of each learning rate.

    Attributes
    ----------
    learning_rates : float64 ``(n_rates,)``, rising
    losses : float64 ``(n_rates,)``: on the rows held back, after the same steps with each rate; inf where it diverged
    start_loss : the loss on these rows before training
    suggestion : the middle, in the logarithm, of the rates that reached 95% of the greatest fall of the loss: where it
        falls far and small changes of the rate matter little. It is meant as the peak of a schedule that decays. None:
        no rate lowered the loss.
    """

    learning_rates: FloatArray
    losses: FloatArray
    start_loss: float
    suggestion: float | None


def range_test(
    make_network: Callable[[Member], nn.Module],
    inputs: tuple[Tensor, ...],
    targets: Tensor,
    loss: str | CustomLoss,
    recipe: Recipe | None = None,
    *,
    member: Member | None = None,
    learning_rates: Sequence[float] | None = None,
    steps: int = 200,
    weights: Tensor | None = None,
    seed: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
    **more: Any,
) -> LearningRateCurve:
    """Train with each rate for some updates, from the same weights on the same batches, and compare.

    Parameters
    ----------
    make_network, inputs, targets, loss, weights, should_stop, more : as for `train_population`; ``make_network`` gets
        members that differ in nothing but the rate
    recipe : gives batch size, optimiser, clipping, precision; the rate is constant whatever its schedule. Default: its
        defaults.
    member : gives rows, weight decay, dropout and the like; its validation rows are those held back. Default: a fifth
        of the rows, at most 2 000, drawn by ``seed``, is held back.
    learning_rates : to try, rising, all above 0; default 19 from 1e-6 to 1, three to each factor of ten
    steps : updates with each rate, at least one

    Raises
    ------
    RequestError
        As `train_population`; and when there are fewer than two rates, or none to hold back.
    """
    rates = np.geomspace(1e-6, 1.0, 19) if learning_rates is None else np.asarray(learning_rates, dtype=np.float64)
    if rates.ndim != 1 or len(rates) < 2 or not bool((np.diff(rates) > 0).all()) or rates[0] <= 0:
        raise RequestError(f"learning_rates must be at least two rising numbers above 0; got {learning_rates!r}.")
    if steps < 1:
        raise RequestError(f"steps must be at least 1; got {steps!r}.")
    recipe = Recipe(1) if recipe is None else recipe
    if member is None:
        member = Member(*_split(len(targets), seed), seed)
    if len(member.validation) == 0:
        raise RequestError("The rates are compared on validation rows: give the member some, or leave it out.")
    of_update = recipe.batch_size * recipe.accumulate
    rows = np.random.default_rng(seed).permutation(np.asarray(member.train))[: steps * of_update]
    epochs = max(1, round(steps / -(-len(rows) // of_update)))
    tried = [replace(member, train=rows, learning_rate=float(rate)) for rate in (0.0, *rates)]
    plain = replace(
        recipe, epochs=epochs, schedule="constant", warmup=0.0, average=None, patience=None, halving=(), monitor="loss"
    )
    population = train_population(
        make_network, inputs, targets, tried, plain, loss, weights=weights, should_stop=should_stop, **more
    )
    ends = [
        history["validation_loss"][-1] if history["validation_loss"] else np.inf for history in population.histories
    ]
    start, losses = ends[0], np.nan_to_num(np.array(ends[1:]), nan=np.inf, posinf=np.inf)
    return LearningRateCurve(rates, losses, float(start), suggest(rates, losses, float(start)))


def suggest(learning_rates: FloatArray, losses: FloatArray, start_loss: float) -> float | None:
    """The middle of the rates with which the loss fell about as far as it can; None if it fell with none."""
    greatest = start_loss - losses.min()
    if not greatest > 0:
        return None
    good = learning_rates[start_loss - losses >= _REACHED * greatest]
    return float(np.exp(np.median(np.log(good))))


def _split(n_rows: int, seed: int) -> tuple[IntArray, IntArray]:
    if n_rows < 2:
        raise RequestError(f"A range test needs at least 2 rows, one of them to hold back; got {n_rows}.")
    order = np.random.default_rng(seed).permutation(n_rows)
    held_back = min(max(1, n_rows // 5), _MOST_HELD_BACK)
    return np.sort(order[held_back:]), np.sort(order[:held_back])
