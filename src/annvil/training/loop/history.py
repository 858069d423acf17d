"""What is known about each member while it trains, and who has to leave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from annvil.training.recipe import Member, Recipe


@dataclass
class Record:
    """One member's story. ``state`` is empty while it trains."""

    state: str = ""
    best_epoch: int = 0  # whose weights are kept
    best_at: int = 0  # where patience counts from
    best_loss: float = math.nan  # validation loss at the best epoch
    best_metric: float = math.nan  # metric there
    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metric: list[float] = field(default_factory=list)

    @property
    def trains(self) -> bool:
        return not self.state

    def standing(self, monitor: str) -> float:
        """What is compared: the best epoch's loss, or metric with its sign turned, so that less is better."""
        return self.best_loss if monitor == "loss" else -self.best_metric

    def judge(
        self,
        epoch: int,
        train_loss: float,
        validation_loss: float,
        validates: bool,
        recipe: Recipe,
        metric: float = math.nan,
    ) -> bool:
        """Note the losses of ``epoch`` (counted from 1); returns whether the weights are now those to keep.

        The last of equally good epochs is kept, as RealMLP does (Holzmüller et al. 2024, section 3). An epoch without a
        metric, where the metric decides, is worse than any that has one.
        """
        self.train_loss.append(train_loss)
        self.validation_loss.append(validation_loss)
        self.metric.append(metric)
        if not math.isfinite(train_loss) or (validates and not math.isfinite(validation_loss)):
            which = "training" if not math.isfinite(train_loss) else "validation"
            left = (
                f"the weights of epoch {self.best_epoch} are kept"
                if self.best_epoch
                else "it keeps its initial weights"
            )
            self.state = f"diverged at epoch {epoch}: the {which} loss is not finite; {left}"
            return False
        if not validates:
            self.best_epoch = epoch
            return True
        best = self.standing(recipe.monitor)
        better = math.isnan(best) or (validation_loss if recipe.monitor == "loss" else -metric) <= best
        if better:
            self.best_at, self.best_loss, self.best_metric = epoch, validation_loss, metric
        elif recipe.patience is not None and epoch - self.best_at >= recipe.patience:
            self.state = f"stopped early at epoch {epoch}"
        kept = better or recipe.keep == "last"
        if kept:
            self.best_epoch = epoch
        return kept


def halve(members: Sequence[Member], records: Sequence[Record], epoch: int, monitor: str = "loss") -> None:
    """Remove the worse half of the candidates of each race (Jamieson and Talwalkar 2016, successive halving).

    A candidate's loss is the mean over its members of the best validation loss so far (with the monitor "metric", of
    the metric at their best epochs, more being better); one with a diverged member counts as the worst. Candidates that
    have already stopped (early) stay in the ranking. Of equals, the lower number stays.
    """
    losses: dict[str, dict[int, list[float]]] = {}
    for member, record in zip(members, records, strict=True):
        lost = record.state.startswith("diverged") or math.isnan(record.standing(monitor))
        mine = losses.setdefault(member.race, {}).setdefault(member.candidate, [])
        mine.append(math.inf if lost else record.standing(monitor))
        if record.state.startswith("beaten"):
            losses[member.race][member.candidate] = [math.nan]
    for race, by_candidate in losses.items():
        standing = {c: float(np.mean(values)) for c, values in by_candidate.items() if not np.isnan(values).any()}
        ranked = sorted(standing, key=lambda candidate: (standing[candidate], candidate))
        beaten = set(ranked[math.ceil(len(ranked) / 2) :])
        for member, record in zip(members, records, strict=True):
            if member.race == race and member.candidate in beaten and record.trains:
                record.state = f"beaten at epoch {epoch}"
