"""A Dataset as files, so that a run on a frame in memory can be resumed in another process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.table import Column, ColumnNote, Dataset, Field, Source, Table
from annvil.errors import DataError
from annvil.files import write_atomically
from annvil.task import Task


def save_dataset(dataset: Dataset, path: Path) -> None:
    """Write ``dataset`` to one safetensors file, atomically: arrays as tensors, names and kinds as its JSON header."""
    import msgspec
    from safetensors.numpy import save

    arrays = {f"column/{i}": np.ascontiguousarray(c.values) for i, c in enumerate(dataset.inputs.columns)}
    arrays |= {"y": np.ascontiguousarray(dataset.y), "groups": dataset.groups}
    if dataset.time is not None:
        arrays["time"] = dataset.time
    described = {
        "fields": [column.field for column in dataset.inputs.columns],
        "levels": [column.levels for column in dataset.inputs.columns],
        "n_rows": dataset.n_rows,
        "task": dataset.task.to_json(),
        "grouped": dataset.grouped,
        "notes": dataset.notes,
        "source": dataset.source,
        "missing": dataset.missing,
    }
    write_atomically(path, save(arrays, metadata={"annvil": msgspec.json.encode(described).decode()}))


def load_dataset(path: Path) -> Dataset:
    """The dataset that `save_dataset` wrote.

    Raises
    ------
    DataError
        When the file is missing or damaged.
    """
    import msgspec
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stored:
            described: dict[str, Any] = msgspec.json.decode(stored.metadata()["annvil"])
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise DataError(f"The data kept in {path} cannot be read ({error}). Fit again instead of resuming.") from error
    fields = msgspec.convert(described["fields"], tuple[Field, ...])
    levels = msgspec.convert(described["levels"], tuple[tuple[str, ...], ...])
    columns = tuple(
        Column(field, arrays[f"column/{i}"], texts) for i, (field, texts) in enumerate(zip(fields, levels, strict=True))
    )
    return Dataset(
        inputs=Table(columns, described["n_rows"]),
        y=arrays["y"],
        task=Task.from_json(described["task"]),
        groups=arrays["groups"],
        grouped=described["grouped"],
        time=arrays.get("time"),
        notes=msgspec.convert(described["notes"], tuple[ColumnNote, ...]),
        source=msgspec.convert(described["source"], Source),
        missing=tuple(described["missing"]),
    )
