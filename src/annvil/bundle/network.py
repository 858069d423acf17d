"""One's own network, saved: what `annvil.train(...).save(path)` writes and `annvil.load` reads, without PyTorch.

The folder has the parts of every saved model, read with the same suspicion; its manifest says what a network takes and
gives, rather than what columns a table has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.bundle.manifest import (
    GRAPH,
    MANIFEST,
    WEIGHTS,
    Manifest,
    Part,
    decoded,
    described,
    read_manifest,
    write_manifest,
)
from annvil.bundle.predictor import Predictor
from annvil.bundle.saving import contents
from annvil.bundle.sessions import onnx_type, session_of
from annvil.bundle.storage import opened, write_folder
from annvil.errors import BundleError, DataError, RequestError
from annvil.onnx.validation.inference import rows_at_once
from annvil.tasks.base import Label

FORMAT = "annvil.network"
FORMAT_VERSION = 1

BLOCK_VALUES = 1 << 20
"""Numbers given to the graph at once (assumed: some MB, and tens of MB inside wide networks)."""

Kind = Literal["classes", "binary", "multi-label", "positions", "numbers", "as given"]
Size = Annotated[int, msgspec.Meta(ge=0)]


class InputRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input: the name of the argument, the type of its numbers, the shape of a row."""

    name: str
    dtype: Literal["float32", "int64", "uint8"]
    shape: tuple[Size, ...]


_FIELDS = InputRecord.__struct_fields__


class NetworkManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything about a saved network but its numbers; ``kind`` and ``labels`` are what its outputs stand for."""

    format: Literal["annvil.network"] = "annvil.network"
    format_version: int = FORMAT_VERSION
    created_by: str
    inputs: tuple[InputRecord, ...]
    kind: Kind
    labels: tuple[Label, ...] = ()
    is_flat: bool = False
    parts: dict[str, Part]


class NetworkPredictor:
    """A network loaded from a folder. Safe to use from several threads at once.

    Attributes
    ----------
    manifest : what it takes and gives; ``manifest.labels`` is the order of the columns of `predict_proba`
    """

    def __init__(self, graph: bytes, manifest: NetworkManifest) -> None:
        self.manifest = manifest
        self._session, checked = session_of(graph)
        numbers = sum(prod(record.shape) for record in manifest.inputs)
        self._block_rows = rows_at_once(checked, max(16, BLOCK_VALUES // max(numbers, 1)))
        names = [value.name for value in self._session.get_outputs()]
        inputs = [(value.name, value.type, tuple(value.shape[1:])) for value in self._session.get_inputs()]
        said = [(one.name, onnx_type(one.dtype), one.shape) for one in manifest.inputs]
        if inputs != said or names != ["output", "probability"][: 1 + self._has_probabilities]:
            raise BundleError("The saved network is refused: its graph is not that of its manifest.")

    @property
    def _has_probabilities(self) -> bool:
        return self.manifest.kind in ("classes", "binary", "multi-label", "positions")

    def outputs(self, X: Any) -> NDArray[np.float32]:
        """What the network itself gives, float32, rows first.

        Parameters
        ----------
        X : an array of rows as in training; several inputs as a tuple, or a dict by name

        Raises
        ------
        DataError
            When rows are not like those of training.
        """
        return self._run("output", X)

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Probabilities in the order of ``manifest.labels``; of several labels, one for each. ``X`` as in `outputs`.

        Raises
        ------
        RequestError
            Where what was learnt are no classes.
        """
        if not self._has_probabilities:
            raise RequestError(f"Probabilities need classes; what this network learnt is {self.manifest.kind}.")
        return self._run("probability", X)

    def predict(self, X: Any) -> NDArray[Any]:
        """In the user's terms: labels where there are classes, 0 and 1 for several labels, numbers otherwise."""
        kind, labels = self.manifest.kind, self.manifest.labels
        if not self._has_probabilities:
            values = self.outputs(X)
            return values.reshape(len(values), -1).mean(1) if self.manifest.is_flat and values.ndim > 1 else values
        shares = self.predict_proba(X)
        if kind == "multi-label":
            return (shares >= 0.5).astype(np.int64)
        if kind == "positions":
            return np.asarray(shares.argmax(-1))
        types = {type(label) for label in labels}
        of_labels: NDArray[Any] = np.array(labels, dtype=None if len(types) == 1 else object)[shares.argmax(1)]
        return of_labels

    def _run(self, output: str, X: Any) -> NDArray[np.float32]:
        feeds = self._feeds(X)
        n_rows = len(next(iter(feeds.values())))
        step, parts = self._block_rows, []
        for start in range(0, n_rows, step):
            block = {name: array[start : start + step] for name, array in feeds.items()}
            try:
                parts.append(self._session.run([output], block)[0])
            except Exception as error:
                raise BundleError(f"The saved network failed on {n_rows} rows: {error}.") from error
        return np.concatenate(parts)

    def _feeds(self, X: Any) -> dict[str, NDArray[Any]]:
        records = self.manifest.inputs
        names = [record.name for record in records]
        if isinstance(X, Mapping):
            if set(X) != set(names):
                raise DataError(f"X has the inputs {', '.join(map(str, X))}; the network takes {', '.join(names)}.")
            given = [X[name] for name in names]
        else:
            given = list(X) if isinstance(X, tuple) else [X]
        if len(given) != len(records):
            raise DataError(f"X has {len(given)} inputs; the network takes {len(records)}: {', '.join(names)}.")
        feeds = {record.name: _array(one, record) for record, one in zip(records, given, strict=True)}
        if len({len(array) for array in feeds.values()}) > 1 or not len(next(iter(feeds.values()))):
            raise DataError("X has no rows, or its inputs have unlike numbers of them.")
        return feeds


