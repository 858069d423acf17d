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

from annvil.errors import BundleError
from annvil.files import write_atomically

CARD, WEIGHTS = "start.json", "weights.safetensors"
FORMAT = "annvil.start"

LARGEST_CARD = 1 << 20
"""Bytes of a card (assumed: a few thousand are usual)."""

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
    """What lies in ``start.json``: everything but the weights, and where they come from."""

    format: str = FORMAT
    version: int = 1
    architecture: dict[str, Any]
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
    """

    name: str
    architecture: Mapping[str, Any]
    weights: Mapping[str, NDArray[Any]]
    taught: Sequence[Taught] = field(default=())
    is_default: bool = False

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
    small = {name: np.ascontiguousarray(_halved(array)) for name, array in sorted(weights.items())}
    write_atomically(path / WEIGHTS, save(small))
    write_atomically(path / CARD, msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")


def _halved(array: NDArray[Any]) -> NDArray[Any]:
    """float16 where the numbers fit; buffers of larger numbers and whole numbers stay as they are."""
    fits = array.dtype.kind == "f" and np.abs(array).max(initial=0.0) < 1e3
    return array.astype(np.float16) if fits else array


def read_start(path: Path, name: str | None = None, *, is_default: bool = False) -> Start:
    """The start in a folder that `write_start` wrote.

    Raises
    ------
    BundleError
        When a file is missing or is not what Annvil writes.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = (path / CARD).read_bytes()
        if len(content) > LARGEST_CARD:
            raise BundleError(f"{path / CARD} is too large to be the card of a network.")
        card = msgspec.json.decode(content, type=Card)
        weights = load((path / WEIGHTS).read_bytes())
    except (OSError, msgspec.MsgspecError, SafetensorError) as error:
        raise BundleError(
            f"{path} holds no network to start from that can be read: {str(error).splitlines()[0]}. "
            "Name the model of a run, or a folder that annvil pretrain wrote."
        ) from None
    if card.format != FORMAT or card.version != 1:
        raise BundleError(f"{path / CARD} comes from a later version of Annvil; upgrade annvil to use it.")
    wide = {n: array.astype(np.float32) if array.dtype.kind == "f" else array for n, array in weights.items()}
    return Start(name or str(path), card.architecture, wide, card.taught, is_default)


def shipped_start() -> Start:
    """The small network that ships with Annvil: ``annvil/networks/pretrained`` says what it learnt from."""
    return read_start(SHIPPED, "the small network that ships with Annvil", is_default=True)
