"""A Dataset as files, so that a run on a frame in memory can be resumed in another process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.dataset import ColumnNote, Dataset, Source
from annvil.data.form import Inputs
from annvil.data.plugins import read_form
from annvil.errors import DataError
from annvil.files import write_atomically
from annvil.tasks.union import task_from_json

CONTEXT = "context/"
"""Before the names of arrays that are the context of the answers."""


def save_dataset(dataset: Dataset[Inputs], path: Path) -> None:
    """Write ``dataset`` to one safetensors file, atomically: arrays as tensors, names and kinds as its JSON header.

    Data that come from memory have no official test; one from elsewhere is not kept.
    """
    import msgspec
    from safetensors.numpy import save

    arrays, inputs = dataset.inputs.to_arrays()
    arrays |= {"y": np.ascontiguousarray(dataset.y), "groups": dataset.groups}
    if dataset.time is not None:
        arrays["time"] = dataset.time
    if dataset.known_at is not None:
        arrays["known_at"] = dataset.known_at
    arrays |= {f"{CONTEXT}{name}": np.ascontiguousarray(values) for name, values in dataset.context.items()}
    described = {
        "form": dataset.inputs.form,
        "inputs": inputs,
        "task": dataset.task.to_json(),
        "grouped": dataset.grouped,
        "notes": dataset.notes,
        "source": dataset.source,
    }
    write_atomically(path, save(arrays, metadata={"annvil": msgspec.json.encode(described).decode()}))


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
    if "form" not in described:
        described |= _inputs_of_version_1(described)
    return Dataset(
        inputs=read_form(described["form"]).from_arrays(arrays, described["inputs"]),
        y=arrays["y"],
        task=task_from_json(described["task"]),
        groups=arrays["groups"],
        grouped=described["grouped"],
        time=arrays.get("time"),
        known_at=arrays.get("known_at"),
        context={name.removeprefix(CONTEXT): array for name, array in arrays.items() if name.startswith(CONTEXT)},
        notes=msgspec.convert(described["notes"], tuple[ColumnNote, ...]),
        source=msgspec.convert(described["source"], Source),
    )


def _inputs_of_version_1(described: dict[str, Any]) -> dict[str, Any]:
    """What described the inputs of a table or of pictures before forms did: runs that were begun then go on."""
    images = described.pop("images", None)
    if images is not None:
        return {"form": {"kind": "pictures", **images.pop("form")}, "inputs": images}
    fields = [{name: field[name] for name in ("name", "kind", "style")} for field in described["fields"]]
    form = {"kind": "tables", "fields": fields, "missing": described["missing"]}
    return {"form": form, "inputs": {"levels": described["levels"], "n_rows": described["n_rows"]}}
