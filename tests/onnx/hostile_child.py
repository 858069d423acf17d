"""Graphs of strangers in a process of their own, with limits on memory and processor: what became of each, as JSON.

`python hostile_child.py FILE…`: for every graph "refused: …", "failed: …" or "ran"; nothing else may happen.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np

from annvil.bundle.sessions import session_of
from annvil.errors import BundleError

GIBIBYTES = 5  # two are the most that a graph may hold


def outcome(content: bytes) -> str:
    try:
        session, _ = session_of(content, 1)
    except BundleError as error:
        return f"refused: {error}"
    try:
        for n_rows in (1, 3):
            feeds = {}
            for value in session.get_inputs():
                sizes = [n_rows, *(size if isinstance(size, int) else 4 for size in value.shape[1:])]
                kinds = {"tensor(string)": "U", "tensor(double)": "f8", "tensor(float)": "f4", "tensor(int64)": "i8"}
                feeds[value.name] = np.full(sizes, "a" if value.type == "tensor(string)" else 0.0, kinds[value.type])
            session.run(None, feeds)
    except Exception as error:
        return f"failed: {type(error).__name__}"
    return "ran"


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (GIBIBYTES << 30, GIBIBYTES << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    for path in sys.argv[1:]:
        print(json.dumps([path, outcome(Path(path).read_bytes())]), flush=True)
