"""Held-out clips that a run keeps beside its model, so that a threshold can be chosen later without its data."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.comparison.results import FIRST_FOLD
from annvil.data.dataset import Dataset
from annvil.files import read_kept, write_atomically
from annvil.kinds.found import Found
from annvil.kinds.sound.clips import Clips, Samples, end_to_end
from annvil.tasks.base import IntArray

FOLDER = "listening"
"""In that of the run."""

MOST_KEPT = 200
"""Clips, drawn from the test rows of the first fold (assumed: shares are then known to 3 points)."""


@dataclass(frozen=True)
class HeldOut:
    """Clips of the first fold's test rows, their classes ``y`` (codes), the graph of a model that had not heard them,
    and whether they are of speakers whom it had not heard either."""

    clips: list[Samples]
    y: IntArray
    graph: bytes
    grouped: bool


def keep_held_out(found: Found) -> None:
    """Write them to the run's folder, where clips have one class each and the model of the first fold is there."""
    from safetensors.numpy import save

    shutil.rmtree(found.folder / FOLDER, ignore_errors=True)  # of the model before a run went on
    dataset: Dataset[Clips] = found.dataset
    contender = found.comparison.verdict.recommended
    rung = found.rung(contender)
    graph = found.store.graph(contender, rung)
    if not dataset.task.one_class_a_row or graph is None or found.store.result(contender, FIRST_FOLD, rung) is None:
        return
    rows, _ = found.store.predictions(contender, FIRST_FOLD, rung)
    if len(rows) > MOST_KEPT:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_KEPT, replace=False))
    clips = dataset.inputs.take(rows)
    arrays: dict[str, NDArray[Any]] = {
        "samples": np.concatenate([np.round(clips.one(row) * 32767) for row in range(clips.n_rows)]).astype(np.int16),
        "lengths": clips.lengths,
        "y": np.asarray(dataset.y[rows], dtype=np.int64),
        "grouped": np.array([dataset.grouped]),
    }
    write_atomically(found.folder / FOLDER / "first-fold.onnx", graph)
    write_atomically(found.folder / FOLDER / "held-out.safetensors", save(arrays))


def held_out_of(folder: Path) -> HeldOut | None:
    """What `keep_held_out` wrote there, or None where it did not."""
    from safetensors.numpy import load

    path, graph = folder / "held-out.safetensors", folder / "first-fold.onnx"
    if not path.exists() or not graph.exists():
        return None
    arrays = read_kept(path, load)
    bounds = end_to_end(arrays["lengths"])
    samples = arrays["samples"].astype(np.float32) / np.float32(32767)
    clips = [samples[a:b] for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
    return HeldOut(clips, arrays["y"], graph.read_bytes(), bool(arrays["grouped"][0]))
