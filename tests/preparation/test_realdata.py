"""Every real table: prepared, written, and the same from the graph for rows that were not fitted on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from annvil.kinds.registry import read
from annvil.preparation import LinearPreparation, NetworkPreparation, TreePreparation

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif("ANNVIL_DATA" not in os.environ, reason="ANNVIL_DATA names no folder of real data sets"),
]


def tables():
    if "ANNVIL_DATA" not in os.environ:
        return []
    folder = Path(os.environ["ANNVIL_DATA"])
    entries = json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))["datasets"]
    chosen = [entry for entry in entries if entry["kind"] == "table"]
    return [pytest.param(folder / entry["path"], entry["target"], id=entry["name"]) for entry in chosen]


@pytest.mark.parametrize(("path", "target"), tables())
def test_real_tables(path, target, assert_graph_agrees):
    dataset = read(path, target=target)
    order = np.random.default_rng(0).permutation(dataset.n_rows)
    train, test = order[: min(dataset.n_rows // 2, 2000)], order[-300:]
    inputs = dataset.inputs.take(train)
    for kind in (LinearPreparation, NetworkPreparation, TreePreparation):
        fitted, prepared = kind.fit_transform(inputs, y=dataset.y[train], task=dataset.task)
        assert prepared.numbers.shape == (len(train), len(fitted.names))
        assert kind is TreePreparation or np.all(np.isfinite(prepared.numbers))
        assert_graph_agrees(fitted, dataset.inputs.take(test))
