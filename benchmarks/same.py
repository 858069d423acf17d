"""Do two checkouts give the same scores, verdicts and predictions? For changes that must move none of them.

    python benchmarks/same.py --before OLD/CHECKOUT --data FOLDER --before-results KEPT  # once: what was before
    python benchmarks/same.py --before-results KEPT --after NEW/CHECKOUT -o FOLDER  # after each change
    python benchmarks/same.py --before OLD --after NEW --data FOLDER -o FOLDER  # both at once

Five tables and two sets of pictures are fitted, each in a process of its own, by the same Python with the ``src`` of a
checkout; then the new code predicts with the old bundles. The exit status is 1 where scores of a simple contender
differ by more than 1e-9 (per fold, or any metric's mean or spread), where the verdict is of another kind although all
scores agree, or where an old bundle predicts otherwise than with the old code. Differences of networks (beside their
spread over seeds), of what is recommended and of new bundles' predictions are printed and do not fail: costs are
measured by stopwatch, and decide what is recommended and whether 8 bits ship.

Plans are arithmetic, but deadlines cut by the clock. So ``time.monotonic`` runs 1000 times slower there: a busy machine
takes longer and finds the same. What was cut short all the same is printed and not counted. FOLDER of ``--data`` holds
``tables/titanic.csv`` and so on (`SETS`); what is used of it is copied into KEPT.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

SLOWER, SAME = 1000, 1e-9


@dataclass(frozen=True)
class Set:
    """One fit: ``data`` is a sample, or a file or archive in the folder of data of which the first part is taken."""

    name: str
    data: str
    budget: str
    options: dict[str, Any] = field(default_factory=dict)
    most: int = 10_000  # rows; of pictures: those of each class
    first: int = 500  # rows or pictures that are predicted


SETS = (
    Set("breast-cancer", "sample:breast-cancer", "20s"),
    Set("wine", "sample:wine", "20s"),
    Set("robot-arm", "tables/kin8nm.csv", "15s", {"target": "distance"}, 1_000),
    Set("titanic-by-ticket", "tables/titanic.csv", "15s", {"target": "Survived", "groups": "Ticket"}),
    Set("air-by-time", "series/beijing_pm25.csv", "15s",
        {"target": "pm25", "time": "date", "drop_missing_target": True}, 600),
    Set("digit-images", "sample:digit-images", "30s", first=50),
    Set("clothes", "images/clothing_small.zip", "75s", {"size": 24}, 30, 50),
)  # fmt: skip

SHAPES = (("comparison.json", "standings", "contender", "per_fold"),)
"""What depends on the version: where a run keeps scores per fold (file, list, name, scores). Add a line when that
changes, and let the old one stay. The rest is public."""

RENAMED: dict[str, str] = {}
"""Contenders that have another name since: new → old."""


def summary(run: Any) -> dict[str, Any]:
    """What is compared of a run: its public ``verdict`` and ``scores``, and scores per fold where they are found."""
    folds: dict[str, list[float]] = {}
    for file, entries, name, scores in SHAPES:
        found = json.loads((run.folder / file).read_bytes()) if (run.folder / file).exists() else {}
        folds |= {entry[name]: entry[scores] for entry in found.get(entries, ()) if scores in entry}
    contenders = {}
    for row in run.scores:
        numbers = {key: row[key] for key in row if f"{key.removesuffix('_spread')}_spread" in row}
        about = {"family": row["family"], "state": row["state"], "folds": folds.get(name := row["contender"])}
        contenders[RENAMED.get(name, name)] = about | {"numbers": numbers}
    kind, recommended = run.verdict.kind, run.verdict.recommended
    return {"verdict": kind, "recommended": RENAMED.get(recommended, recommended), "contenders": contenders}


def predictions(bundle: Path, data: str, first: int) -> np.ndarray[Any, Any]:
    """Probabilities, or values where there are none, of raw rows or pictures; float64 ``(rows, outputs)``."""
    import annvil

    rows: Any = annvil.read(data).inputs if data.startswith("sample:") else data
    if Path(data).is_dir():
        rows = sorted(Path(data).rglob("*.jpg"), key=lambda path: (path.name, path.parent.name))[:first]
    model = annvil.load(bundle)
    try:
        outputs = model.predict_proba(rows)
    except annvil.AnnvilError:
        outputs = model.predict(rows)
    return np.asarray(outputs, dtype=np.float64).reshape(len(outputs), -1)[:first]


def child(job: dict[str, Any]) -> None:
    """In a fresh process: fit, summarise, and predict with the new bundle and the old one."""
    real, began = time.monotonic, time.monotonic()
    patch.object(time, "monotonic", lambda: began + (real() - began) / SLOWER).start()
    import annvil

    if not Path(annvil.__file__ or "").is_relative_to(Path(job["checkout"]) / "src"):
        sys.exit(f"{annvil.__file__} was imported, which is not in {job['checkout']}")
    folder, data, first = Path(job["folder"]), job["data"], job["first"]
    run = annvil.fit(data, budget=job["budget"], seed=job["seed"], out=folder / "runs", **job["options"])
    found = summary(run) | {"budget": job["budget"], "seconds": real() - began}
    shutil.copytree(run.folder / "model", folder / "bundle")
    np.save(folder / "predictions.npy", predictions(folder / "bundle", data, first))
    if "old_bundle" in job:
        np.save(folder / "with-old-bundle.npy", predictions(Path(job["old_bundle"]), data, first))
    (folder / "result.json").write_text(json.dumps(found, indent=1))  # last: what has it, is whole


def data_of(part: Set, source: Path | None, kept: Path) -> str:
    """The sample's name, or where the part of the data is kept that is used; it is copied there once."""
    if part.data.startswith("sample:"):
        return part.data
    pictures = part.data.endswith(".zip")
    target = (kept / "data" / (part.name if pictures else f"{part.name}.csv")).resolve()
    if target.exists():
        return str(target)
    if source is None:
        sys.exit(f"{target} is not there: name the folder of data with --data")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not pictures:
        target.write_text("".join((source / part.data).read_text().splitlines(keepends=True)[: 1 + part.most]))
        return str(target)
    archive, taken = zipfile.ZipFile(source / part.data), Counter[str]()
    for name in sorted(n for n in archive.namelist() if n.startswith("train/") and n.endswith(".jpg")):
        file = target / (label := Path(name).parent.name) / f"{taken[label]:03d}.jpg"
        if taken[label] < part.most:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(name))
        taken[label] += 1
    return str(target)


