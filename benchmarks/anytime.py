"""Whether a fit keeps its budget, uses it, and says the same whatever it was given: real runs, a process each.

    export ANNVIL_DATA=<folder with catalogue.json, tables/ and images/>
    python benchmarks/anytime.py kept --budgets 5s 20s 60s              # a quiet machine
    python benchmarks/anytime.py kept --budgets 5s 20s 60s --loaded     # two busy loops beside
    python benchmarks/anytime.py stable --budgets 20s 1m 2m 5m --seeds 0 1 2
    python benchmarks/anytime.py pictures --budgets 1m 2m 3m 10m
    python benchmarks/anytime.py first                                  # seconds until a first standing
    python benchmarks/anytime.py resumed --kills 20 --inputs titanic    # killed at random moments, with the real clock
    python benchmarks/anytime.py compare --budgets 60s --inputs concrete titanic

``kept``: wall clock of the whole process against the budget, max of 5% and 2 s over; a run that refuses with the
smallest budget that can be kept counts as kept. ``stable``: no two runs of a table may give different answers both at
least 95% certain. ``pictures``: what was trained when, and why. ``compare``: the score of every contender.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annvil.text.quantities import seconds_of

TABLES = (
    *("concrete", "titanic", "heart_cleveland", "german_credit", "phoneme", "horse_colic", "abalone", "letter"),
    *("colon_genes", "adult"),
)
STABLE = ("titanic", "german_credit", "phoneme", "concrete", "pima_diabetes", "telco_churn")
PICTURES = ("sample:digit-images", "clothing_small", "brain_mri_tumor")
OVER = 0.05, 2.0
"""A budget counts as kept up to so much more: a part of it, or seconds."""


@dataclass(frozen=True)
class Fit:
    """One run: ``said`` is what it printed as JSON (None where it was refused, with the reason in ``message``)."""

    name: str
    budget: float
    seconds: float
    said: dict[str, Any] | None
    message: str
    units: tuple[dict[str, Any], ...]

    @property
    def kept(self) -> bool:
        """Whether it ended in time."""
        return self.seconds <= self.budget + max(OVER[0] * self.budget, OVER[1])

    @property
    def good(self) -> bool:
        """Whether it ended in time with a model and a verdict, or said the smallest budget before any work."""
        refused = self.said is None and "smallest" in self.message
        return self.kept and (refused or self.said is not None)


def fit(name: str, budget: str, out: Path, *more: str) -> Fit:
    """Run it; the whole process counts, start and all."""
    data, options = source(name)
    command = [sys.executable, "-m", "annvil.cli", "fit", data, *options, "--budget", budget, "--json", "--quiet"]
    started = time.perf_counter()
    done = subprocess.run([*command, "--out", str(out), *more], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    said = json.loads(done.stdout) if done.returncode == 0 else None
    units = tuple(decisions(Path(said["folder"]))) if said else ()
    return Fit(name, seconds_of(budget), seconds, said, done.stderr.strip()[-300:], units)


def decisions(folder: Path) -> Iterator[dict[str, Any]]:
    """The log of a run, each decision as it ended."""
    last: dict[int, dict[str, Any]] = {}
    for line in (folder / "race" / "decisions.jsonl").read_text().splitlines():
        decision = json.loads(line)
        last[decision["number"]] = decision
    yield from last.values()


def source(name: str) -> tuple[str, list[str]]:
    """The path of a data set of the catalogue, or a sample, and its options."""
    if name.startswith("sample:") or Path(name).exists():
        return name, []
    folder = Path(os.environ["ANNVIL_DATA"])
    catalogue = json.loads((folder / "catalogue.json").read_text())["datasets"]
    entry = catalogue[name] if isinstance(catalogue, dict) else next(one for one in catalogue if one["name"] == name)
    path = next(
        path for path in (folder / "tables" / f"{name}.csv", folder / "images" / f"{name}.zip") if path.exists()
    )
    target = entry.get("target")
    return str(path), ["--target", target] if target and path.suffix == ".csv" else []


@contextmanager
def busy(n: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    loops = [multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(n)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()


def _spin() -> None:
    while True:
        sum(range(10_000))


def show(one: Fit) -> None:
    """A line for a run."""
    if one.said is None:
        word = "kept" if one.good else "NOT KEPT"
        print(f"{one.name:22s} {one.budget:5.0f} s  {one.seconds:6.1f} s  {word}  {one.message}")
        return
    verdict = one.said["verdict"]
    posterior = verdict["posterior"] or {}
    sure = max((posterior.get(f"p_{side}", 0.0) for side in ("first", "equal", "second")), default=0.0)
    print(
        f"{one.name:22s} {one.budget:5.0f} s  {one.seconds:6.1f} s  {'kept' if one.good else 'NOT KEPT'}  "
        f"{verdict['kind']:12s} {sure:.3f}  {verdict['recommended']:18s} {best_score(one):.4f}  "
        f"{sum(unit['ending'] == 'complete' for unit in one.units)} of {len(one.units)} units",
        flush=True,
    )


def best_score(one: Fit) -> float:
    """Of the recommended contender, by the metric that decides."""
    assert one.said is not None
    row = next(row for row in one.said["scores"] if row["contender"] == one.said["verdict"]["recommended"])
    return float(row.get(one.said["metric"]) or row.get("score") or float("nan"))


def kept(arguments: argparse.Namespace, out: Path) -> None:
    """Every input with every budget."""
    names = arguments.inputs or [*TABLES, "sample:digit-images", "clothing_small"]
    fits = []
    with busy(2 if arguments.loaded else 0):
        for budget in arguments.budgets:
            for name in names:
                fits.append(fit(name, budget, out))
                show(fits[-1])
    print(
        f"{sum(one.good for one in fits)} of {len(fits)} in time with a model and a verdict, or refused before any work"
    )


def stable(arguments: argparse.Namespace, out: Path) -> None:
    """Certain answers of one table must not contradict each other."""
    clashes = 0
    for name in arguments.inputs or STABLE:
        certain = set()
        for budget in arguments.budgets:
            for seed in arguments.seeds:
                one = fit(name, budget, out, "--seed", str(seed))
                show(one)
                if one.said is not None and one.said["verdict"]["kind"] != "cannot tell":
                    certain.add(one.said["verdict"]["kind"])
        # "no network" leaves open which of two other answers holds, and contradicts "network" alone.
        clashes += len(certain - {"no network"}) > 1 or {"network", "no network"} <= certain
        print(f"{name}: {', '.join(sorted(certain)) or 'never certain'}")
    print(f"{clashes} tables with two different answers, both at least 95% certain")


def pictures(arguments: argparse.Namespace, out: Path) -> None:
    """What the convolutional side was given."""
    for name in arguments.inputs or PICTURES:
        for budget in arguments.budgets:
            one = fit(name, budget, out)
            show(one)
            for unit in one.units:
                at = unit["unit"]
                print(
                    f"    {at['what']:8s} {at['contender']:16s} rung {at['rung']} repeat {at['repeat']}  "
                    f"{unit['ending']:9s} {unit['expected_seconds']:6.1f} -> {unit['seconds']:6.1f} s  {unit['why']}"
                )


def first(arguments: argparse.Namespace, out: Path) -> None:
    """From the start of the process to the first score of a model, on 1,000 rows of 20 columns."""
    random = np.random.default_rng(0)
    x = random.normal(size=(1_000, 20))
    y = (x[:, :5].sum(axis=1) + random.normal(size=1_000) > 0).astype(int)
    path = out / "thousand.csv"
    np.savetxt(
        path, np.column_stack([x, y]), delimiter=",", header=",".join([*(f"x{k}" for k in range(20)), "y"]), comments=""
    )
    command = [
        sys.executable,
        "-m",
        "annvil.cli",
        "fit",
        str(path),
        "--target",
        "y",
        "--budget",
        "20s",
        "--out",
        str(out),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if ", step 1 of " in line and "±" in line and "Baseline" not in line:
            print(f"{time.perf_counter() - started:.1f} s: {line.strip()}")
            break
    process.kill()


def resumed(arguments: argparse.Namespace, out: Path) -> None:
    """Killed at random moments and resumed, with the real clock; beside a run that follows the log uninterrupted."""
    random, same = np.random.default_rng(arguments.seeds[0]), 0
    for name in arguments.inputs or ["titanic"]:
        data, options = source(name)
        annvil = [sys.executable, "-m", "annvil.cli"]
        for kill in range(arguments.kills):
            folder, budget = out / f"{name}-{kill}", seconds_of(arguments.budgets[0])
            begin = [*annvil, "fit", data, *options, "--budget", arguments.budgets[0], "--out", str(folder), "--quiet"]
            process = subprocess.Popen(begin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            moment = random.uniform(0.15, 1.0) * budget
            time.sleep(moment)
            process.kill()
            process.wait()
            runs = sorted(folder.glob("*/request.json"))
            if not runs:
                print(f"{name} killed after {moment:.1f} s: before there was anything to go on from")
                same += 1
                continue
            run = runs[0].parent
            done = subprocess.run([*annvil, "resume", str(run), "--quiet"], capture_output=True, text=True, check=False)
            if done.returncode:  # what it had used and loading again leave no time for a model
                same += "smallest" in done.stderr
                print(f"{name} killed after {moment:.1f} s: refused, {done.stderr.strip()[-200:]}", flush=True)
                continue
            follow = [*annvil, "fit", data, *options, "--like", str(run), "--out", str(folder / "like"), "--quiet"]
            subprocess.run(follow, capture_output=True, check=False)
            like = next((folder / "like").glob("*/request.json")).parent
            found = [essence(one) for one in (run, like)]
            same += found[0] == found[1]
            units = sum(unit["ending"] == "complete" for unit in decisions(run))
            word = "same decisions, same bytes" if found[0] == found[1] else "NOT THE SAME"
            print(f"{name} killed after {moment:.1f} s: resumed to {units} decisions; {word}", flush=True)
    print(f"{same} of {arguments.kills * len(arguments.inputs or ['titanic'])} the same as uninterrupted")


def essence(run: Path) -> tuple[object, ...]:
    """What must be equal: the model, every prediction that is judged, the units that were completed.

    Folds of a unit that was cut are kept for going on with it, but nobody judges or follows them.
    """
    complete = [one["unit"] for one in decisions(run) if one["ending"] == "complete"]
    judged = [run / "model" / "model.onnx"]
    for unit in complete:
        of_rung = run / "race" / unit["contender"] / (f"rung-{unit['rung']}" if unit["rung"] else "")
        judged += sorted(of_rung.glob(f"repeat-{unit['repeat']}-*.safetensors")) if unit["what"] == "fit" else []
    hashes = tuple((str(path.relative_to(run)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in judged)
    return hashes, tuple(json.dumps(unit, sort_keys=True) for unit in complete)


def compare(arguments: argparse.Namespace, out: Path) -> None:
    """The table of every input."""
    for name in arguments.inputs or TABLES:
        for budget in arguments.budgets:
            one = fit(name, budget, out)
            show(one)
            for row in one.said["scores"] if one.said else ():
                print("    ", {key: row[key] for key in list(row)[:8]})


WORK = {
    "kept": kept,
    "stable": stable,
    "pictures": pictures,
    "first": first,
    "resumed": resumed,
    "compare": compare,
}


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=sorted(WORK))
    parser.add_argument("--inputs", nargs="*", default=[])
    parser.add_argument("--budgets", nargs="*", default=["20s"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--kills", type=int, default=20, help="moments at which `resumed` kills")
    parser.add_argument("--loaded", action="store_true", help="beside two busy loops")
    parser.add_argument("--out", type=Path, help="where runs are kept; a temporary folder by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        WORK[arguments.what](arguments, arguments.out or Path(scratch))


if __name__ == "__main__":
    main()
