"""What ``y`` is: classes, numbers, several labels at once; and how outputs are read back as such.

Which of them follows from ``y`` and from the shape of the network's outputs, since ``[0, 1, 1]`` is two classes for a
network with two outputs and a yes or no for one with a single output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from annvil.errors import DataError, RequestError, name_rows
from annvil.text.phrases import listed

IGNORED = -100
"""Stands for "no class" at a position, as in PyTorch's cross-entropy."""

Kind = Literal["classes", "binary", "multi-label", "positions", "numbers", "as given"]
Ending = Literal["", "softmax", "sigmoid", "log-softmax"]
Family = Literal["auto", "classes", "binary", "numbers", "as given"]


@dataclass(frozen=True)
class Target:
    """What is to be learnt.

    Attributes
    ----------
    kind : "classes" (one output each), "binary" (one output for two classes), "multi-label" (a yes or no for every
        output), "positions" (a class at each position of a row), "numbers", or "as given" (only the caller's loss
        knows)
    labels : the classes in the order of the outputs, as the user wrote them; empty where there are none
    ending : what the network ends in; "" means that outputs are logits, or numbers
    matrix : whether the loss is given one number per output, rather than class numbers
    shape : of one row's outputs
    flat : whether ``y`` had one axis, so that predicted numbers have one as well
    why : one sentence
    """

    kind: Kind
    shape: tuple[int, ...]
    labels: tuple[Any, ...] = ()
    ending: Ending = ""
    matrix: bool = False
    flat: bool = False
    why: str = ""

    @property
    def is_classification(self) -> bool:
        """Whether rows have classes."""
        return self.kind in ("classes", "binary")

    def encode(self, y: NDArray[Any], where: str) -> Tensor:
        """``y`` in the form that the loss takes: class numbers int64, or float32 in the shape of the outputs."""
        if self.kind == "as given":
            return _tensor(y)
        if self.kind in ("classes", "binary") and y.ndim == 1:
            codes = self._codes(y, where)
            if self.kind == "binary":
                return codes.float().reshape(-1, *self.shape[-1:])
            return torch.nn.functional.one_hot(codes, len(self.labels)).float() if self.matrix else codes
        if self.kind == "positions":
            _in_range(np.where(y == IGNORED, 0, y), self.shape[-1], where)
            return torch.from_numpy(y.astype(np.int64))
        values = torch.from_numpy(np.ascontiguousarray(y, dtype=np.float32))
        wanted = self.shape
        if values.dim() == 1 and wanted == (1,):
            values = values[:, None]
        if tuple(values.shape[1:]) != wanted and tuple(values.shape[1:]) != wanted[1:]:  # (k, out): k sub-networks
            raise RequestError(
                f"y of {where} has shape {tuple(y.shape)}, but the network's outputs have shape {(len(y), *wanted)}; "
                "they must be equal."
            )
        refuse_missing(y, f"y of {where}")
        return values if self.matrix or self.kind != "classes" else values.argmax(1)

    def _codes(self, y: NDArray[Any], where: str) -> Tensor:
        places = {label: code for code, label in enumerate(self.labels)}
        values = y.tolist()
        codes = np.fromiter((places.get(value, -1) for value in values), np.int64, len(values))
        strange = np.flatnonzero(codes < 0)
        if len(strange):
            kinds = sorted({repr(values[row]) for row in strange})
            raise DataError(
                f"y of {where} holds {listed(kinds)} in {name_rows(strange[:5], len(strange))}, which training does "
                f"not know; the classes are {listed([repr(label) for label in self.labels])}."
            )
        return torch.from_numpy(codes)

    @property
    def has_probabilities(self) -> bool:
        """Whether outputs stand for classes, or for a yes or no each."""
        return self.kind in ("classes", "binary", "multi-label", "positions")

    def probabilities(self, outputs: Tensor) -> NDArray[np.float32]:
        """As `shares`, as an array."""
        return self.shares(outputs).numpy()

    def shares(self, outputs: Tensor) -> Tensor:
        """Raw outputs as probabilities: ``(rows, classes)``, two columns for "binary"; one per output for
        "multi-label"; per position for "positions".

        Raises
        ------
        RequestError
            Where outputs are no classes.
        """
        if self.kind == "binary":
            yes = self._sigmoid(outputs).reshape(len(outputs), -1).mean(1)
            return torch.stack([1 - yes, yes], 1)
        if self.kind == "multi-label":
            shares = self._sigmoid(outputs)
        elif self.kind in ("classes", "positions"):
            shares = self._softmax(outputs)
        else:
            raise RequestError(f"Probabilities need classes; what this network learns is {self.kind}: use predict.")
        extra = shares.dim() - 1 - len(self.shape) if self.kind == "positions" else shares.dim() - 2
        return shares.mean(1) if self.kind == "classes" and extra > 0 else shares

    def _sigmoid(self, outputs: Tensor) -> Tensor:
        return outputs if self.ending else outputs.sigmoid()

    def _softmax(self, outputs: Tensor) -> Tensor:
        if self.ending in ("softmax", "sigmoid"):
            return outputs / outputs.sum(-1, keepdim=True).clamp(min=1e-30)
        return outputs.softmax(-1)

    def predict(self, outputs: Tensor) -> NDArray[Any]:
        """Raw outputs in the user's own terms: labels, 0 and 1, or numbers."""
        if self.is_classification:
            labels: NDArray[Any] = _array_of(self.labels)[self.probabilities(outputs).argmax(1)]
            return labels
        values: NDArray[Any]
        if self.kind == "multi-label":
            values = (self.probabilities(outputs) >= 0.5).astype(np.int64)
            return values
        if self.kind == "positions":
            values = self.probabilities(outputs).argmax(-1)
            return values
        values = outputs.numpy()
        if self.flat and values.ndim > 1:
            values = values.reshape(len(values), -1).mean(1)
        return values


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
        _in_range(np.where(y == IGNORED, 0, y), shape[-1], "training")
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


