"""How much rows, classes and positions count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from annvil.errors import RequestError, did_you_mean
from annvil.tasks.base import IntArray
from annvil.trainer.inputs.arrays import row_weights
from annvil.trainer.inputs.targets import IGNORED, Target


def weights_of(
    sample_weight: Any, by_class: Tensor | None, target: Target, targets: Tensor, name: str = "sample_weight"
) -> Tensor | None:
    """Sample weights times class weights (from `class_weights`), or None without either."""
    weights = None if sample_weight is None else row_weights(sample_weight, len(targets), name)
    if by_class is None:
        return weights
    of_rows = by_class[class_codes(target, targets)]
    return of_rows if weights is None else weights * (of_rows if weights.dim() == 1 else of_rows[:, None])


def without_ignored(weights: Tensor | None, target: Target, targets: Tensor) -> tuple[Tensor | None, list[str]]:
    """Weights that leave out positions without a class, and a word on it."""
    if target.kind != "positions" or not bool((targets == IGNORED).any()):
        return weights, []
    there = (targets != IGNORED).float()
    if weights is not None:
        there = there * weights.view(*weights.shape, *[1] * (targets.dim() - weights.dim()))
    return there, [f"Positions where y is {IGNORED} do not count."]


def class_codes(target: Target, targets: Tensor) -> Tensor:
    """The class of each row, int64."""
    if target.matrix or targets.dim() > 1:
        return targets.argmax(1) if targets.shape[1] > 1 else targets[:, 0].long()
    return targets.long()


def strata(target: Target, targets: Tensor) -> IntArray:
    """What must be kept in proportion where rows are held back: the class of each row; 0 where there are none."""
    return class_codes(target, targets).numpy() if target.is_classification else np.zeros(len(targets), dtype=np.int64)


def class_weights(asked: Any, target: Target, targets: Tensor) -> Tensor | None:
    """A weight for each class; "balanced" is rows / (classes × rows of the class), as scikit-learn has it."""
    if asked is None:
        return None
    if not target.is_classification:
        raise RequestError(f"class_weight needs one class for each row; {target.why or 'there are none'}.")
    counts = torch.bincount(class_codes(target, targets), minlength=len(target.labels)).float()
    if asked == "balanced":
        return torch.where(counts > 0, len(targets) / (counts.clamp(min=1) * (counts > 0).sum()), 0.0)
    if not isinstance(asked, Mapping):
        raise RequestError(f"class_weight must be 'balanced' or a dict of classes; got {asked!r}.")
    strange = [label for label in asked if label not in target.labels]
    if strange:
        hint = did_you_mean(str(strange[0]), map(str, target.labels))
        raise RequestError(f"class_weight names {strange[0]!r}, which is no class of y.{hint}")
    values = torch.tensor([float(asked.get(label, 1.0)) for label in target.labels])
    if not bool((torch.isfinite(values) & (values >= 0)).all()):
        raise RequestError(f"class_weight must hold finite numbers of at least 0; got {dict(asked)!r}.")
    return values


def joined_weights(mine: Tensor | None, others: Tensor | None, n_mine: int, n_others: int) -> Tensor | None:
    """Weights of training and of validation rows one after the other; 1 where only the others have any."""
    if mine is None and others is None:
        return None
    mine = torch.ones(n_mine) if mine is None else mine
    others = torch.ones(n_others) if others is None else others
    return torch.cat([mine, others if others.dim() == mine.dim() else others[:, None].expand(-1, *mine.shape[1:])])
