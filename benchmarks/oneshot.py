"""Characters never seen: which of twenty is this one, with one example of each? By the features of a pretrained body.

    python benchmarks/oneshot.py --data FOLDER [--from START]

FOLDER holds images/omniglot/one_shot_20way_runs.zip (ANNVIL_DATA can name it too): the 20 runs of 20 characters of Lake
et al. 2015, drawn by others than the example. A start is a folder of `annvil pretrain` or a saved model; default: the
network that ships, which learnt from the two small background sets and never saw these alphabets. Nothing is trained:
each drawing is brought to the body's size, and the example with the nearest direction of features is named, after the
features of the run's twenty examples were centred.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from annvil.kinds.pictures.starts.pretrained import Start, shipped_start
from annvil.kinds.pictures.starts.starting import start_of
from annvil.networks.transfer import transfer_network

PUBLISHED = {
    "people (Lake et al. 2015)": 0.045,
    "simple convolutional network, one small background set (Lake et al. 2019)": 0.232,
    "prototypical network, one small background set (Lake et al. 2019)": 0.301,
    "modified Hausdorff distance (Lake et al.)": 0.388,
}
"""Errors as the catalogue of the data gives them, from memory."""

SIDE = 105


def one_shot_errors(start: Start, runs: Path) -> list[float]:
    """The share of wrong answers in each run, in order."""
    drawings, answers = _read(runs)
    features = _features(start, drawings)
    errors = []
    for run in sorted({name.split("/")[0] for name in drawings}):
        examples = sorted(name for name in drawings if name.startswith(f"{run}/training/"))
        centre = np.mean([features[name] for name in examples], axis=0)
        directions = {name: _direction(features[name] - centre) for name in drawings if name.startswith(f"{run}/")}
        asked = [name for name in answers if name.startswith(f"{run}/")]
        named = [max(examples, key=lambda example: directions[example] @ directions[name]) for name in asked]
        errors.append(float(np.mean([found != answers[name] for found, name in zip(named, asked, strict=True)])))
    return errors


def pixel_errors(runs: Path) -> list[float]:
    """The same by the pixels themselves, averaged over squares of 5 × 5, which is what a start has to beat."""
    drawings, answers = _read(runs)
    blocks = {name: _direction(p.reshape(21, 5, 21, 5).mean((1, 3)).ravel() - 255.0) for name, p in drawings.items()}
    errors = []
    for run in sorted({name.split("/")[0] for name in drawings}):
        examples = [name for name in drawings if name.startswith(f"{run}/training/")]
        asked = [name for name in answers if name.startswith(f"{run}/")]
        named = [max(examples, key=lambda example: blocks[example] @ blocks[name]) for name in asked]
        errors.append(float(np.mean([found != answers[name] for found, name in zip(named, asked, strict=True)])))
    return errors


def _read(runs: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Drawings, uint8 ``(105, 105)`` by name, and for each to be named the example of the same character."""
    with zipfile.ZipFile(runs) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        drawings = {name: np.asarray(Image.open(archive.open(name)).convert("L")) for name in names}
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("answers.csv"), encoding="utf-8")))
    return drawings, {row["test_image"]: row["same_class_training_image"] for row in rows}


def _features(start: Start, drawings: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    body = transfer_network((start.architecture, start.weights), (SIDE, SIDE, 1), 1).eval().body
    pixels = torch.from_numpy(np.stack(list(drawings.values()))[..., None])
    with torch.inference_mode():
        found = torch.cat([body.features(part) for part in pixels.split(64)]).numpy()
    return dict(zip(drawings, found, strict=True))


def _direction(values: np.ndarray) -> np.ndarray:
    return values / max(float(np.linalg.norm(values)), 1e-12)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", default=os.environ.get("ANNVIL_DATA"), help="folder of the data sets")
    asked.add_argument("--from", dest="start", help="a folder of annvil pretrain, or a saved model")
    given = asked.parse_args()
    runs = Path(given.data) / "images" / "omniglot" / "one_shot_20way_runs.zip"
    start = start_of(given.start, None) or shipped_start()
    rows = {start.name: one_shot_errors(start, runs), "pixels": pixel_errors(runs)}
    print("| | error, 20-way one-shot |\n|---|---|")
    for name, errors in rows.items():
        spread = np.std(errors, ddof=1) / len(errors) ** 0.5
        print(f"| **{name}**, {len(errors)} runs | {np.mean(errors):.3f} ± {spread:.3f} (standard error) |")
    for name, error in PUBLISHED.items():
        print(f"| {name} | {error:.3f} |")


if __name__ == "__main__":
    main()
