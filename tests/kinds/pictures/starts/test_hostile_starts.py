"""Networks of strangers to start from: damage of any kind, and lies with the right hashes, end in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from tests.bundle.test_mutations import damage

from annvil.bundle.manifest import describe_part, write_manifest
from annvil.errors import BundleError
from annvil.kinds.pictures.starts.pretrained import CARD, SHIPPED, WEIGHTS, Card, read_start, shipped_start
from annvil.kinds.pictures.starts.starting import start_of
from annvil.networks.convolutional import LARGEST_SIDE, MOST_CHANNELS, MOST_LAYERS

Weights = dict[str, np.ndarray]


def resealed(folder: Path, change: Callable[[dict[str, Any], Weights], Any]) -> Path:
    """The start that ships with its architecture or weights changed, and every hash right."""
    start = shipped_start()
    architecture, weights = dict(start.architecture), load((SHIPPED / WEIGHTS).read_bytes())
    change(architecture, weights)
    content = save({name: np.ascontiguousarray(array) for name, array in weights.items()})
    card = Card(architecture=architecture, weights=describe_part(content))
    (folder / CARD).write_bytes(write_manifest(card))
    (folder / WEIGHTS).write_bytes(content)
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(BundleError) as error:
        start_of(str(folder), None)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_helper_changes_nothing_else(tmp_path):
    assert start_of(str(resealed(tmp_path, lambda *_: None)), None).digest == shipped_start().digest


@pytest.mark.parametrize("part", [CARD, WEIGHTS])
def test_any_damage_is_noticed(tmp_path, part):
    rng = np.random.default_rng(0)
    whole = {name: (SHIPPED / name).read_bytes() for name in (CARD, WEIGHTS)}
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    for _ in range(100):
        (tmp_path / part).write_bytes(damage(whole[part], rng))
        with pytest.raises(BundleError):
            read_start(tmp_path)


COUNTS = ("height", "width", "channels", "n_outputs", "stem_channels", "shrink")
LIES: dict[str, Any] = {
    **{f"{name} of {v}": {name: v} for name in COUNTS for v in (0, -1, 10**12, 1.5, "many", None, True, [3])},
    **{f"{LARGEST_SIDE + 1} {name}": {name: LARGEST_SIDE + 1} for name in ("height", "width")},
    "100,000 layers": {"layers": [[64, False]] * 100_000},
    "one layer too many": {"layers": [[64, False]] * (MOST_LAYERS + 1)},
    "other layers": {"layers": [[64, False]]},
    "layers of no channels": {"layers": [[0, False]] * 5},
    "layers of too many channels": {"layers": [[MOST_CHANNELS + 1, False]] * 5},
    "layers that are none": {"layers": 7},
    "layers that are unpaired": {"layers": [1, 2]},
    "another stem": {"stem": "secret"},
    "an endless factor": {"head_scale": 1e999},
    "no factor": {"head_scale": None},
    "another kind": {"kind": "spiking"},
    "no kind": {"kind": None},
    "a body that is none": {"kind": "transfer", "body": 3},
    "a body within itself": {"kind": "transfer", "body": {"kind": "transfer", "body": {}}},
    "an unheard word": {"unheard": 1},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_architecture_that_is_not_that_of_the_weights_is_refused(tmp_path, lie):
    assert refused(resealed(tmp_path, lambda architecture, _: architecture.update(LIES[lie])))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_every_array_must_be_finite(tmp_path, value):
    for name in load((SHIPPED / WEIGHTS).read_bytes()):
        found = load((SHIPPED / WEIGHTS).read_bytes())[name]
        if found.dtype.kind == "f" and found.size:

            def change(_: Any, weights: Weights, name: str = name) -> None:
                weights[name] = weights[name].copy()
                weights[name].ravel()[-1] = value

            assert "holds NaN or infinity" in refused(resealed(tmp_path, change))


def test_arrays_that_are_missing_unheard_or_of_another_shape_are_refused(tmp_path):
    """But for counts of batches, which PyTorch fills in and nothing uses."""
    names = [name for name in load((SHIPPED / WEIGHTS).read_bytes()) if not name.endswith("num_batches_tracked")]
    for name in names:
        refused(resealed(tmp_path, lambda _, weights, name=name: weights.pop(name)))
        refused(resealed(tmp_path, lambda _, w, name=name: w.update({name: np.zeros((1, 2, 3), np.float16)})))
    refused(resealed(tmp_path, lambda _, weights: weights.update(unheard=np.zeros(3, np.float32))))