def fitted(part: Set, data: str, folder: Path, checkout: Path | None, more: dict[str, Any]) -> Path | None:
    """Where the code of that checkout has fitted set and seed, which it does first unless it did; None if not."""
    place = folder / part.name / f"seed-{more['seed']}"
    if (place / "result.json").exists() and json.loads((place / "result.json").read_text())["budget"] == part.budget:
        return place
    if checkout is None:
        return None
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    job = asdict(part) | {"data": data, "folder": str(place), "checkout": str(checkout.resolve())}
    told = {"PYTHONPATH": f"{job['checkout']}/src", "XDG_CACHE_HOME": str((folder / "cache").resolve())}
    told["MKL_CBWR"] = os.environ.get("MKL_CBWR", "AVX2")  # else last bits hang on where in memory a matrix lies
    command = [sys.executable, "-P", __file__, "--child", json.dumps(job | more)]
    done = subprocess.run(command, env=os.environ | told, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"{place} failed:\n{done.stderr[-3000:]}", flush=True)
    return None if done.returncode else place


def largest(one: Any, other: Any) -> float:
    """Largest difference between two arrays; inf where shapes or missing values differ."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    return float(np.max(np.nan_to_num(np.abs(a - b)), initial=0.0))


def difference(one: dict[str, Any] | None, other: dict[str, Any] | None) -> float:
    """Largest difference between a contender's scores per fold, means and spreads; inf where it is missing once."""
    if one is None or other is None or one["numbers"].keys() != other["numbers"].keys():
        return np.inf
    folds = [entry["folds"] or [] for entry in (one, other)] if one["folds"] and other["folds"] else [[], []]
    return max(largest(*folds), largest(*([entry["numbers"][key] for key in one["numbers"]] for entry in (one, other))))


