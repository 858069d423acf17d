"""Forecasts of public series by every contender, and by statsforecast's models in an environment of its own.

    python benchmarks/forecasts.py DATA                   # a folder with the files named below
    python benchmarks/forecasts.py DATA --peers-python PYTHON  # of an environment with statsforecast: ratios at the end
    python benchmarks/forecasts.py DATA --tasks etth1-networks --seconds 120   # networks on ETTh1, so long each
    python benchmarks/forecasts.py many --series 1000     # a whole fit on made sales of so many series

Airline: h = 12 from 96, 108, 120 and 132 months, h = 48 from 96, fitted again at each. Temperatures: h = 14 from 13
origins in the last year, fitted once before the first. MASE is scaled by the season (12 and 1) of what came before the
origin. ETTh1: h = 96, seven series standardised by their first 8,640 hours, mean squared error over every origin of
hours 11,520 to 14,400 (the usual test part), learnt from what lies before.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

AIRLINE, TEMPERATURES, ETT = "airline_passengers.csv", "daily_min_temperatures.csv", "etth1.csv"

WORKS: tuple[tuple[str, str, str, str, int, int, tuple[int, ...], bool], ...] = (
    ("airline h=12", AIRLINE, "Passengers", "Month", 12, 12, (96, 108, 120, 132), True),
    ("airline h=48", AIRLINE, "Passengers", "Month", 48, 12, (96,), True),
    ("temperatures h=14", TEMPERATURES, "Temp", "Date", 14, 1, tuple(range(3650 - 13 * 28, 3650, 28)), False),
)
"""Name, file, target, time, horizon, season of the scale, origins, and whether each origin has a fit of its own."""


Result = tuple[str, str, float, float]
"""Work, model, MASE, seconds."""

TASKS = ("airline", "temperatures", "etth1")


def works_of(tasks: Sequence[str]) -> list[tuple[str, str, str, str, int, int, tuple[int, ...], bool]]:
    """Those whose name begins with one of the tasks."""
    return [work for work in WORKS if any(work[0].startswith(task) for task in tasks)]


def column(path: Path, name: str) -> np.ndarray[Any, Any]:
    """A column of numbers; what is missing is the value before it."""
    with path.open(encoding="utf-8") as lines:
        texts = [row[name] for row in csv.DictReader(lines)]
    found = np.array([float(text) if text else np.nan for text in texts])
    for place in np.flatnonzero(np.isnan(found)):
        found[place] = found[place - 1]
    return found


def mase(values: np.ndarray[Any, Any], origin: int, forecast: np.ndarray[Any, Any], season: int) -> float:
    """Scaled by the history."""
    scale = np.abs(values[season:origin] - values[: origin - season]).mean()
    truth = values[origin : origin + len(forecast)]
    return float(np.abs(truth - forecast[: len(truth)]).mean() / scale)


def ours(data: Path, names: Sequence[str], tasks: Sequence[str]) -> list[Result]:
    """Every contender on every work that is asked for."""
    from annvil.data.splits import inner_splits
    from annvil.kinds.forecasts.histories import Histories
    from annvil.kinds.registry import holder, read
    from annvil.models.jobs import Context, Effort, Job

    found: list[Result] = []
    for name, file, target, time_column, horizon, season, origins, again in works_of(tasks):
        dataset = read(data / file, target=target, time=time_column, horizon=horizon)
        store, values = dataset.inputs.store, column(data / file, target)
        ends = dataset.inputs.origin + horizon
        for contender in holder(dataset).contenders(dataset):
            if names and contender.name not in names:
                continue
            scores, seconds, fitted = [], 0.0, None
            for origin in origins:
                if fitted is None or again:
                    rows = np.flatnonzero(ends <= origin)
                    job = Job(f"to {origin}", rows, inner_splits(dataset, rows, 1, 0), 0)
                    begun = time.perf_counter()
                    (fitted,) = contender.fit(dataset, [job], Effort(99), Context(threads=1))
                    seconds += time.perf_counter() - begun
                one = Histories(store, np.array([0]), np.array([origin]))
                scores.append(mase(values, origin, fitted.predict(one)[0], season))
            summary = "" if fitted is None else fitted.summary
            print(f"{name:18} {contender.name:22} MASE {np.mean(scores):.3f}  {seconds:6.1f} s  {summary}", flush=True)
            found.append((name, contender.name, float(np.mean(scores)), seconds))
    return found


def etth1(data: Path, names: Sequence[str], network_seconds: float | None) -> None:
    """Every contender on ETTh1; with ``network_seconds`` networks alone, the highest rung that fits into so many."""
    from annvil.comparison.data_problem import DataProblem
    from annvil.data.splits import inner_splits
    from annvil.kinds.forecasts.histories import Histories
    from annvil.kinds.registry import holder, read
    from annvil.models.jobs import Context, Effort, Job
    from annvil.models.ladder import rung_within

    with (data / ETT).open(encoding="utf-8") as lines:
        header, *rows = list(csv.reader(lines))
    values = np.array([[float(cell) for cell in row[1:]] for row in rows[:14_400]])
    values = (values - values[:8640].mean(axis=0)) / values[:8640].std(axis=0)
    table = {"date": [row[0] for row in rows[:14_400]], **dict(zip(header[1:], values.T, strict=True))}
    dataset = read(table, target=header[1:], time="date", horizon=96)
    origins = np.arange(11_520, 14_400 - 96 + 1)
    tested = Histories(dataset.inputs.store, np.repeat(np.arange(7), len(origins)), np.tile(origins, 7))
    truth = tested.answers()
    train = np.flatnonzero(dataset.inputs.origin + 96 <= 11_520)
    job = Job("ETTh1", train, inner_splits(dataset, train, 1, 0), 0)
    shape = DataProblem(dataset).shape(len(train))
    for contender in holder(dataset).contenders(dataset):
        if (names and contender.name not in names) or (network_seconds and contender.family != "network"):
            continue
        effort = Effort(2 if contender.family == "network" else 99)
        if network_seconds:
            effort = rung_within(contender.ladder(shape), network_seconds).effort
            job = Job("ETTh1", train, inner_splits(dataset, train, effort.inner_folds, 0), 0)
        begun = time.perf_counter()
        (fitted,) = contender.fit(dataset, [job], effort, Context(network_seconds or float("inf"), threads=1))
        seconds = time.perf_counter() - begun
        off = fitted.predict(tested) - truth
        scores = f"MSE {np.mean(off**2):.4f} MAE {np.mean(np.abs(off)):.4f}"
        print(f"{'ETTh1 h=96':18} {contender.name:22} {scores}  {seconds:6.1f} s  {fitted.summary}", flush=True)


def peers(data: Path, tasks: Sequence[str]) -> list[Result]:
    """Models of statsforecast that choose their parameters again at each origin."""
    from statsforecast.models import AutoARIMA, AutoCES, AutoETS, AutoTheta

    found: list[Result] = []
    for name, file, target, _, horizon, season, origins, _ in works_of(tasks):
        values = column(data / file, target)
        for model in (AutoETS, AutoTheta, AutoCES, AutoARIMA):
            model(season_length=season).forecast(y=values[:60], h=horizon)  # what is compiled at its first call
            begun, scores = time.perf_counter(), []
            for origin in origins:
                forecast = model(season_length=season).forecast(y=values[:origin], h=horizon)["mean"]
                scores.append(mase(values, origin, np.asarray(forecast), season))
            seconds = time.perf_counter() - begun
            print(f"{name:18} {model.__name__:22} MASE {np.mean(scores):.3f}  {seconds:6.1f} s", flush=True)
            found.append((name, model.__name__, float(np.mean(scores)), seconds))
    return found


def beside(mine: Sequence[Result], theirs: Sequence[Result]) -> None:
    """Ratios of each peer to each of ours: above 1 is theirs worse, or slower."""
    for name, peer, score, seconds in theirs:
        for work, contender, own, own_seconds in mine:
            if work == name:
                ratios = f"MASE x {score / own:5.2f}  time x {seconds / max(own_seconds, 1e-3):7.1f}"
                print(f"{name:18} {peer:12} to {contender:22} {ratios}", flush=True)


def made_sales(n_series: int, n_steps: int = 500, horizon: int = 28) -> dict[str, Any]:
    """A table of daily sales of so many items, with their size, week, trend, and campaigns that are known ahead."""
    rng = np.random.default_rng(0)
    steps = np.arange(n_steps + horizon)
    days = (np.datetime64("2023-01-02") + steps).astype(str).tolist()
    table: dict[str, list[Any]] = {name: [] for name in ("item", "day", "promotion", "price", "kind", "units")}
    for item in range(n_series):
        size, kind = float(rng.lognormal(3, 1)), "abc"[int(rng.integers(3))]
        promotion = np.repeat(rng.random(len(steps) // 7 + 1) < 0.15, 7)[: len(steps)].astype(float)
        price = np.round(10 * (1 - 0.2 * promotion), 2)
        week = 1 + 0.4 * np.sin(2 * np.pi * (steps + rng.integers(7)) / 7)
        level = np.exp(0.0005 * steps * rng.normal() + 0.01 * rng.normal(size=len(steps)).cumsum())
        mean = size * week * level * (1 + {"a": 0.2, "b": 0.6, "c": 1.2}[kind] * promotion)
        units = rng.poisson(mean).astype(float)
        units[n_steps:] = np.nan
        parts = ([str(item)] * len(steps), days, promotion.tolist(), price.tolist(), [kind] * len(steps))
        for name, cells in zip(table, (*parts, units.tolist()), strict=True):
            table[name] += cells
    return table


def many(n_series: int, budget: str) -> None:
    """A fit on so many series: when the verdict came, what it took, and how far each contender got."""
    import resource
    import tempfile

    import annvil

    table = made_sales(n_series)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sales.csv"
        with file.open("w", encoding="utf-8", newline="") as lines:
            csv.writer(lines).writerows([table.keys(), *zip(*table.values(), strict=True)])
        del table
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begun, processor = time.perf_counter(), time.process_time()
        run = annvil.fit(
            file,
            target="units",
            time="day",
            series="item",
            known="promotion,price",
            horizon=28,
            budget=budget,
            out=Path(folder) / "run",
        )
        seconds, processor = time.perf_counter() - begun, time.process_time() - processor
        print(run.verdict)
        for one in run.comparison.standings:
            print(f"  {one.title:28} rung {one.rung}  {one.told}  {one.means}  {one.used_seconds:.0f} s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{n_series} series: {seconds:.0f} s of {budget}, {processor:.0f} processor seconds, ", end="")
    print(f"peak memory {before:.0f} -> {peak:.0f} MB")


def main() -> None:
    """As the text above says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder, or many")
    parser.add_argument("--series", type=int, default=1000, help="of many")
    parser.add_argument("--budget", default="3m", help="of many")
    parser.add_argument("--contenders", default="", help="names, separated by commas")
    parser.add_argument("--tasks", default=",".join(TASKS), help="of airline,temperatures,etth1,etth1-networks")
    parser.add_argument("--seconds", type=float, default=120.0, help="for each network of etth1-networks")
    parser.add_argument("--peers-python", default="", help="the Python of an environment with statsforecast")
    parser.add_argument("--peers", action="store_true", help="what is run there")
    asked = parser.parse_args()
    names, tasks = ([one for one in text.split(",") if one] for text in (asked.contenders, asked.tasks))
    if str(asked.data) == "many":
        many(asked.series, asked.budget)
    elif asked.peers:
        print(json.dumps(peers(asked.data, tasks)))
    else:
        mine = ours(asked.data, names, tasks)
        if "etth1" in tasks:
            etth1(asked.data, names, None)
        if "etth1-networks" in tasks:
            etth1(asked.data, names, asked.seconds)
        if asked.peers_python:
            command = [asked.peers_python, __file__, str(asked.data), "--peers", "--tasks", asked.tasks]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
            print("\n".join(said[:-1]))
            beside(mine, json.loads(said[-1]))


if __name__ == "__main__":
    main()
