"""Nothing is told to anybody: no look-up of a name, no connection, no file of others in the user's home."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import annvil

PROGRAM = """
import sys

asked = []
sys.addaudithook(lambda event, _: asked.append(event) if event.startswith("socket.") else None)

import annvil

for budget in 5, 20, 80:  # a busy machine refuses what a quiet one keeps
    try:
        run = annvil.fit("table.csv", target="y", budget=budget, out="runs")
        break
    except annvil.errors.RequestError as refused:
        print(refused)
run.model.predict({"a": 1, "b": 2})
annvil.run.write_report(run.folder)

from pathlib import Path

import numpy as np
from PIL import Image

from annvil.bundle import export, load, save
from annvil.data.plugins import kind_named
from annvil.kinds.pictures.form import PictureForm
from annvil.run.doctor import examine
from annvil.tasks.union import make_task


class Light:
    def write(self, graph, pixels):
        light = graph.op("ReduceMean", graph.cast(pixels, "float32"), graph.constant([1, 2]), keepdims=0)
        light = graph.op("Div", light, graph.constant(np.float32(255)))
        return graph.concat([graph.op("Sub", graph.constant(np.float32(1)), light), light])


form, task = PictureForm(16, 16, 1, "crop"), make_task("binary", "label", ("dark", "light"))
save(Path("light"), export(Light(), form, task), form=form, task=task, info={"title": "Light"})
Image.fromarray(np.full((16, 16), 20, np.uint8)).save("dark.png")
load(Path("light")).predict("dark.png")
kind_named("pictures").explain(Path("light"), "dark.png").png()
examine()
assert not asked, asked
"""


def test_one_place_loads_onnxruntime() -> None:
    """The others ask it, so that nobody imports it before its telemetry is off."""
    source = Path(annvil.__file__).parent
    found = set()
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "__import__"):
                names += [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            if any(name.split(".")[0] == "onnxruntime" for name in names):
                found.add(path.relative_to(source).as_posix())
    assert found == {"system/onnx_runtime.py"}


def test_whatever_is_done_asks_nobody_and_leaves_nothing_of_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    unset = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    surroundings = {name: value for name, value in os.environ.items() if name not in unset}
    surroundings |= {"HOME": str(home), "USERPROFILE": str(home)}
    rows = [f"{k % 7},{(k * k) % 11},{int((k % 7) * 2 > (k * k) % 11)}" for k in range(80)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert {name for name in kept if not name.startswith(".cache/annvil/")} == set()
