"""What the package exports is what it says it exports, and importing it is quick."""

import importlib
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import annvil

ROOMS = ["bundle", "cli", "comparison", "data", "explanation", "models", "networks", "preparation", "report", "run"]


def test_the_public_names_are_all_there():
    assert sorted(annvil.__all__) == annvil.__all__
    for name in annvil.__all__:
        assert getattr(annvil, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = annvil.nonsense


def members_of(path):
    """A public thing of ours and its public methods and properties, or those of a module, with their paths."""
    parts = path.split(".")
    cut = next(n for n in range(len(parts), 0, -1) if find_spec_of(".".join(parts[:n])))
    found = importlib.import_module(".".join(parts[:cut]))
    for part in parts[cut:]:
        found = getattr(found, part)
    own = vars(found).items() if inspect.ismodule(found) else ()
    things = {f"{path}.{n}": v for n, v in own if n[0] != "_" and getattr(v, "__module__", "") == path} or {path: found}
    for name, thing in things.items():
        yield name, thing
        for member in dir(thing) if inspect.isclass(thing) else ():
            static = inspect.getattr_static(thing, member)
            code = getattr(static, "fget", getattr(static, "func", getattr(static, "__func__", static)))
            if member[0] != "_" and callable(code) and getattr(code, "__module__", "").startswith("annvil"):
                yield f"{name}.{member}", getattr(thing, member)


def find_spec_of(name):
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:  # its parent is a class
        return None


def test_whatever_is_public_says_what_it_is():
    """All that the package exports and that the reference of the documentation names, methods and properties too."""
    named = re.findall(r"^::: (\S+)", Path("docs/api.md").read_text(), re.MULTILINE)
    exported = [f"annvil.{name}" for name in annvil.__all__ if name != "__version__"]
    assert len(named) > 30
    members = {name: thing for path in {*named, *exported} for name, thing in members_of(path)}
    assert len(members) > 150
    assert [name for name, thing in members.items() if not inspect.getdoc(thing)] == []


@pytest.mark.parametrize("room", [*ROOMS, "training"])
def test_every_room_exports_what_it_promises(room):
    module = importlib.import_module(f"annvil.{room}")
    for name in getattr(module, "__all__", []):
        assert getattr(module, name) is not None, name


@pytest.mark.parametrize("start", ["import annvil", "import annvil.cli.app", "import annvil.bundle; annvil.load"])
def test_starting_loads_no_training_library(start):
    program = f"import sys, json; {start}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"torch", "sklearn", "onnx", "scipy", "duckdb", "pandas", "polars"}
