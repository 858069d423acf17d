"""Published sets of series with their official training and test parts, as arrays; NumPy and pandas are enough."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SETS = ("gun_point", "ecg_five_days", "swedish_leaf", "hapt_har")


def loaded(name: str) -> dict[str, Any]:
    """``train`` and ``test``: values float32 ``(n, channels, time)`` and labels ``(n,)``, texts; ``groups``: whose
    series the training ones are, where that is known."""
    data = Path(os.environ["ANNVIL_DATA"])
    return _windows(data / "series" / f"{name}.zip") if name == "hapt_har" else _wide(data, name)


def _wide(data: Path, name: str) -> dict[str, Any]:
    catalogue = json.loads((data / "catalogue.json").read_text())["datasets"]
    entry = next(one for one in catalogue if one["name"] == name)
    frame = pd.read_csv(data / "series" / f"{name}.csv")
    values = frame.drop(columns="label").to_numpy(np.float32)[:, None]
    labels = frame["label"].astype(str).to_numpy()
    split = entry["split"]
    parts = {part: slice(*split[part]) for part in ("train", "test")}
    return {part: (values[rows], labels[rows]) for part, rows in parts.items()} | {"groups": None}


def _windows(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        windows = pd.read_csv(archive.open("windows.csv"))
        names = windows["signal"].unique()
        signals = {name: pd.read_csv(archive.open(f"signals/{name}.csv")).to_numpy(np.float32) for name in names}
    cut = zip(windows["signal"], windows["start"], windows["end"], strict=True)
    values = np.stack([signals[name][start:end].T for name, start, end in cut])
    labels = windows["label"].to_numpy(str)
    train = (windows["split"] == "train").to_numpy()
    found: dict[str, Any] = {"train": (values[train], labels[train]), "test": (values[~train], labels[~train])}
    return found | {"groups": windows["subject"].to_numpy()[train]}
