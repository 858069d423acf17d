"""From ``y`` and the shape of the outputs to what is to be learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import DataError, RequestError, name_rows
from annvil.text.phrases import listed
from annvil.trainer.inputs.targets import IGNORED, Ending, Family, Target, in_range, refuse_missing


def decide(y: NDArray[Any], shape: Sequence[int], ending: Ending, family: Family) -> Target:
    """What ``y`` is to a network whose outputs for one row have that ``shape``.

    Raises
    ------
    RequestError, DataError
        Where ``y`` and outputs do not go together.
    """
    shape = tuple(shape)
    if family == "as given":
        try:
            return replace(decide(y, shape, ending, "auto"), matrix=y.ndim > 1)
        except (RequestError, DataError):
            return Target("as given", shape, why="y goes to the loss as it is")
    refuse_missing(y, "y")
    if y.dtype.kind in "OUSb":
        target = _of_labels(y, shape, ending)
    elif y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1 and shape[-1:] != (1,)):
        target = _of_one_number(y.reshape(len(y)), shape, ending, family)
    else:
        target = _of_several_numbers(y, shape, ending, family)
    return _fitting(target, family)


def _of_labels(y: NDArray[Any], shape: tuple[int, ...], ending: Ending) -> Target:
    if y.ndim != 1:
        if y.dtype.kind == "b":
            return _of_several_numbers(y.astype(np.float32), shape, ending, "auto")
        raise DataError(f"y holds texts and has shape {y.shape}; classes need one text for each row.")
    values = set(y.tolist())
    labels = tuple(sorted(values, key=lambda value: (type(value).__name__, value)))
    return _classes(labels, shape, ending, f"y holds {listed([repr(label) for label in labels])}")


def _of_one_number(y: NDArray[Any], shape: tuple[int, ...], ending: Ending, family: Family) -> Target:
    """One number a row: class numbers, a yes or no, or a quantity."""
    width = shape[-1] if shape else 1
    distinct = np.unique(y)
    whole = bool(np.all(distinct == np.floor(distinct)))
    if width == 1:
        if (family != "numbers" or ending == "sigmoid") and _zeros_and_ones(distinct):
            return Target("binary", shape, _plain(distinct, (0, 1)), ending, why="y holds 0 and 1")
        if family in ("classes", "binary"):
            if len(distinct) == 2:
                return _classes(_plain(distinct), shape, ending, f"y holds {distinct[0]:g} and {distinct[1]:g}")
            raise RequestError(
                f"The network has one output, which tells two classes apart; y has {len(distinct)} different values."
            )
        binary = _zeros_and_ones(distinct)
        why = "y holds 0 and 1, learnt as numbers" if binary else "y holds numbers"
        return Target("numbers", shape, (), "", True, True, why)
    if not whole:
        raise RequestError(
            f"The network has {width} outputs, y has one number with a fraction for each row; let the last layer have "
            "one output, or give y as many columns."
        )
    if distinct[0] >= 0 and distinct[-1] < width:
        return Target("classes", shape, tuple(range(width)), ending, why=f"y holds class numbers below {width}")
    if len(distinct) == width:
        why = f"y holds {width} different whole numbers, taken for classes"
        return Target("classes", shape, _plain(distinct), ending, why=why)
    wrong = np.flatnonzero((y < 0) | (y >= width))
    raise DataError(
        f"Class numbers must lie between 0 and {width - 1}, since the network has {width} outputs; "
        f"{name_rows(wrong[:5], len(wrong))} of y hold others, such as {y[wrong[0]]:g}."
    )


def _of_several_numbers(y: NDArray[Any], shape: tuple[int, ...], ending: Ending, family: Family) -> Target:
    """A matrix or more: one-hot classes, several labels, classes at positions, or numbers."""
    own = tuple(y.shape[1:])
    if own == shape or (len(shape) == 2 and own == shape[1:] and y.dtype.kind == "f" and len(own) == 1):
        if (family != "numbers" or ending) and _zeros_and_ones(np.unique(y)):
            if len(own) == 1 and own[0] > 1 and np.all(y.sum(1) == 1) and family != "binary":
                why = "y holds a single 1 in every row, one column a class"
                return Target("classes", shape, tuple(range(own[0])), ending, why=why)
            if own == (1,):
                return Target("binary", shape, _plain(np.unique(y), (0, 1)), ending, why="y holds 0 and 1")
            return Target("multi-label", shape, (), ending, True, why="y holds 0 and 1 for every output")
        if family == "classes" and len(own) == 1 and np.all(y >= 0) and np.allclose(y.sum(1), 1, atol=1e-3):
            return Target("classes", shape, tuple(range(own[0])), ending, True, why="y holds probabilities")
        return Target("numbers", shape, (), "", True, why="y holds numbers for every output")
    if own == shape[:-1] and y.dtype.kind in "iu":
        in_range(np.where(y == IGNORED, 0, y), shape[-1], "training")
        return Target("positions", shape, (), ending, why="y holds a class for every position")
    turned = f"; the classes of each position must come last: permute the outputs to {(len(y), *own, shape[0])}"
    hint = turned if shape[1:] == own and y.dtype.kind in "iu" else "; they must be equal"
    raise RequestError(f"y has shape {tuple(y.shape)}, but the network's outputs have shape {(len(y), *shape)}{hint}.")


def _classes(labels: tuple[Any, ...], shape: tuple[int, ...], ending: Ending, why: str) -> Target:
    width = shape[-1] if shape else 1
    if len(labels) < 2:
        raise DataError(f"y is {labels[0]!r} in every row; a network needs examples of at least two classes.")
    if width == 1 and len(labels) == 2:
        return Target("binary", shape, labels, ending, why=f"{why}; the output speaks for {labels[1]!r}")
    if width != len(labels):
        wanted = "1 or 2 outputs" if len(labels) == 2 else f"{len(labels)} outputs"
        raise RequestError(
            f"y has {len(labels)} classes ({listed([repr(label) for label in labels])}), but the network has {width} "
            f"output{'s' * (width != 1)}; its last layer must have {wanted}."
        )
    return Target("classes", shape, labels, ending, why=why)


def _fitting(target: Target, family: Family) -> Target:
    """The target as losses of that family take it."""
    if family == "numbers" and target.kind == "classes":
        return replace(target, matrix=True, ending=target.ending or "softmax")  # outputs are drawn towards 0 and 1
    if family == "binary" and target.kind not in ("binary", "multi-label"):
        raise RequestError(
            f"Binary cross-entropy needs 0 and 1 for every output (shape {target.shape}); {target.why}. Use "
            'loss="cross-entropy" for classes that exclude one another.'
        )
    if family == "classes" and target.kind not in ("classes", "positions", "binary"):
        raise RequestError(
            f'Cross-entropy needs one class for each row; {target.why}. Use loss="squared-error" for numbers, '
            '"binary-cross-entropy" for several labels at once.'
        )
    return target


def _zeros_and_ones(distinct: NDArray[Any]) -> bool:
    return bool(np.all((distinct == 0) | (distinct == 1)))


def _plain(values: NDArray[Any], least: tuple[int, ...] = ()) -> tuple[Any, ...]:
    """Labels as Python numbers, those of ``least`` in any case."""
    numbers = values.tolist()
    kind = type(numbers[0]) if numbers else int
    return tuple(sorted({*numbers, *(kind(value) for value in least)}))
