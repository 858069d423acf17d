"""A Dataset as files, so that a run on a frame in memory can be resumed in another process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.table import Column, ColumnNote, Dataset, Field, Inputs, Source, Table
from annvil.errors import DataError
from annvil.files import write_atomically
from annvil.kinds.pictures.images import Images
from annvil.tasks.union import task_from_json


def save_dataset(dataset: Dataset[Inputs], path: Path) -> None:
    """Write ``dataset`` to one safetensors file, atomically: arrays as tensors, names and kinds as its JSON header.

    Data that come from memory have no official test; one from elsewhere is not kept.
    """
    import msgspec
    from safetensors.numpy import save

    arrays, described = _inputs_as_arrays(dataset.inputs)
    arrays |= {"y": np.ascontiguousarray(dataset.y), "groups": dataset.groups}
    if dataset.time is not None:
        arrays["time"] = dataset.time
    described |= {
        "n_rows": dataset.n_rows,
        "task": dataset.task.to_json(),
        "grouped": dataset.grouped,
        "notes": dataset.notes,
        "source": dataset.source,
        "missing": dataset.missing,
    }
    write_atomically(path, save(arrays, metadata={"annvil": msgspec.json.encode(described).decode()}))


def _inputs_as_arrays(inputs: Inputs) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    if isinstance(inputs, Images):
        from annvil.kinds.pictures.image_storage import to_arrays

        arrays, described = to_arrays(inputs)
        return arrays, {"images": described}
    assert isinstance(inputs, Table), "there are tables and pictures"
    arrays = {f"column/{i}": np.ascontiguousarray(c.values) for i, c in enumerate(inputs.columns)}
    return arrays, {"fields": [c.field for c in inputs.columns], "levels": [c.levels for c in inputs.columns]}


def load_dataset(path: Path) -> Dataset[Any]:
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
    return Dataset(
        inputs=_inputs_from_arrays(arrays, described),
        y=arrays["y"],
        task=task_from_json(described["task"]),
        groups=arrays["groups"],
        grouped=described["grouped"],
        time=arrays.get("time"),
        notes=msgspec.convert(described["notes"], tuple[ColumnNote, ...]),
        source=msgspec.convert(described["source"], Source),
        missing=tuple(described["missing"]),
    )


def _inputs_from_arrays(arrays: dict[str, NDArray[Any]], described: dict[str, Any]) -> Table | Images:
    import msgspec

    if "images" in described:
        from annvil.kinds.pictures.image_storage import from_arrays

        return from_arrays(arrays, described["images"])
    fields = msgspec.convert(described["fields"], tuple[Field, ...])
    levels = msgspec.convert(described["levels"], tuple[tuple[str, ...], ...])
    columns = tuple(
        Column(field, arrays[f"column/{i}"], texts) for i, (field, texts) in enumerate(zip(fields, levels, strict=True))
    )
    return Table(columns, described["n_rows"])
