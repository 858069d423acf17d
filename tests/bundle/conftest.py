"""A model small enough to work out by hand, and the files it is saved in."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from annvil.bundle import export, load, save
from annvil.data.form import Form
from annvil.data.table import Field, Table, table_form, table_from_columns
from annvil.errors import BundleError
from annvil.kinds.pictures.form import PictureForm
from annvil.onnx.builder import ML, Graph, Value
from annvil.tasks.base import Task
from annvil.tasks.union import make_task

FIELDS = (Field("age", "number"), Field("city", "category"), Field("income", "number"))
FORM = table_form(FIELDS)
TASK = make_task("binary", "buys", ("no", "yes"), "two labels")


class Logistic:
    """p(yes) = sigmoid(0.1 age + 0.5 [Oslo] - 0.5 [Bergen] - 2); a missing age counts as 30, income is not used."""

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        age = graph.columns(numbers, [0])
        age = graph.op("Where", graph.op("IsNaN", age), graph.constant(np.float64(30)), age)
        city = graph.op(
            "LabelEncoder",
            graph.columns(texts, [0]),
            domain=ML,
            keys_strings=["Oslo", "Bergen"],
            values_floats=[0.5, -0.5],
            default_float=0.0,
        )
        logit = graph.op(
            "Sum", graph.op("Mul", age, graph.constant(0.1)), graph.cast(city, "float64"), graph.constant(-2.0)
        )
        yes = graph.op("Sigmoid", logit)
        return graph.concat([graph.op("Sub", graph.constant(1.0), yes), yes])


def by_hand(ages: list[float], cities: list[str | None]) -> np.ndarray:
    """What `Logistic` should say."""
    age = np.where(np.isnan(ages), 30.0, ages)
    logit = 0.1 * age + np.array([{"Oslo": 0.5, "Bergen": -0.5}.get(city or "", 0.0) for city in cities]) - 2
    yes = 1 / (1 + np.exp(-logit))
    return np.stack([1 - yes, yes], axis=1)


def rows() -> Table:
    """Five rows with everything that can happen: missing number, missing, known and unknown category."""
    return table_from_columns(
        [
            ("age", "number", [20, 50, float("nan"), 10, 25]),
            ("city", "category", ["Oslo", "Bergen", None, "Tromsø", "Oslo"]),
            ("income", "number", [1.0, 2.0, 3.0, 4.0, 5.0]),
        ]
    )


EXPECTED = by_hand([20, 50, float("nan"), 10, 25], ["Oslo", "Bergen", None, "Tromsø", "Oslo"])

INFO = {
    "contender": "linear",
    "title": "Logistic regression",
    "summary": "weight decay 0.1",
    "preparation": ["Missing ages became 30."],
    "data": {"name": "buyers.csv", "sha256": "ab" * 32, "n_bytes": 1234, "n_rows": 500, "n_columns": 4},
    "metric": "roc_auc",
    "scores": {"roc_auc": 0.91, "log_loss": 0.3},
    "spreads": {"roc_auc": 0.02, "log_loss": float("nan")},
    "parity": 1e-9,
    "parity_rows": 500,
}


@dataclass(frozen=True)
class Example:
    """The small model with everything a test needs of it."""

    graph: bytes
    weights: dict[str, np.ndarray]
    rows: Table
    expected: np.ndarray
    model: ClassVar = Logistic()
    form: Form = FORM
    task: Task = TASK

    def save(self, path: Path, **changes: Any) -> Path:
        """Save it, with some arguments changed."""
        described = {"form": self.form, "task": self.task, "info": INFO, "weights": self.weights, **changes}
        return save(path, described.pop("graph", self.graph), **described)

    def manifest(self, saved: Path) -> dict[str, Any]:
        """What the manifest of a saved folder says, without its seal."""
        manifest: dict[str, Any] = json.loads((saved / "manifest.json").read_bytes())
        del manifest["seal"]
        return manifest

    def with_manifest(self, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
        """Saved with a manifest that ``change`` edits or replaces; its seal is right, whatever it says."""
        path = self.save(folder / "model")
        manifest = self.manifest(path)
        changed = change(manifest)
        if not isinstance(changed, bytes):
            changed = json.dumps(manifest if changed is None else changed, indent=1).encode()
        seal = hashlib.sha256(changed[1:]).hexdigest().encode()
        (path / "manifest.json").write_bytes(b'{\n "seal": "' + seal + b'",' + changed[1:])
        return path

    def with_graph(self, folder: Path, graph: bytes) -> Path:
        """Saved with another graph, whose size and SHA-256 stand in the sealed manifest."""
        part = {"size": len(graph), "sha256": hashlib.sha256(graph).hexdigest()}
        path = self.with_manifest(folder, lambda manifest: manifest["parts"].update({"model.onnx": part}))
        (path / "model.onnx").write_bytes(graph)
        return path


@pytest.fixture(scope="session")
def example() -> Example:
    weights = {"members/0/weight": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7)}
    return Example(export(Logistic(), FORM, TASK), weights, rows(), EXPECTED)


class Brightness:
    """The mean of all values of a picture."""

    def write(self, graph: Graph, pixels: Value) -> Value:
        axes = graph.constant([1, 2, 3], "int64")
        mean = graph.op("ReduceMean", graph.cast(pixels, "float64"), axes, keepdims=0)
        return graph.op("Unsqueeze", mean, graph.constant([1], "int64"))


@pytest.fixture(scope="session")
def of_pictures() -> Example:
    """A model of pictures, which are all there is of it."""
    form, task = PictureForm(12, 16, 3, "crop"), make_task("regression", "brightness")
    nothing = np.empty(0)
    return Example(export(Brightness(), form, task), {}, rows(), nothing, form=form, task=task)


@pytest.fixture(params=["model", "model.zip"])
def saved(request: pytest.FixtureRequest, tmp_path: Path, example: Example) -> Path:
    """The example on disk, once as a folder and once as a zip file."""
    return example.save(tmp_path / request.param)


_EVENTS: list[tuple[str, Any]] = []
_watching = False


def _watch(event: str, arguments: Any) -> None:
    if _watching and event in ("pickle.find_class", "os.system", "subprocess.Popen", "open", "exec", "socket.connect"):
        _EVENTS.append((event, arguments))


sys.addaudithook(_watch)


@contextmanager
def _watched() -> Iterator[None]:
    """Notes what Python does meanwhile: unpickling, running, opening."""
    global _watching
    _EVENTS.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False


@pytest.fixture(scope="session")
def _imported(tmp_path_factory: pytest.TempPathFactory, example: Example) -> None:
    """Imports are done, so that what is opened later is opened because of the file."""
    import_module("encodings.cp437")  # names of members of old zip files
    load(example.save(tmp_path_factory.mktemp("warm") / "model"))


@pytest.fixture
def refuse(_imported: None) -> Callable[..., str]:
    """Loads a path that must be refused: in one sentence, soon, opening nothing but its parts, running nothing."""

    def refuse(path: Path, canary: Path) -> str:
        started = time.perf_counter()
        with _watched(), pytest.raises(BundleError) as refusal:
            load(path)
        seconds = time.perf_counter() - started
        message = str(refusal.value)
        assert 20 < len(message) < 700
        assert "\n" not in message
        assert message.endswith((".", "?"))
        assert not canary.exists()
        assert seconds < 20
        own = (path, *(path / part for part in ("manifest.json", "model.onnx", "weights.safetensors")))
        for event, arguments in _EVENTS:
            assert event == "open", (event, arguments)
            assert isinstance(arguments[0], int) or Path(os.fsdecode(arguments[0])) in own
        return message

    return refuse
