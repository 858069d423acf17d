"""Where additive networks begin: the penalised fit against finite differences, the network, and losses of PyTorch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import annvil
from annvil.data.table import Table
from annvil.models.networks.additive_building import build
from annvil.models.networks.additive_settings import AdditiveSettings, AdditiveSizes
from annvil.models.networks.additive_start import _Fit
from annvil.preparation.knots import KnotPreparation
from annvil.tasks.base import Task

pd = pytest.importorskip("pandas")
KINDS = {"number": 1, "two classes": 2, "three classes": 3}


def _sizes(kind: str) -> AdditiveSizes:
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"a": random.normal(size=90), "b": random.normal(size=90), "c": random.choice([*"xyz"], 90)})
    frame.loc[::9, "a"] = np.nan
    score = np.nan_to_num(frame["a"].to_numpy()) + frame["b"].to_numpy() ** 2 + (frame["c"] == "x")
    bounds = np.quantile(score, np.arange(1, KINDS[kind]) / KINDS[kind])
    frame["y"] = score if kind == "number" else [f"class {code}" for code in np.searchsorted(bounds, score)]
    dataset = annvil.read(frame, target="y")
    inputs: Table = dataset.inputs
    task: Task = dataset.task
    knots = KnotPreparation.fit(inputs, most=7, coarse=4)
    rows = np.arange(90)
    return AdditiveSizes(
        knots,
        *knots.place(inputs),
        np.asarray(dataset.y, dtype=np.float64),
        random.uniform(0.5, 2, 90),
        task,
        [(rows[:70], rows[70:])],
    )


@pytest.fixture(scope="module", params=KINDS)
def sizes(request: pytest.FixtureRequest) -> AdditiveSizes:
    """Ninety rows of two numbers, one with missing values, and a category."""
    return _sizes(request.param)


SETTINGS = AdditiveSettings(0, 0.01, 0.05, n_pairs=2)


@pytest.mark.parametrize("monotone", [(), (("b", -1),)])
def test_the_gradient_is_that_of_finite_differences(
    sizes: AdditiveSizes, monotone: tuple[tuple[str, int], ...]
) -> None:
    settings = replace(SETTINGS, monotone=monotone)
    fit = _Fit(build(sizes, settings, 0, 0), sizes, settings, 0)
    random = np.random.default_rng(0)
    at = fit.begin() + random.normal(size=len(fit.begin())) * 0.3
    _, gradient = fit.loss(at)
    for _ in range(5):
        way = random.normal(size=len(at))
        slope = (fit.loss(at + 1e-5 * way)[0] - fit.loss(at - 1e-5 * way)[0]) / 2e-5
        assert gradient @ way == pytest.approx(slope, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("monotone", [(), (("b", -1),)])
def test_the_fit_sees_what_the_network_says_of_the_rows(
    sizes: AdditiveSizes, monotone: tuple[tuple[str, int], ...]
) -> None:
    import torch

    settings = replace(SETTINGS, monotone=monotone)
    network = build(sizes, settings, 0, 0)
    fit, (train, _) = _Fit(network, sizes, settings, 0), sizes.splits[0]
    parts = [torch.from_numpy(part[train]) for where in (sizes.fine, sizes.coarse) for part in where]
    with torch.no_grad():
        said = network(parts[0], parts[1].float(), parts[2], parts[3].float())
    y, weights = torch.from_numpy(sizes.y[train]), torch.from_numpy(sizes.weights[train] / sizes.weights[train].sum())
    if sizes.task.predicts_probabilities:
        each = torch.nn.functional.cross_entropy(said, y.long(), reduction="none")
    else:
        each = (said[:, 0] - y) ** 2
    penalty = 0.5 * float(fit.decay @ fit.begin() ** 2)
    assert fit.loss(fit.begin())[0] - penalty == pytest.approx(float((each * weights).sum()), rel=1e-4)


def test_a_network_begins_near_the_least_penalised_loss(sizes: AdditiveSizes) -> None:
    fit = _Fit(build(sizes, SETTINGS, 0, 0), sizes, SETTINGS, 0)
    _, gradient = fit.loss(fit.begin())
    _, at_nothing = fit.loss(np.zeros_like(fit.begin()))
    assert np.linalg.norm(gradient) < 0.02 * np.linalg.norm(at_nothing)
