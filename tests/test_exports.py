"""What the package exports is what it says it exports, and importing it is quick."""

import importlib
import json
import subprocess
import sys

import pytest

import annvil

ROOMS = ["bundle", "cli", "comparison", "data", "explanation", "models", "networks", "preparation", "report", "run"]


def test_the_public_names_are_all_there():
    assert sorted(annvil.__all__) == annvil.__all__
    for name in annvil.__all__:
        assert getattr(annvil, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = annvil.nonsense


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