def _array(given: Any, record: InputRecord) -> NDArray[Any]:
    try:
        array = np.asarray(given)
        same = array if array.dtype == record.dtype else array.astype(record.dtype, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise DataError(f"The input {record.name} cannot be read as {record.dtype}: {error}.") from None
    if array.shape[1:] != record.shape or array.ndim != 1 + len(record.shape):
        raise DataError(
            f"Rows of {record.name} have shape {array.shape[1:]}; the network learnt from rows of {record.shape}."
        )
    return np.ascontiguousarray(same)


def save_network(
    path: Path,
    graph: bytes,
    *,
    inputs: Sequence[tuple[str, str, tuple[int, ...]]],
    kind: str,
    labels: Sequence[Any],
    is_flat: bool,
    weights: Mapping[str, NDArray[Any]],
) -> Path:
    """Write the folder, all of it or nothing; a saved model that lies there is replaced.

    Raises
    ------
    BundleError
        When the graph uses what loading would refuse.
    RequestError, MachineError
        When something that is no saved model is in the way; when it cannot be written.
    """
    parts = contents(graph, weights)
    manifest = NetworkManifest(
        created_by=f"annvil {version('annvil')}",
        inputs=tuple(msgspec.convert(dict(zip(_FIELDS, one, strict=True)), InputRecord) for one in inputs),
        kind=cast(Kind, kind),
        labels=tuple(label.item() if isinstance(label, np.generic) else label for label in labels),
        is_flat=is_flat,
        parts=described(parts),
    )
    write_folder(path, {MANIFEST: write_manifest(manifest), **parts})
    return path


def load(path: str | Path) -> Predictor | NetworkPredictor:
    """The model saved at ``path``: of a run, or a network of one's own. Runs no code from it, needs no PyTorch.

    Raises
    ------
    BundleError
        When there is no saved model, when it is damaged or hostile, or comes from a later version.
    """
    parts, manifest = opened(path, _manifest)
    return Predictor(parts, manifest) if isinstance(manifest, Manifest) else NetworkPredictor(parts[GRAPH], manifest)


def _manifest(content: bytes, where: str) -> Manifest | NetworkManifest:
    if b'"format": "annvil.network"' not in content[:200]:  # it stands behind the seal, of 80 bytes
        return read_manifest(content, where)
    found = decoded(content, where, lambda body: msgspec.json.decode(body, type=NetworkManifest))
    if found.format_version != FORMAT_VERSION or set(found.parts) != {GRAPH, WEIGHTS}:
        raise BundleError(f"{where} was written by {found.created_by[:60]!r}. Upgrade annvil to load it.")
    return found