def _array_of(labels: tuple[Any, ...]) -> NDArray[Any]:
    """Labels as an array that keeps them as they are: of objects where they are of several kinds."""
    same = len({type(label) for label in labels}) == 1
    return np.array(labels) if same else np.array([*labels, None], dtype=object)[:-1]


def _zeros_and_ones(distinct: NDArray[Any]) -> bool:
    return bool(np.all((distinct == 0) | (distinct == 1)))


def _plain(values: NDArray[Any], least: tuple[int, ...] = ()) -> tuple[Any, ...]:
    """Labels as Python numbers, those of ``least`` in any case."""
    numbers = values.tolist()
    kind = type(numbers[0]) if numbers else int
    return tuple(sorted({*numbers, *(kind(value) for value in least)}))


def _in_range(y: NDArray[Any], width: int, where: str) -> None:
    wrong = np.flatnonzero(((y < 0) | (y >= width)).reshape(len(y), -1).any(1))
    if len(wrong):
        raise DataError(
            f"Class numbers must lie between 0 and {width - 1}, since the network has {width} outputs; "
            f"{name_rows(wrong[:5], len(wrong))} of y of {where} hold others."
        )


def refuse_missing(y: NDArray[Any], name: str) -> None:
    """Raise `DataError` where values are missing or infinite."""
    if y.dtype.kind == "f":
        wrong = np.flatnonzero(~np.isfinite(y).reshape(len(y), -1).all(1))
    elif y.dtype.kind == "O":
        wrong = np.array([row for row, value in enumerate(y.tolist()) if not _is_there(value)], dtype=np.int64)
    else:
        return
    if len(wrong):
        raise DataError(
            f"{name} is missing or infinite in {name_rows(wrong[:5], len(wrong))}; drop or fill these rows."
        )


def _is_there(value: Any) -> bool:
    return isinstance(value, str | bool | int | np.generic) or (isinstance(value, float) and np.isfinite(value))


def _tensor(y: NDArray[Any]) -> Tensor:
    if y.dtype.kind in "iub":
        return torch.from_numpy(y.astype(np.int64))
    if y.dtype.kind != "f":
        raise RequestError(f"A loss of your own needs numbers in y; it holds {y.dtype} values.")
    return torch.from_numpy(np.ascontiguousarray(y, dtype=np.float32))
