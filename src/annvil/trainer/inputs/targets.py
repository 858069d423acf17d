"""What ``y`` is: classes, numbers, several labels at once; and how outputs are read back as such.

Which of them follows from ``y`` and from the shape of the network's outputs, since ``[0, 1, 1]`` is two classes for a
network with two outputs and a yes or no for one with a single output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from annvil.errors import DataError, RequestError, name_rows
from annvil.text.phrases import listed

IGNORED = -100
"""Stands for "no class" at a position, as in PyTorch's cross-entropy."""

_SMALLEST = 1e-38  # the least that float32 holds: mean probabilities are kept this far from 0 before their logarithm

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
            in_range(np.where(y == IGNORED, 0, y), self.shape[-1], where)
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

    def votes(self, outputs: Tensor) -> Tensor:
        """Raw outputs as what may be averaged, in the same shape: probabilities, or numbers as they are."""
        if self.kind in ("binary", "multi-label"):
            return outputs if self.ending else outputs.sigmoid()
        if self.kind in ("classes", "positions"):
            if self.ending in ("softmax", "sigmoid"):
                return outputs / outputs.sum(-1, keepdim=True).clamp(min=1e-30)
            return outputs.softmax(-1)
        return outputs

    def as_outputs(self, voted: Tensor) -> Tensor:
        """Averaged votes as the raw outputs of a network that says just that."""
        if self.ending in ("softmax", "sigmoid") or not self.has_probabilities:
            return voted
        logs = voted.clamp(min=_SMALLEST).log()
        return logs - (1 - voted).clamp(min=_SMALLEST).log() if self.kind in ("binary", "multi-label") else logs

    def shares(self, outputs: Tensor) -> Tensor:
        """Raw outputs as probabilities: ``(rows, classes)``, two columns for "binary"; one per output for
        "multi-label"; per position for "positions".

        Raises
        ------
        RequestError
            Where outputs are no classes.
        """
        if not self.has_probabilities:
            raise RequestError(f"Probabilities need classes; what this network learns is {self.kind}: use predict.")
        shares = self.votes(outputs)
        if self.kind == "binary":
            yes = shares.reshape(len(outputs), -1).mean(1)
            return torch.stack([1 - yes, yes], 1)
        return shares.mean(1) if self.kind == "classes" and shares.dim() > 2 else shares

    def predict(self, outputs: Tensor) -> NDArray[Any]:
        """Raw outputs in the user's own terms: labels, 0 and 1, or numbers."""
        values: NDArray[Any] = (self.shares(outputs) if self.has_probabilities else outputs).numpy()
        if self.is_classification:
            values = _array_of(self.labels)[values.argmax(1)]
        elif self.kind == "multi-label":
            values = (values >= 0.5).astype(np.int64)
        elif self.kind == "positions":
            values = values.argmax(-1)
        elif self.flat and values.ndim > 1:
            values = values.reshape(len(values), -1).mean(1)
        return values


def _array_of(labels: tuple[Any, ...]) -> NDArray[Any]:
    """Labels as an array that keeps them as they are: of objects where they are of several kinds."""
    same = len({type(label) for label in labels}) == 1
    return np.array(labels) if same else np.array([*labels, None], dtype=object)[:-1]


def in_range(y: NDArray[Any], width: int, where: str) -> None:
    """Refuse class numbers that the outputs have no place for."""
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
