"""Forecasts of public series by every contender, and by statsforecast's models in an environment of its own.

    python benchmarks/forecasts.py DATA                   # a folder with the files named below
    python benchmarks/forecasts.py DATA --peers           # there: pip install statsforecast; Annvil is not needed

Airline: h = 12 from 96, 108, 120 and 132 months, h = 48 from 96, fitted again at each. Temperatures: h = 14 from 13
origins in the last year, fitted once before the first. MASE is scaled by the season (12 and 1) of what came before the
origin. ETTh1: h = 96, seven series standardised by their first 8,640 hours, mean squared error over every origin of
hours 11,520 to 14,400 (the usual test part), learnt from what lies before.
"""

from __future__ import annotations

import argparse
import csv
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


def ours(data: Path, names: Sequence[str]) -> None:
    """Every contender on every work."""
    from annvil.data.splits import inner_splits
    from annvil.kinds.forecasts.histories import Histories
    from annvil.kinds.registry import holder, read
    from annvil.models.contract import Context, Effort, Job

    for name, file, target, time_column, horizon, season, origins, again in WORKS:
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
    _ett(data, names)


def _ett(data: Path, names: Sequence[str]) -> None:
    from annvil.data.splits import inner_splits
    from annvil.kinds.forecasts.histories import Histories
    from annvil.kinds.registry import holder, read
    from annvil.models.contract import Context, Effort, Job

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
    for contender in holder(dataset).contenders(dataset):
        if names and contender.name not in names:
            continue
        begun = time.perf_counter()
        effort = Effort(2 if contender.family == "network" else 99)
        (fitted,) = contender.fit(dataset, [job], effort, Context(threads=1))
        seconds = time.perf_counter() - begun
        off = fitted.predict(tested) - truth
        scores = f"MSE {np.mean(off**2):.4f} MAE {np.mean(np.abs(off)):.4f}"
        print(f"{'ETTh1 h=96':18} {contender.name:22} {scores}  {seconds:6.1f} s  {fitted.summary}", flush=True)


def peers(data: Path) -> None:
    """Models of statsforecast that choose their parameters again at each origin."""
    from statsforecast.models import AutoARIMA, AutoCES, AutoETS, AutoTheta

    for name, file, target, _, horizon, season, origins, _ in WORKS:
        values = column(data / file, target)
        for model in (AutoETS, AutoTheta, AutoCES, AutoARIMA):
            begun, scores = time.perf_counter(), []
            for origin in origins:
                found = model(season_length=season).forecast(y=values[:origin], h=horizon)["mean"]
                scores.append(mase(values, origin, np.asarray(found), season))
            seconds = time.perf_counter() - begun
            print(f"{name:18} {model.__name__:22} MASE {np.mean(scores):.3f}  {seconds:6.1f} s", flush=True)


def main() -> None:
    """As the text above says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--contenders", default="", help="names, separated by commas")
    asked = parser.parse_args()
    if asked.peers:
        peers(asked.data)
    else:
        ours(asked.data, [name for name in asked.contenders.split(",") if name])


if __name__ == "__main__":
    main()
