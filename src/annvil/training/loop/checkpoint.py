"""Saving a population half way, so that a killed run goes on to the same weights, bit for bit.

One file holds everything: the tensors as safetensors, the rest as JSON in its header, with a SHA-256 over both. It is
written to a temporary file, synced and renamed; the file before it is kept as ``….previous``. A file that is torn or
belongs to another request is not used, and that is said.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from annvil.errors import MachineError
from annvil.files import write_atomically
from annvil.training.loop.job import TrainingJob
from annvil.training.loop.prefetch import FileSource
from annvil.training.losses.resolve import Custom
from annvil.training.optimizers.schedules import rate_factor
from annvil.training.system.distributed import ALONE, Distributed

SECONDS_BETWEEN = 5.0
"""At most so often is a checkpoint written (assumed: little beside training, far less than the 30 s promised)."""

_VERSION = 3

_BLOCK = 8 << 20
"""Bytes of a file that are looked at together (assumed: little beside a batch's activations)."""


@dataclass
class Saved:
    """A population half way: JSON-able ``facts`` and the ``tensors`` of every pack."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]


class Checkpoint:
    """Two generations of a file; without a path nothing is saved and nothing is found."""

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self._saved_at = time.monotonic()
        self._newest_is_whole = False  # only then may it take the place of the generation before

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        return self.path is not None and time.monotonic() - self._saved_at >= SECONDS_BETWEEN

    def save(self, saved: Saved) -> None:
        """Write a new generation and keep the one before."""
        if self.path is None:
            return
        content = _pack(saved, self.fingerprint)
        if self._newest_is_whole:
            try:
                os.replace(self.path, _previous(self.path))
            except OSError as error:
                raise MachineError(f"Cannot rename {self.path}: {error.strerror or error}.") from error
        write_atomically(self.path, content)
        self._newest_is_whole = True
        self._saved_at = time.monotonic()

    def load(self, distributed: Distributed = ALONE) -> tuple[Saved | None, str]:
        """The newest generation that is whole and belongs to this request, and what should be said about the others.

        Of several processes the first reads, and the others get what it found.
        """
        saved, notice = self._read() if distributed.is_first else (None, "")
        if distributed.world > 1:
            content = distributed.bytes_from_first(None if saved is None else _pack(saved, self.fingerprint))
            saved = None if content is None else _unpack(content, self.fingerprint)[0]
        return saved, notice

    def _read(self) -> tuple[Saved | None, str]:
        notices = []
        for path in () if self.path is None else (self.path, _previous(self.path)):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                notices.append(f"The checkpoint {path} cannot be read ({error.strerror or error}).")
                continue
            saved, wrong = _unpack(content, self.fingerprint)
            if saved is not None:
                self._newest_is_whole = path == self.path
                return saved, " ".join([*notices, f"Going on from {path.name}."] if notices else [])
            notices.append(f"The checkpoint {path.name} {wrong}.")
        return None, " ".join([*notices, "Starting anew."] if notices else [])


def fingerprint(job: TrainingJob, parameters: Sequence[Tensor], buffers: Sequence[Tensor], loss: object) -> str:
    """A hash of everything that the result follows from: data, members, recipe, initial weights, PyTorch's version."""
    digest = hashlib.sha256(f"{_VERSION} {torch.__version__} {loss if isinstance(loss, str) else 'own'}".encode())
    if isinstance(job.loss, Custom):
        digest.update(job.loss.says())
    recipe = {name: value for name, value in asdict(job.recipe).items() if name != "threads"}
    if callable(recipe["schedule"]):  # by what it says: functions have no lasting names
        recipe["schedule"] = [rate_factor(job.recipe, step / 256) for step in range(256)]
    digest.update(json.dumps(recipe, sort_keys=True).encode())
    if job.augment is not None:
        digest.update(job.augment.says.encode())
    digest.update(repr((job.layout.names, job.layout.shapes, job.layout.groups)).encode())
    for member in job.members:
        settings = {k: v for k, v in vars(member).items() if k not in ("train", "validation")}
        digest.update(json.dumps(settings, sort_keys=True, default=float).encode())
        for rows in (member.train, member.validation):
            digest.update(np.ascontiguousarray(rows, dtype=np.int64).tobytes() + b"|")
    for tensor, source in zip(job.inputs, job.sources, strict=True):
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        for block in (tensor,) if source is None else _used(job, source):
            digest.update(_bytes(block))
    for value in (job.targets, job.weights, *parameters, *buffers):
        if value is not None:
            digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
            digest.update(_bytes(value))
    return digest.hexdigest()


def _used(job: TrainingJob, source: FileSource) -> Iterator[Tensor]:
    """The rows that members learn from or are validated on, some at a time: of a large file that may be few."""
    used = np.zeros(len(source.tensor), dtype=bool)
    for member in job.members:
        used[member.train] = used[member.validation] = True
    rows = torch.from_numpy(np.flatnonzero(used))
    at_once = max(1, _BLOCK // (source.tensor.nbytes // len(source.tensor)))
    for some in torch.split(rows, at_once):
        block = torch.empty(len(some), *source.tensor.shape[1:], dtype=source.tensor.dtype)
        source.gather(some, block)
        yield block


def _pack(saved: Saved, fingerprint: str) -> bytes:
    from safetensors.torch import save

    tensors = {name: tensor.contiguous() for name, tensor in saved.tensors.items()}
    facts = json.dumps(saved.facts)  # losses may be NaN or infinite, which Python's JSON has names for
    header = {"facts": facts, "fingerprint": fingerprint, "sha256": _digest(tensors, facts)}
    return bytes(save(tensors, metadata=header))


def _unpack(content: bytes, fingerprint: str) -> tuple[Saved | None, str]:
    """What a file holds, or None and what is wrong with it."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        if header["fingerprint"] != fingerprint:
            return None, "belongs to another request"
        tensors = load(content)
        if header["sha256"] != _digest(tensors, header["facts"]):
            return None, "is damaged"
        return Saved(json.loads(header["facts"]), tensors), ""
    except (SafetensorError, ValueError, KeyError, TypeError, UnicodeDecodeError):
        return None, "is damaged"


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(_bytes(tensors[name]))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes | memoryview:
    if tensor.numel() == 0:
        return b""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")