def spread_over_seeds(results: list[dict[str, Any]]) -> float:
    """Largest standard deviation, over seeds, of a network's mean score; NaN with one seed."""
    found: dict[str, list[float]] = {}
    for name, entry in (item for result in results for item in result["contenders"].items()):
        if entry["family"] == "network" and entry["state"] == "finished" and entry["folds"]:
            found.setdefault(name, []).append(float(np.mean(entry["folds"])))
    return max((float(np.std(means, ddof=1)) for means in found.values() if len(means) > 1), default=np.nan)


def compare(part: Set, before: list[Path], after: Path, notes: list[str]) -> tuple[str, bool]:
    """A line of the table, and whether nothing moved that must not."""
    new, old, *others = (json.loads((place / "result.json").read_text()) for place in (after, *before))
    worst = {"simple": 0.0, "network": 0.0}
    for name in {**old["contenders"], **new["contenders"]}:
        pair = [result["contenders"].get(name) for result in (old, new)]
        states = [entry["state"] if entry else "missing" for entry in pair]
        apart = difference(*pair) if states[0] == states[1] else np.inf
        if apart > 0 or "cut short" in states or "failed" in states:
            notes.append(f"- {part.name}: {name}, {' → '.join(states)}, differs by {apart:.2g}")
        if "cut short" not in states:
            side = "network" if (pair[0] or pair[1])["family"] == "network" else "simple"
            worst[side] = max(worst[side], apart)
    predicted = [np.load(after / f"{name}.npy") for name in ("predictions", "with-old-bundle")]
    bundles = [largest(np.load(before[0] / "predictions.npy"), outputs) for outputs in predicted]
    cells = [part.name, *(" → ".join(dict.fromkeys((old[key], new[key]))) for key in ("verdict", "recommended"))]
    cells += [f"{x:.2g}" for x in (*worst.values(), spread_over_seeds([old, *others]), *bundles)]
    good = worst["simple"] <= SAME and bundles[1] == 0 and (old["verdict"] == new["verdict"] or worst["network"] > SAME)
    return f"| {' | '.join(cells)} | {old['seconds']:.0f}, {new['seconds']:.0f} |", good


def main() -> int:
    """The command line; see the module's text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("--before", "--after", "--data", "--before-results"):
        parser.add_argument(name, type=Path)
    parser.add_argument("-o", "--out", type=Path, help="must not hold an 'after' yet")
    parser.add_argument("--budget", help="of every fit, of both checkouts; default: each set's own")
    parser.add_argument("--seeds", type=int, default=2, help="of the old checkout, for the spread of networks")
    parser.add_argument("--sets", nargs="+", choices=(names := [part.name for part in SETS]), default=names)
    asked = parser.parse_args()
    kept = asked.before_results or (asked.out and asked.out / "before")
    if kept is None or (asked.after and (asked.out is None or (asked.out / "after").exists())):
        parser.error("--after needs -o FOLDER without an 'after' in it; --before alone needs --before-results")
    lines, notes, good = [], list[str](), True
    for part in (replace(part, budget=asked.budget or part.budget) for part in SETS if part.name in asked.sets):
        print(f"{part.name} …", file=sys.stderr, flush=True)
        data = data_of(part, asked.data, kept)
        seeds = [fitted(part, data, kept, asked.before, {"seed": seed}) for seed in range(asked.seeds)]
        before, after = [place for place in seeds if place], None
        if asked.after and seeds[0]:
            job = {"seed": 0, "old_bundle": str(seeds[0] / "bundle")}
            after = fitted(part, data, asked.out / "after", asked.after, job)
        if after:
            line, same = compare(part, before, after, notes)
            lines.append(line)
            good &= same
        elif asked.after or not seeds[0]:
            notes.append(f"- {part.name}: the {'new' if seeds[0] else 'old'} checkout has no result")
            good = False
    if lines:
        print("| set | verdict | recommended | simple | networks | their seeds | new bundle | old bundle | seconds |")
        print("|---|---|---|--:|--:|--:|--:|--:|--:|", *lines, sep="\n")
    print(
        "", *notes, "Nothing moved that must not." if good else "Something moved, or could not be compared.", sep="\n"
    )
    return 0 if good else 1


if __name__ == "__main__" and sys.argv[1:2] == ["--child"]:
    child(json.loads(sys.argv[2]))
elif __name__ == "__main__":
    sys.exit(main())
