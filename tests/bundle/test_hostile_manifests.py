"""Manifests whose seal is right and whose words are wrong: strict types and consistency must refuse them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annvil.bundle import load
from annvil.errors import BundleError

Build = Callable[[Path, Any], Path]
CASES: dict[str, Build] = {}


# Manifests whose seal is right ----------------------------------------------------------------------------------------


def _lies(name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    CASES[f"a manifest {name}"] = lambda folder, example: example.with_manifest(folder, change)


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: Any) -> None:
        for step in path[:-1]:
            manifest = manifest[step]
        manifest[path[-1]] = to

    return change


for where in (
    ("format",), ("format_version",), ("created_by",), ("form",), ("form", "kind"), ("form", "fields"),
    ("form", "fields", 0), ("form", "fields", 0, "name"), ("form", "fields", 0, "kind"), ("form", "missing"),
    ("task",), ("task", "kind"), ("task", "target"), ("task", "classes"), ("task", "classes", 0),
    ("info",), ("info", "scores"), ("info", "threshold"), ("info", "preparation"), ("info", "data"), ("parts",),
    ("parts", "model.onnx"), ("parts", "model.onnx", "size"), ("parts", "model.onnx", "sha256"),
):  # fmt: skip
    for wrong in (None, -1, 3.5, "x", [], {}, [[]], {"x": 1}, True):
        fits = {
            "created_by": wrong == "x",
            "target": wrong == "x",
            "name": wrong == "x",
            "threshold": wrong is None,
            "scores": wrong in ({}, {"x": 1}),
            "preparation": wrong == [],
            "missing": wrong == [],
            "info": wrong == {},
            "data": wrong == {},
        }
        classes = where[-1] == 0 and where[0] == "task" and isinstance(wrong, str | int | float)
        if not fits.get(str(where[-1]), False) and not classes:
            _lies(f"with {wrong!r} for {'.'.join(map(str, where))}", _set(*where, to=wrong))

_lies("with an unknown field", _set("run_on_load", to="import os"))
_lies("with an unknown field in a part", _set("parts", "model.onnx", "url", to="http://localhost/x"))
_lies("with an unknown field in its task", _set("task", "loader", to="pickle"))
_lies("with an unknown field in its words", _set("info", "hook", to="os.system"))
_lies("from the future", _set("format_version", to=7))
_lies(
    "from the far future with other fields",
    lambda m: {"format": "annvil.bundle", "format_version": 9, "created_by": "annvil 9"},
)
_lies("of another format", _set("format", to="somebody.else"))
_lies("of format 0", _set("format_version", to=0))
_lies("with a number beyond all bounds", _set("format_version", to=10**400))
_lies("with a part above it", _set("parts", "../model.onnx", to={"size": 0, "sha256": "0" * 64}))
_lies("with an absolute part", _set("parts", "/etc/passwd", to={"size": 0, "sha256": "0" * 64}))
_lies("with itself as a part", _set("parts", "manifest.json", to={"size": 0, "sha256": "0" * 64}))
_lies("with a pickle as a part", _set("parts", "model.pkl", to={"size": 0, "sha256": "0" * 64}))
_lies("without parts", _set("parts", to={}))
_lies("with a part of 16 EiB", _set("parts", "model.onnx", "size", to=(1 << 63) - 1))
_lies(
    "with a SHA-256 in capitals",
    lambda m: m["parts"]["model.onnx"].update(sha256=m["parts"]["model.onnx"]["sha256"].upper()),
)
_lies("with an MD5", _set("parts", "model.onnx", "sha256", to="0" * 32))
_lies("with the wrong SHA-256", _set("parts", "model.onnx", "sha256", to="0" * 64))
_lies("with a threshold above 1", _set("info", "threshold", to=1.5))
_lies(
    "with a threshold for a number",
    lambda m: (m["task"].update(kind="regression", classes=[]), m["info"].update(threshold=0.5))[0],
)
_lies("with several thresholds for two classes", _set("info", "threshold", to=[0.5, 0.5]))
_lies(
    "with a threshold too few for its labels",
    lambda m: (m["task"].update(kind="multilabel"), m["info"].update(threshold=[0.5]))[0],
)
_lies(
    "with one threshold for several labels",
    lambda m: (m["task"].update(kind="multilabel"), m["info"].update(threshold=0.5))[0],
)
_lies("with one label", lambda m: m["task"].update(kind="multilabel", classes=["yes"]))
_lies("with one class", _set("task", "classes", to=["yes"]))
_lies("with three classes for two", _set("task", "classes", to=["a", "b", "c"]))
_lies("with a class twice", _set("task", "classes", to=["yes", "yes"]))
_lies("with a column twice", lambda m: m["form"]["fields"][1].update(name="age"))
_lies("with a column more than the graph", lambda m: m["form"]["fields"].append({"name": "extra", "kind": "number"}))
_lies("with a column of another kind than the graph", _set("form", "fields", 0, "kind", to="category"))
_lies("with more classes than the graph", lambda m: m["task"].update(kind="multiclass", classes=["a", "b", "c"]))
_lies("that is a list", lambda m: b"[" + b"1," * 10 + b"1]")
_lies("100 000 levels deep", lambda m: b'{"form": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
_lies("with NaN as a number", lambda m: json.dumps({**m, "format_version": float("nan")}).encode())
_lies("that is no UTF-8", lambda m: json.dumps(m).encode().replace(b"buys", b"\xff\xfe"))
_lies("with a lone surrogate", lambda m: json.dumps(m).encode().replace(b"buys", b"\\ud800"))
_lies("followed by another", lambda m: json.dumps(m).encode() + b"{}")
_lies("that is not finished", lambda m: json.dumps(m).encode()[:-1])


def _without_a_seal(folder: Path, example: Any) -> Path:
    path = example.save(folder / "model")
    (path / "manifest.json").write_text(json.dumps(example.manifest(path)))
    return path


def _with_another_seal(folder: Path, example: Any) -> Path:
    path = example.save(folder / "model")
    content = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(content.replace("Logistic", "Lexicon"))
    return path


CASES |= {"a manifest without a seal": _without_a_seal, "a manifest with another seal": _with_another_seal}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(name, tmp_path, example, refuse):
    refuse(CASES[name](tmp_path, example), canary=tmp_path / "canary")


def test_there_are_many():
    assert len(CASES) >= 100


def test_a_model_from_the_future_is_named(tmp_path, example):
    path = example.with_manifest(tmp_path, lambda m: {**m, "format_version": 7, "created_by": "annvil 3.1"})
    with pytest.raises(BundleError, match=r"format 7, written by 'annvil 3\.1'.*Upgrade annvil"):
        load(path)


def test_the_seals_that_these_tests_make_are_accepted(tmp_path, example):
    """Or else every case above could be refused for its seal alone."""
    load(example.with_manifest(tmp_path, lambda m: None))


def _other_kind(manifest: dict[str, Any]) -> None:
    manifest["form"] = {"kind": "smells", "sniffs": 3}


def test_a_kind_that_is_not_installed_is_named(tmp_path, example):
    path = example.with_manifest(tmp_path, _other_kind)
    with pytest.raises(
        BundleError, match=r"kind of data 'smells' is not installed: there are .*pictures.*tables\. Install"
    ):
        load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 0}, "`int` >= 1"),
        ({"width": (1 << 14) + 1}, "`int` <= 16384"),
        ({"height": 10**30}, "form"),
        ({"height": 6.5}, "of its form: Expected `int`, got `float` - at `$.height`"),
        ({"channels": 2}, "1 or 3 channels"),
        ({"channels": 1}, "inputs and output of its manifest"),
        ({"fit": "stretch"}, "`$.fit`"),
        ({"column": 3}, "`$.column`"),
        ({"loader": "os"}, "loader"),
        ({"kind": "tables"}, "form"),
        ({"kind": None}, "names its kind"),
        ({"kind": "../pictures"}, "not installed"),
        ({"kind": "x" * 10_000}, "not installed"),
    ],
)
def test_a_form_of_pictures_that_is_none_is_refused(changes, message, tmp_path, of_pictures):
    path = of_pictures.with_manifest(tmp_path, lambda manifest: manifest["form"].update(changes))
    with pytest.raises(BundleError, match=re.escape(message)) as refused:
        load(path)
    assert len(str(refused.value)) < 600 + len(str(tmp_path))


def test_the_form_of_pictures_itself_is_accepted(tmp_path, of_pictures):
    assert load(of_pictures.save(tmp_path / "model")).form == of_pictures.form
