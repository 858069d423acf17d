"""Trained networks to go on from: what is known of one, and the folder it may lie in.

A start is an architecture in JSON and weights by name. It comes from a saved model, from a folder that `pretrain`
wrote, from the one that ships with Annvil, or from a backbone of somebody else's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.bundle.manifest import Part, decoded, describe_part, write_manifest
from annvil.errors import BundleError, first_line
from annvil.files import write_atomically

CARD, WEIGHTS = "start.json", "weights.safetensors"
FORMAT, VERSION = "annvil.start", 2

LARGEST_CARD, LARGEST_WEIGHTS = 1 << 20, 16 << 30
"""Bytes of a card and of weights (assumed: a few thousand, and some millions, are usual)."""

SHIPPED = Path(__file__).parents[3] / "networks" / "pretrained"


class Taught(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source that a network learnt from.

    ``sha256`` is that of the data set as read (`annvil.data.dataset.Source.sha256`), so that it is known again.
    """

    name: str
    sha256: str
    n_rows: int = 0
    n_classes: int = 0


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What lies in ``start.json``, below its seal: everything but the weights, their hash, and where they come from."""

    format: str = FORMAT
    version: int = VERSION
    architecture: dict[str, Any]
    weights: Part = Part(0, "0" * 64)  # of the file; `write_start` fills it in
    taught: tuple[Taught, ...] = ()
    command: str = ""
    seconds: float = 0.0
    epochs: int = 0
    accuracy: float | None = None  # on pictures held out from the pretraining


@dataclass(frozen=True, eq=False)
class Start:
    """A trained network to go on from.

    Attributes
    ----------
    name : for people, such as ``runs/flowers-1/model``
    architecture : JSON-able; ``architecture["kind"]`` says what builds it
    weights : arrays by name
    taught : the data it learnt from, as far as known
    is_default : whether it is the one that ships, which nobody asked for

    Raises
    ------
    BundleError
        When a weight is no finite number.
    """

    name: str
    architecture: Mapping[str, Any]
    weights: Mapping[str, NDArray[Any]]
    taught: Sequence[Taught] = field(default=())
    is_default: bool = False

    def __post_init__(self) -> None:
        for name, array in self.weights.items():
            if array.dtype.kind == "f" and not bool(np.isfinite(array).all()):
                raise BundleError(f"{self.name} is no network to start from: its {name} holds NaN or infinity.")

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digits that change with the architecture or any weight."""
        key = blake2b(json.dumps(self.architecture, sort_keys=True).encode(), digest_size=8)
        for name in sorted(self.weights):
            key.update(name.encode())
            key.update(np.ascontiguousarray(self.weights[name]).data)
        return key.hexdigest()

    def learnt_from(self, sha256: str) -> bool:
        """Whether the data set with this fingerprint is among those it learnt from."""
        return any(taught.sha256 == sha256 for taught in self.taught if sha256)


def is_start(path: Path) -> bool:
    """Whether a folder is one that `write_start` wrote."""
    return (path / CARD).is_file()


def write_start(path: Path, card: Card, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write the folder: the card, and the weights in half precision, which loses nothing that counts."""
    from safetensors.numpy import save

    path.mkdir(parents=True, exist_ok=True)
    small = save({name: np.ascontiguousarray(_halved(array)) for name, array in sorted(weights.items())})
    write_atomically(path / WEIGHTS, small)
    write_atomically(path / CARD, write_manifest(msgspec.structs.replace(card, weights=describe_part(small))))


def _halved(array: NDArray[Any]) -> NDArray[Any]:
    """float16 where the numbers fit; buffers of larger numbers and whole numbers stay as they are."""
    fits = array.dtype.kind == "f" and np.abs(array).max(initial=0.0) < 1e3
    return array.astype(np.float16) if fits else array


def read_start(path: Path, name: str | None = None, *, is_default: bool = False) -> Start:
    """The start in a folder that `write_start` wrote.

    Raises
    ------
    BundleError
        When a file is missing, was changed, or is not what Annvil writes, and when weights are no finite numbers.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        card = decoded(_read(path / CARD, LARGEST_CARD), str(path / CARD), _card)
        content = _read(path / WEIGHTS, LARGEST_WEIGHTS)
        if describe_part(content) != card.weights:
            raise BundleError(f"{path / WEIGHTS} is not the file that its card describes: it was changed or cut short.")
        weights = load(content)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"{path} holds no network to start from that can be read: {first_line(error)}. "
            "Name the model of a run, or a folder that annvil pretrain wrote."
        ) from None
    wide = {n: array.astype(np.float32) if array.dtype.kind == "f" else array for n, array in weights.items()}
    return Start(name or str(path), card.architecture, wide, card.taught, is_default)


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise BundleError(f"{path} is larger than what Annvil writes.")
    return content


def _card(body: bytes) -> Card:
    card = msgspec.json.decode(body, type=Card)
    if card.format != FORMAT or card.version != VERSION:
        raise BundleError("A network to start from comes from a later version of Annvil; upgrade annvil to use it.")
    return card


def shipped_start() -> Start:
    """The small network that ships with Annvil: ``annvil/networks/pretrained`` says what it learnt from."""
    return read_start(SHIPPED, "the small network that ships with Annvil", is_default=True)
