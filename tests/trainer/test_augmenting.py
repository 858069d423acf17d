"""Augmentation through `annvil.train`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import annvil
from annvil.errors import RequestError
from annvil.trainer.arguments.augmentation import OwnFunction, augment_for, layout_of

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
CLASSES = (PIXELS.mean((1, 2, 3)) > 127).astype(int)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2))


def trained(augment: Any, X: Any = PIXELS, **more: Any) -> Any:
    return annvil.train(network(), X, CLASSES, epochs=2, validation=0.2, augment=augment, health=False, **more)


def test_strengths_change_what_is_learnt_and_validation_stays() -> None:
    plain, shifted = trained(None), trained("shift=2,flip=random")
    assert plain.history["loss"] != shifted.history["loss"]
    assert shifted.history["loss"] == trained(annvil.Augmentation(shift=2, flip="random")).history["loss"]
    assert trained({"shift": 0}).history == {**plain.history}


def test_mixing_works_with_the_losses_that_allow_it() -> None:
    assert np.isfinite(trained("cutmix=1,mixup=0.2").history["loss"]).all()
    with pytest.raises(RequestError, match="mixes rows"):
        trained("mixup=0.2", loss=nn.CrossEntropyLoss())


def test_many_networks_are_augmented_too() -> None:
    results = trained("shift=2", members=2)
    assert len(results.table()) == 2


def test_a_function_of_the_users() -> None:
    seen: list[tuple[int, ...]] = []

    def dim(batch: Tensor, random: np.random.Generator) -> Tensor:
        seen.append(tuple(batch.shape))
        return batch // 2

    trained(dim)
    assert {shape[1:] for shape in seen} == {(8, 8, 1)}
    with pytest.raises(RequestError, match=r"must return a tensor as it was given, torch\.uint8"):
        trained(lambda batch, random: batch.float())


@pytest.mark.parametrize(
    ("shape", "dtype", "layout"),
    [
        ((5, 8, 8), torch.uint8, "grey"),
        ((5, 8, 9, 3), torch.uint8, "channels-last"),
        ((5, 3, 8, 9), torch.float32, "channels-first"),
        ((5, 1, 8, 3), torch.float32, "channels-first"),
        ((5, 1, 8, 3), torch.uint8, "channels-last"),
    ],
)
def test_layouts_are_told_by_their_shapes(shape: tuple[int, ...], dtype: torch.dtype, layout: str) -> None:
    assert layout_of(torch.zeros(shape, dtype=dtype)) == layout


def test_what_is_refused() -> None:
    classes = torch.zeros(5, dtype=torch.int64)
    with pytest.raises(RequestError, match="needs pictures"):
        augment_for("shift=1", (torch.zeros(5, 6),), classes)
    with pytest.raises(RequestError, match="uint8 or floats"):
        augment_for("shift=1", (torch.zeros(5, 8, 8, dtype=torch.int64),), classes)
    with pytest.raises(RequestError, match="pixel by pixel"):
        augment_for("shift=1", (torch.zeros(5, 3, 8, 8),), torch.zeros(5, 8, 8, dtype=torch.int64))


def test_another_function_says_something_else() -> None:
    functions: list[Any] = [lambda batch, random: batch, lambda batch, random: batch, lambda batch, random: batch // 2]
    same, again, other = (OwnFunction(function).says for function in functions)
    assert same == again != other
