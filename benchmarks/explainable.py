"""Explainable networks on data whose truth is known: six scenarios, and whether planted projections are found.

    python benchmarks/explainable.py scenarios [--seeds 0 1] [--only S1] [--rows 10000] [--whole-fit 60s] [--json FILE]
    python benchmarks/explainable.py recovery [--seeds 0 … 9] [--json FILE]

The scenarios are those of Yang, Zhang & Sudjianto (arXiv 1901.03838): ten features, each pair correlated by .5, noise
of variance 1, a test set of 10,000 rows. Numbers are drawn in the order of the authors' own generator, so that seed 0
of S1 is the very data of their saved results (best of 25 fits: .9894; the noise of that test set has a mean square of
.9816).
Every model learns from the same rows; "noise" is the mean square of the noise in that test set, below which no model
gets but by luck. "interactions" says whether the index network beats a spline additive model by more than two standard
errors of the paired difference, so that main effects do not suffice. `--whole-fit` runs `annvil fit --explainable` too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import annvil
from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import Column, Field, Table
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Effort, Job
from annvil.models.ladder import ALL
from annvil.models.linear import Linear
from annvil.models.networks.ridge_functions import Ridges, Rows, fit_ridges
from annvil.models.spline_additive import SplineAdditive
from annvil.tasks.union import make_task

N_TEST, N_FEATURES = 10_000, 10
S1_DIRECTIONS = [{0: 1.0}, {1: 1.0}, {2: 0.5, 3: 0.5}, {4: 0.2, 5: 0.3, 6: 0.5}]
S1_SHAPES: list[Callable[[Any], Any]] = [
    lambda z: 2 * z,
    lambda z: 0.2 * np.exp(-4 * z),
    lambda z: 3 * z**2,
    lambda z: 2.5 * np.sin(np.pi * z),
]


def s1(x: Any) -> Any:
    """Additive in orthogonal projections."""
    sums = [sum(weight * x[:, place] for place, weight in one.items()) for one in S1_DIRECTIONS]
    return sum(shape(z) for shape, z in zip(S1_SHAPES, sums, strict=True))


def s2(x: Any) -> Any:
    """Additive in projections that are nearly orthogonal."""
    a, b, c = (0.9 * x[:, j] + 0.1 * x[:, j + 1] for j in range(3))
    return 3 + 0.5 * a - 4 * np.exp(-(b**2)) + 4 * np.sin(np.pi * c) / (2 - np.sin(np.pi * c))


def s3(x: Any) -> Any:
    """Products."""
    return 2 * np.tanh(x[:, 0] * x[:, 1] + 2 * x[:, 2] * x[:, 3])


def s4(x: Any) -> Any:
    """A product of functions."""
    return 3 * np.pi ** (x[:, 0] * x[:, 1]) * np.sqrt(2 * (x[:, 2] + 1))


def s5(x: Any) -> Any:
    """A ratio of projections."""
    b, c = 0.5 * x[:, 2:6].sum(axis=1), 0.5 * (x[:, 2] - x[:, 3] + x[:, 4] - x[:, 5])
    return x[:, 0] - x[:, 1] + 4 * b / (0.5 + (1.5 + c) ** 2)


def s6(x: Any) -> Any:
    """A product of functions of projections."""
    return np.exp(0.5 * (x[:, 1] + x[:, 2] - x[:, 3])) * np.sin(np.pi * (-0.5 * x[:, 0] + x[:, 2] + 0.5 * x[:, 3]))


SCENARIOS = {"S1": s1, "S2": s2, "S3": s3, "S4": s4, "S5": s5, "S6": s6}


def drawn(scenario: str, n_rows: int, seed: int) -> tuple[Any, Any, Any, Any, float]:
    """Training rows and targets, test rows and targets, and the mean square of the noise of the test set."""
    from sklearn.model_selection import train_test_split

    random, n = np.random.RandomState(seed), n_rows + N_TEST
    common = random.uniform(-1, 1, (n, 1))
    x = np.concatenate([(random.uniform(-1, 1, (n, 1)) + common) / 2 for _ in range(N_FEATURES)], axis=1)
    noise = random.normal(0, 1, (n, 1))[:, 0]
    y = SCENARIOS[scenario](x) + noise
    train, test = train_test_split(np.arange(n), test_size=N_TEST, random_state=seed)
    return x[train], y[train], x[test], y[test], float(np.mean(noise[test] ** 2))


def by_contender(contender: Contender) -> Callable[..., Any]:
    """What a contender with all its candidates on a holdout predicts for test rows."""

    def predictions(x: Any, y: Any, x_test: Any, seed: int) -> Any:
        n = len(y)
        dealt = np.random.default_rng(seed).permutation(n) % 5
        job = Job("fit", np.arange(n), (Split(np.flatnonzero(dealt), np.flatnonzero(dealt == 0)),), seed)
        dataset = Dataset(_table(x), y, make_task("regression", "y"), np.arange(n))
        (fitted,) = contender.fit(dataset, [job], Effort(ALL), Context())
        return fitted.predict(_table(x_test))[:, 0]

    return predictions


def _table(x: Any) -> Table:
    columns = [Column(Field(f"x{j}", "number"), np.ascontiguousarray(x[:, j])) for j in range(x.shape[1])]
    return Table(tuple(columns), len(x))


def by_estimator(estimator: Any) -> Callable[..., Any]:
    """What an estimator at its defaults predicts."""
    return lambda x, y, x_test, seed: estimator(random_state=seed).fit(x, y).predict(x_test)


MODELS: dict[str, Callable[..., Any]] = {
    "index": by_estimator(annvil.IndexRegressor),
    "additive": by_estimator(annvil.AdditiveRegressor),
    "dense": by_estimator(annvil.MLPRegressor),
    "splines": by_contender(SplineAdditive()),
    "linear": by_contender(Linear()),
}
"""Index network, additive network with pairs, plain dense networks, the spline additive model, ridge regression."""


def whole_fit(budget: str) -> Callable[..., Any]:
    """What `annvil fit --explainable` recommends, and predicts from its saved model."""

    def predictions(x: Any, y: Any, x_test: Any, seed: int) -> Any:
        names = [f"x{j + 1}" for j in range(x.shape[1])]
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "rows.csv"
            rows = np.column_stack([x, y])
            np.savetxt(source, rows, delimiter=",", header=",".join([*names, "y"]), comments="", fmt="%.17g")
            run = annvil.fit(source, target="y", budget=budget, explainable=True, seed=seed, out=Path(folder) / "run")
            return np.asarray(run.model.predict(x_test)).reshape(len(x_test), -1)[:, 0].astype(np.float64)

    return predictions


def scenarios(seeds: list[int], only: list[str], n_rows: int, budget: str | None) -> list[dict[str, Any]]:
    """Test MSE and seconds of every model on every scenario."""
    models = MODELS | ({"whole fit": whole_fit(budget)} if budget else {})
    print("scenario  seed    noise " + "".join(f"{name:>10} {'s':>6}" for name in models) + "  interactions")
    found = []
    for scenario in only:
        for seed in seeds:
            x, y, x_test, y_test, floor = drawn(scenario, n_rows, seed)
            line: dict[str, Any] = {"scenario": scenario, "seed": seed, "rows": n_rows, "noise": floor}
            squares = {}
            for name, predictions in models.items():
                begun = time.perf_counter()
                squares[name] = (predictions(x, y, x_test, seed) - y_test) ** 2
                line[name] = {"mse": float(squares[name].mean()), "seconds": time.perf_counter() - begun}
            behind = squares["splines"] - squares["index"]
            line["interactions"] = bool(behind.mean() > 2 * behind.std() / np.sqrt(N_TEST))
            found.append(line)
            told = "".join(f"{line[name]['mse']:10.4f} {line[name]['seconds']:6.1f}" for name in models)
            print(
                f"{scenario:8} {seed:5} {floor:8.4f} {told}  {'needed' if line['interactions'] else 'no'}", flush=True
            )
    for scenario in only:
        lines = [line for line in found if line["scenario"] == scenario]
        medians = "".join(f"{np.median([line[name]['mse'] for line in lines]):10.4f} {'':6}" for name in models)
        print(f"{scenario:8} {'median':>5} {np.median([line['noise'] for line in lines]):7.4f} {medians}")
    return found


def recovery(seeds: list[int], n_rows: int) -> list[dict[str, Any]]:
    """For every true projection of S1 the cosine with the best match, and the correlation of the two shapes.

    Also what the test MSE has above the noise, beside that of a fit which knows the true projections and learns shapes.
    """
    found = []
    for seed in seeds:
        x, y, x_test, y_test, noise = drawn("S1", n_rows, seed)
        model = annvil.IndexRegressor(random_state=seed).fit(x, y)
        (bag,) = model.fitted_.members
        network, (numbers,) = bag.network, bag.preparation.transform(_table(x_test))
        shapes = network.contributions(numbers.double()).detach().numpy()[:, : network.directions.shape[1], 0]
        sizes = shapes.std(axis=0) / shapes.std(axis=0).sum()
        places = [int(feature.source[1:]) for feature in bag.features[: len(bag.directions)]]
        cosines, correlations, matched = [], [], set()
        for weights, shape in zip(S1_DIRECTIONS, S1_SHAPES, strict=True):
            raw = np.array([weights.get(place, 0.0) for place in range(N_FEATURES)])
            truth = (raw * x.std(axis=0))[places]
            cosine = np.abs(truth @ bag.directions) / np.linalg.norm(truth)
            best = int(cosine.argmax())
            matched.add(best)
            cosines.append(float(cosine[best]))
            correlations.append(float(np.corrcoef(shapes[:, best], shape(x_test @ raw))[0, 1]))
        false = int(sum(sizes[j] > 0.01 for j in range(len(sizes)) if j not in matched))
        line: dict[str, Any] = {"seed": seed, "cosines": cosines, "correlations": correlations, "false": false}
        line["excess"] = float(np.mean((model.predict(x_test) - y_test) ** 2)) - noise
        line["excess_known"] = with_known_projections(x, y, x_test, y_test) - noise
        line["found"] = len(matched) == 4 and min(cosines) >= 0.95 and min(correlations) >= 0.98 and false <= 1
        found.append(line)
        cos, corr = (" ".join(f"{value:.4f}" for value in values) for values in (cosines, correlations))
        above = f"{line['excess']:.4f} above the noise ({line['excess_known']:.4f} with known projections)"
        print(f"seed {seed}: cosines {cos}; shapes {corr}; {false} false; {above}; {model.fitted_.summary}", flush=True)
    print(f"{sum(line['found'] for line in found)} of {len(found)} seeds: all four found, at most one false")
    return found


def with_known_projections(x: Any, y: Any, x_test: Any, y_test: Any) -> float:
    """Test MSE of shapes that are fitted along the true projections of S1: what no search for projections can beat."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    directions = np.zeros((N_FEATURES, len(S1_DIRECTIONS)))
    for j, weights in enumerate(S1_DIRECTIONS):
        for place, weight in weights.items():
            directions[place, j] = weight * spread[place]
    directions /= np.linalg.norm(directions, axis=0)

    def rows(values: Any, targets: Any) -> Rows:
        n = len(values)
        told = (targets - y.mean()) / y.std()
        return Rows((values - mean) / spread, np.zeros((n, 0)), told, np.ones(n), logistic=False)

    learns, tests = rows(x, y), rows(x_test, y_test)
    start = Ridges.of(directions, (directions != 0).astype(np.float64), learns)
    scores = fit_ridges(start, learns, turns=False).scores(tests)
    return float(np.mean((scores - tests.y) ** 2) * y.var())


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["scenarios", "recovery"])
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--only", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--whole-fit", metavar="BUDGET")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    print(f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, annvil {annvil.__version__}")
    if asked.what == "scenarios":
        found = scenarios(asked.seeds or [0], asked.only, asked.rows, asked.whole_fit)
    else:
        found = recovery(asked.seeds or list(range(10)), asked.rows)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
