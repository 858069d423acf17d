"""What is planted is found, and what is harmless is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from annvil.kinds.registry import audit, read

N, STEPS = 120, 40


def values(seed: int = 0, n: int = N) -> Any:
    """Two channels ``(n, 2, steps)`` that tell the answer by a faint slope only."""
    rng = np.random.default_rng(seed)
    X = np.cumsum(rng.normal(size=(n, 2, STEPS)), axis=2)
    X[::2, 0] += np.linspace(0, 6, STEPS)
    return X


def answers(n: int = N) -> Any:
    return np.arange(n) % 2


def found(X: Any, y: Any = None, **more: Any) -> dict[str, Any]:
    dataset = read((X, answers() if y is None else y), channels=["x", "y"], **more)
    return {finding.kind: finding for finding in audit(dataset)}


def test_harmless_series_are_left_alone():
    assert found(values()) == {}


def _constant(X: Any) -> None:
    X[:, 1] = 3.0


def _level(X: Any) -> None:
    X[:, 1] = np.random.default_rng(1).normal(size=(N, 1))


def _off(X: Any) -> None:
    X[5:12, 1] = 0.0


def _clipped(X: Any) -> None:
    np.clip(X, -3, None, out=X)


def _leak(X: Any) -> None:
    X[:, 1] = np.random.default_rng(1).normal(size=(N, STEPS))
    X[:, 1, -1] = answers() + np.random.default_rng(2).normal(size=N) / 100


def _copies(X: Any) -> None:
    X[7:20] = X[5]


def _gaps(X: Any) -> None:
    X[:, 1, 5:9] = np.nan


def _cut(X: Any) -> None:
    X[::2, :, 30:] = np.nan


def _unequal(X: Any) -> None:
    X[::7, :, 3:] = np.nan


@pytest.mark.parametrize(
    ("plant", "kind", "severity", "said"),
    [
        (_constant, "constant channels", "warning", "'y' never changes"),
        (_level, "channels that stand still", "info", "'y' stays the same within every series"),
        (_off, "series that stand still", "warning", "'y' in 7 of 120"),
        (_clipped, "clipped sensors", "warning", "smallest value, -3"),
        (_leak, "a channel gives the answer away", "serious", "The last value of 'y' alone tells"),
        (_copies, "identical series", "warning", "13 series are the same as another"),
        (_gaps, "missing values", "info", "5% of the values are missing, in 120 of 120"),
        (_cut, "lengths or gaps give the answer away", "warning", "the length of a series"),
        (_unequal, "very unequal lengths", "warning", "3 to 40 steps"),
    ],
)
def test_what_is_planted_is_found(plant, kind, severity, said):
    X = values()
    plant(X)
    findings = found(X)
    assert findings[kind].severity == severity
    assert said in findings[kind].what
    assert {one for one in findings if findings[one].severity == "serious"} <= {kind}


def test_values_that_often_reach_their_largest_are_not_clipped():
    """A count that is full at every fifth step stops nowhere: a clipped sensor stays at its limit."""
    X = values()
    X[:, 0, ::5] = 9.0
    assert "clipped sensors" not in found(X)


def test_few_and_unequal_classes():
    findings = found(values()[:40], np.array([0] * 36 + [1] * 4))
    assert {"few series", "few series per class", "imbalance"} <= set(findings)


def windows(n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    whole = [rng.normal(size=(2, 200)) for _ in range(n)]
    X = np.stack([one[:, at : at + 64] for one in whole for at in (0, 32, 64, 96)])
    return X, np.repeat(np.arange(n) % 2, 4)


def test_overlapping_windows_are_told():
    overlap = found(*windows(20))["overlapping windows"]
    assert overlap.severity == "info"
    assert "80 of 80 series overlap with another: they are windows of 20 recordings" in overlap.what
    whole = np.random.default_rng(0).normal(size=(2, 1000))
    X = np.stack([whole[:, at : at + 64] for at in range(0, 936, 16)])
    overlap = found(X, np.arange(len(X)) % 2)["overlapping windows"]
    assert overlap.severity == "serious"


@pytest.mark.parametrize("how", ["copies", "overlaps", "drift", "nothing"])
def test_the_official_test(tmp_path, how):
    X, y = windows(40)
    test = np.random.default_rng(5).normal(size=(40, 2, 64))
    if how == "copies":
        test[:10] = X[:10]
    elif how == "overlaps":
        test[:10, :, :40], test[:10, :, 40:] = X[:10, :, 24:], 0.5
    elif how == "drift":
        test[:, 1] += 3
    np.savez(tmp_path / "all.npz", X_train=X, y_train=y, X_test=test, y_test=np.arange(40) % 2)
    findings = {finding.kind: finding for finding in audit(read(tmp_path / "all.npz"))}
    kinds = {"copies": "test series seen in training", "overlaps": "test windows overlap with training"}
    kinds |= {"drift": "drift between training and test"}
    assert {kind for kind in kinds.values() if kind in findings} == {kinds[one] for one in (how,) if one in kinds}
    if how == "drift":
        assert "of 'channel 2' is larger there (ROC AUC 1.00)" in findings[kinds["drift"]].what
