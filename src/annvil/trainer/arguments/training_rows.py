"""Rows to learn from and to choose the best epoch by (given, or a share of the others), and how much they count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from annvil.errors import DataError, RequestError, did_you_mean
from annvil.tasks.base import IntArray
from annvil.trainer.inputs.arrays import as_type, input_tensors, row_weights, target_array
from annvil.trainer.inputs.targets import Target


@dataclass(frozen=True)
class Rows:
    """Inputs, targets and weights of all rows, and the numbers of those to learn from and of those to judge by."""

    inputs: tuple[Tensor, ...]
    targets: Tensor
    weights: Tensor | None
    train: IntArray
    validation: IntArray


def with_validation(
    given: Rows, validation: Any, target: Target, template: nn.Module, by_class: Tensor | None, seed: int
) -> Rows:
    """The rows given, of which none are for validation yet, with validation rows.

    Those that came as ``(X, y)`` follow the others; their ``X`` is read as the network ``template`` takes it, and
    classes weigh as much as in training (``by_class``), so that the two losses compare.
    """
    inputs, targets, n_rows = given.inputs, given.targets, len(given.targets)
    if validation is None:
        return given
    if isinstance(validation, int | float | np.number) and not isinstance(validation, bool):
        held = held_out(strata(target, targets), float(validation), seed)
        return replace(given, train=np.setdiff1d(given.train, held), validation=held)
    if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
        raise RequestError(
            "validation must be (X, y), (X, y, sample_weight), a share of the rows such as 0.2, or None; "
            f"got {type(validation).__name__}."
        )
    X, y, *more = validation
    truth = target_array(y, "y of validation")
    others = input_tensors(X, template, "X of validation", len(truth))
    if len(others) != len(inputs):
        raise RequestError(
            f"X has {len(inputs)} inputs and that of validation {len(others)}; they must have equally many."
        )
    for mine, other in zip(inputs, others, strict=True):
        if mine.shape[1:] != other.shape[1:]:
            raise RequestError(
                f"Rows of X have shape {tuple(mine.shape[1:])}, those of validation {tuple(other.shape[1:])}; they "
                "must be equal."
            )
    if len(others[0]) != len(truth):
        raise DataError(f"X of validation has {len(others[0])} rows and its y has {len(truth)}; they must agree.")
    joined = tuple(
        torch.cat([mine, as_type(other, mine.dtype, "X of validation")])
        for mine, other in zip(inputs, others, strict=True)
    )
    held_targets = target.encode(truth, "validation")
    name = "sample_weight of validation"
    others_weights = weights_of(more[0] if more else None, by_class, target, held_targets, name)
    weights = joined_weights(given.weights, others_weights, n_rows, len(truth))
    held = np.arange(n_rows, n_rows + len(truth))
    return Rows(joined, torch.cat([targets, held_targets]), weights, given.train, held)


def held_out(codes: NDArray[np.int64], share: float, seed: int) -> IntArray:
    """Rows of each class in proportion, chosen at random; every class keeps a row to learn from."""
    if not 0 < share < 1:
        raise RequestError(f"validation must be a share between 0 and 1, or (X, y); got {share:g}.")
    order = np.lexsort((np.random.default_rng([seed, 4]).random(len(codes)), codes))
    counts = np.bincount(codes[order])
    place = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    wanted = max(1, round(share * len(codes)))
    if wanted >= len(codes):
        raise RequestError(f"validation={share:g} leaves none of the {len(codes)} rows to learn from.")
    rank = np.where(place < counts[codes[order]] - 1, (place + 0.5) / counts[codes[order]], math.inf)
    chosen = order[np.argsort(rank, kind="stable")[:wanted]]
    return np.sort(chosen).astype(np.int64)


def weights_of(
    sample_weight: Any, by_class: Tensor | None, target: Target, targets: Tensor, name: str = "sample_weight"
) -> Tensor | None:
    """Sample weights times class weights (from `class_weights`), or None without either."""
    weights = None if sample_weight is None else row_weights(sample_weight, len(targets), name)
    if by_class is None:
        return weights
    of_rows = by_class[class_codes(target, targets)]
    return of_rows if weights is None else weights * (of_rows if weights.dim() == 1 else of_rows[:, None])


def without_ignored(weights: Tensor | None, ignored: int | None, targets: Tensor) -> tuple[Tensor | None, list[str]]:
    """Weights that leave out where the class number is ``ignored``, so that means are over the others; a word on it."""
    if ignored is None or targets.is_floating_point() or not bool((targets == ignored).any()):
        return weights, []
    there = (targets != ignored).float()
    if weights is not None:
        there = there * weights.view(*weights.shape, *[1] * (targets.dim() - weights.dim()))
    return there, [f"{'Rows' if targets.dim() == 1 else 'Positions'} where y is {ignored} do not count."]


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
