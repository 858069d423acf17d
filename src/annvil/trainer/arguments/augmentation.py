"""What `annvil.train` takes as ``augment``: strengths for pictures, or the user's own function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from annvil.data.batch_transform import Augment, Moment
from annvil.errors import RequestError
from annvil.preparation.augment_batches import Layout, PictureChanges
from annvil.preparation.augmentation import augmentation_of


@dataclass(frozen=True)
class OwnFunction:
    """``function(batch, random) -> batch`` of the user: ``(batch, ...)`` of one network, and a NumPy generator."""

    function: Callable[[Tensor, np.random.Generator], Any]
    mixes: bool = False

    @property
    def says(self) -> str:
        """Its name and what its own code is; functions that it calls, and what it looks up, may change unnoticed."""
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        code = getattr(self.function, "__code__", None)
        parts = () if code is None else (code.co_code, code.co_names, tuple(c for c in code.co_consts if _is_plain(c)))
        return f"{name} {hashlib.sha256(repr(parts).encode()).hexdigest()}"

    def __call__(self, inputs: Sequence[Tensor], rows: Tensor, moment: Moment) -> None:
        """Change the first input."""
        for k, batch in enumerate(inputs[0].unbind()):
            changed = self.function(batch.clone(), moment.chance(k))
            if not isinstance(changed, Tensor) or changed.shape != batch.shape or changed.dtype != batch.dtype:
                came = changed.dtype if isinstance(changed, Tensor) else f"a {type(changed).__name__}"
                shape = f" of shape {tuple(changed.shape)}" if isinstance(changed, Tensor) else ""
                raise RequestError(
                    f"augment must return a tensor as it was given, {batch.dtype} of shape {tuple(batch.shape)}; "
                    f"got {came}{shape}."
                )
            batch.copy_(changed)


def _is_plain(value: object) -> bool:
    """Whether its text is the same in every process."""
    return isinstance(value, str | bytes | int | float | None)


def augment_for(asked: Any, inputs: Sequence[Tensor], targets: Tensor) -> Augment | None:
    """The augmentation of the first input that was asked for; None for none.

    Raises
    ------
    RequestError
        Where the input holds no pictures, or the targets lie on the pictures and would have to move with them.
    """
    if asked is None:
        return None
    if callable(asked):
        return asked if hasattr(asked, "mixes") and hasattr(asked, "says") else OwnFunction(asked)
    augmentation = augmentation_of(asked)
    if augmentation.does_nothing:
        return None
    pictures = inputs[0]
    layout = layout_of(pictures)
    if targets.dim() >= 3 and targets.shape[1:3] in (pictures.shape[1:3], pictures.shape[2:4]):
        raise RequestError(
            "augment changes pictures, not targets that lie on them pixel by pixel; give a function that changes both, "
            "or augment beforehand."
        )
    if pictures.dtype == torch.uint8:
        return PictureChanges(augmentation, layout)
    if not pictures.is_floating_point():
        raise RequestError(f"Pictures to augment are uint8 or floats; the first input is {pictures.dtype}.")
    return PictureChanges(augmentation, layout, float(pictures.min()), float(pictures.max()))


def layout_of(pictures: Tensor) -> Layout:
    """Where the channels are: one, three or four on the last axis or on the second, or none.

    Where both axes could be it, floats have them on the second, as PyTorch's networks do, and bytes on the last.
    """
    if pictures.dim() == 3 and min(pictures.shape[1:]) > 1:
        return "grey"
    if pictures.dim() == 4:
        last, second = (pictures.shape[axis] in (1, 3, 4) for axis in (3, 1))
        if second and (not last or pictures.is_floating_point()):
            return "channels-first"
        if last:
            return "channels-last"
    raise RequestError(
        "augment needs pictures, (rows, height, width), (rows, height, width, channels) or (rows, channels, height, "
        f"width), as the first input; its shape is {tuple(pictures.shape)}. For anything else give a function (batch, "
        "random) -> batch."
    )
