"""Rows to choose the best epoch by: given, or a share of the others."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from annvil.errors import DataError, RequestError
from annvil.tasks.base import IntArray
from annvil.trainer.arguments.sample_weights import joined_weights, strata, weights_of
from annvil.trainer.inputs.arrays import as_type, input_tensors, target_array
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
