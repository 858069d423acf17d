"""What is kept is whole, and comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annvil.comparison.results import Cost, FoldResult
from annvil.comparison.store import Outcome, ShippedCost, Store, finite_prefix, plain
from annvil.errors import DataError, RequestError


def a_result(job: str = "repeat-0-fold-0") -> FoldResult:
    return FoldResult(
        contender="net",
        job=job,
        repeat=0,
        fold=0,
        n_train=80,
        n_test=20,
        scores={"roc_auc": 0.1 + 0.2},
        inner_score=0.75,
        configuration={"depth": 2, "rate": 1e-3, "name": "ü"},
        summary="two layers",
        tried=({"what": "two layers", "score": None},),
        fit_seconds=1.5,
        core_seconds=2.5,
        n_parameters=100,
        history={"validation_loss": (1.0, 0.5)},
    )


def test_results_and_predictions_come_back_exactly(store_folder: Path) -> None:
    result, rows, outputs = a_result(), np.array([3, 1, 7]), np.random.default_rng(0).random((3, 2))
    Store(store_folder).keep_result(result, rows, outputs)
    again = Store(store_folder)
    assert again.result("net", "repeat-0-fold-0") == result
    kept_rows, kept_outputs = again.predictions("net", "repeat-0-fold-0")
    assert kept_rows.tolist() == rows.tolist()
    assert np.array_equal(kept_outputs, outputs)
    assert again.result("net", "repeat-0-fold-1") is None


def test_rungs_are_kept_apart(store_folder: Path) -> None:
    first, second = a_result(), replace(a_result(), rung=1, inner_score=0.9)
    store = Store(store_folder)
    for number, result in enumerate((first, second)):
        store.keep_result(result, np.array([number]), np.full((1, 2), number))
        store.keep_outcome("net", "repeat-0", Outcome("finished", f"rung {number}"), number)
    again = Store(store_folder)
    assert [again.result("net", "repeat-0-fold-0", rung) for rung in (0, 1, 2)] == [first, second, None]
    assert [again.predictions("net", "repeat-0-fold-0", rung)[0].tolist() for rung in (0, 1)] == [[0], [1]]
    assert again.outcome("net", "repeat-0", 1) == Outcome("finished", "rung 1")
    assert again.outcome("net", "repeat-0", 2) is None


def test_the_record_stands_only_where_its_predictions_do(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(store_folder)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_write", crash)
    with pytest.raises(KeyboardInterrupt):
        store.keep_result(a_result(), np.array([0]), np.zeros((1, 2)))
    assert Store(store_folder).result("net", "repeat-0-fold-0") is None
    assert (store_folder / "net" / "repeat-0-fold-0.safetensors").exists()


def test_costs_outcomes_and_graphs(store_folder: Path) -> None:
    store = Store(store_folder)
    assert store.cost("net") is None
    assert store.graph("net") is None
    assert store.outcome("net", "repeat-0") is None
    cost = ShippedCost(Cost(1.0, 2.0, 3, 4, latency_ms_p50=0.5), 1e-7)
    store.keep_cost("net", cost, b"graph")
    store.checkpoint("net", "repeat-0").mkdir(parents=True)
    store.keep_outcome("net", "repeat-0", Outcome("cut short", "time"))
    assert store.cost("net") == cost
    assert store.graph("net") == b"graph"
    assert store.outcome("net", "repeat-0") == Outcome("cut short", "time")
    assert not store.checkpoint("net", "repeat-0").exists()


def test_another_comparison_is_refused_by_what_differs(store_folder: Path) -> None:
    asked = {"the data": "abc", "the seed": 1, "the plan": {"sizes": (1, 2)}}
    Store(store_folder).open(asked)
    Store(store_folder).open(asked)
    with pytest.raises(RequestError, match=r"holds a comparison that differs in: the data, the seed\. Go on with"):
        Store(store_folder).open(asked | {"the data": "abd", "the seed": 2})


def test_damage_is_named(store_folder: Path) -> None:
    store = Store(store_folder)
    store.keep_result(a_result(), np.array([0]), np.zeros((1, 2)))
    path = store_folder / "net" / "repeat-0-fold-0.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"repeat-0-fold-0\.json is damaged .* Delete it to have that part done again"):
        Store(store_folder).result("net", "repeat-0-fold-0")
    Store(store_folder).open({"the seed": 1})
    (store_folder / "request.json").write_text("{")
    with pytest.raises(DataError, match=r"request\.json is damaged"):
        Store(store_folder).open({"the seed": 1})


def test_plain_values_are_json() -> None:
    value = {"a": np.float64(1.5), "b": (np.int64(2), float("nan")), "c": np.array([1.0, np.inf]), "d": True, 5: None}
    assert plain(value) == {"a": 1.5, "b": [2, None], "c": [1.0, None], "d": True, "5": None}
    json.dumps(plain(value), allow_nan=False)
    assert finite_prefix([1.0, 0.5, float("nan"), 0.2]) == (1.0, 0.5)


def test_nothing_is_pickled(store_folder: Path) -> None:
    store = Store(store_folder)
    store.keep_result(a_result(), np.array([0]), np.zeros((1, 2)))
    for path in store_folder.rglob("*"):
        if path.is_file():
            assert path.suffix in {".json", ".safetensors", ".onnx"}
