"""Annvil on real tables beside AutoGluon, FLAML, RealMLP, CatBoost and LightGBM: same rows, same seconds, two cores.

    export ANNVIL_DATA=<folder with catalogue.json and tables/>
    python benchmarks/beside.py --peers-python <python of an environment that has them> [--tables NAME ...]
    python benchmarks/beside.py --budget 5m --tools annvil flaml --tables concrete

One 70/30 split a table (seed 0, classes kept even), log-loss or RMSE of the 30%. Every tool in a process of its own,
one after another; CatBoost and LightGBM at defaults. Results are kept in ``--keep``, so that an interrupted benchmark
goes on where it was and Annvil can be measured again without the others (``--again annvil``).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
TABLES = (
    *("german_credit", "concrete", "titanic", "wine_quality", "phoneme", "abalone", "telco_churn", "car_price"),
    *("compas", "kin8nm", "bike_hour", "online_shoppers", "california_housing", "letter", "adult"),
)
TOOLS = ("annvil", "flaml", "autogluon", "realmlp", "catboost", "lightgbm")
TEST_PART = 0.3
METRICS = {"number": "rmse", "class": "log_loss"}
"""What every tool that takes one is told to care for."""


def split(name: str, folder: Path) -> tuple[Path, Path, str, str]:
    """Files of the training and the test rows, the target, and ``"number"`` or ``"class"``."""
    data = Path(os.environ["ANNVIL_DATA"])
    catalogue = json.loads((data / "catalogue.json").read_text())["datasets"]
    entry = next(one for one in catalogue if one["name"] == name)
    frame = pd.read_csv(data / "tables" / f"{name}.csv")
    frame = frame[frame[entry["target"]].notna()]
    kind = "number" if entry["task"] == "regression" else "class"
    random = np.random.default_rng(0)
    groups = [frame.index] if kind == "number" else [part.index for _, part in frame.groupby(entry["target"])]
    test = np.concatenate([random.permutation(rows)[: round(TEST_PART * len(rows))] for rows in groups])
    paths = folder / f"{name}-train.csv", folder / f"{name}-test.csv"
    frame.drop(index=test).to_csv(paths[0], index=False)
    frame.loc[np.sort(test)].to_csv(paths[1], index=False)
    return *paths, entry["target"], kind


def ours(train: Path, test: Path, target: str, kind: str, budget: float, out: Path) -> dict[str, Any]:
    """As a user has it: ``annvil fit``, then the recommended model on the rows of the other file."""
    import annvil

    started = time.perf_counter()
    command = [sys.executable, "-m", "annvil.cli", "fit", str(train), "--target", target, "--json", "--quiet"]
    options = ["--budget", f"{budget:g}s", "--metric", METRICS[kind], "--out", str(out)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    taken = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    said = json.loads(done.stdout)
    model = annvil.open_run(said["folder"]).model
    rows = pd.read_csv(test).drop(columns=target)
    told = {"seconds": taken, "recommended": said["verdict"]["recommended"], "kind": said["verdict"]["kind"]}
    told["table"] = {row["contender"]: row.get(said["metric"]) for row in said["scores"]}
    if kind == "number":
        return {**told, "classes": None, "outputs": np.asarray(model.predict(rows), float).tolist()}
    classes = [str(name) for name in model.task.classes]
    return {**told, "classes": classes, "outputs": np.asarray(model.predict_proba(rows), float).ravel().tolist()}


def theirs(python: str, tool: str, train: Path, test: Path, target: str, kind: str, budget: float) -> dict[str, Any]:
    """In their own environment."""
    command = [python, str(HERE / "peers" / "tables.py"), tool, str(train), str(test), target, kind, f"{budget:g}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=train.parent)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def score(answer: dict[str, Any], test: Path, target: str) -> float:
    """Log-loss (probabilities at least 1e-15) or RMSE; lower is better."""
    truth = pd.read_csv(test)[target]
    outputs = np.array(answer["outputs"])
    if answer["classes"] is None:
        return float(np.sqrt(np.mean((truth.to_numpy(float) - outputs) ** 2)))
    classes = answer["classes"]
    probabilities = outputs.reshape(len(truth), len(classes))
    own = probabilities[np.arange(len(truth)), [classes.index(str(name)) for name in truth]]
    return float(-np.log(np.clip(own, 1e-15, 1)).mean())


def table(results: dict[str, dict[str, Any]], tools: list[str]) -> list[str]:
    """Scores, best in bold, and mean ranks over the tables that all of them finished."""
    lines = [
        f"| table | {' | '.join(tools)} | we used, s | we recommend |",
        "|---|" + "--:|" * (len(tools) + 1) + "---|",
    ]
    ranks = []
    for name, row in results.items():
        scores = {tool: row[tool]["score"] for tool in tools if "score" in row.get(tool, {})}
        best = min(scores.values(), default=0)
        cells = [
            f"**{scores[tool]:.4g}**" if scores.get(tool) == best else f"{scores[tool]:.4g}" if tool in scores else "–"
            for tool in tools
        ]
        mine = row.get("annvil", {})
        lines.append(
            f"| {name} | {' | '.join(cells)} | {mine.get('seconds', 0):.0f} | {mine.get('recommended', '–')} |"
        )
        if len(scores) == len(tools):
            ordered = list(scores.values())
            ranks.append([sum(other < one for other in ordered) + 1 for one in ordered])
    if ranks:
        lines.append(f"| mean rank | {' | '.join(f'{rank:.2f}' for rank in np.mean(ranks, axis=0))} | | |")
    return lines


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="*", default=list(TABLES))
    parser.add_argument("--tools", nargs="*", default=list(TOOLS), choices=TOOLS)
    parser.add_argument("--again", nargs="*", default=[], choices=TOOLS, help="measured again though kept")
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--peers-python", default=sys.executable)
    parser.add_argument("--keep", type=Path, default=Path("beside.json"))
    arguments = parser.parse_args()
    from annvil.text.quantities import seconds_of

    budget = seconds_of(arguments.budget)
    results = json.loads(arguments.keep.read_text()) if arguments.keep.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.tables:
            row = results.setdefault(name, {})
            train, test, target, kind = split(name, Path(scratch))
            for tool in arguments.tools:
                if tool in row and tool not in arguments.again:
                    continue
                try:
                    if tool == "annvil":
                        answer = ours(train, test, target, kind, budget, Path(scratch) / "runs")
                    else:
                        answer = theirs(arguments.peers_python, tool, train, test, target, kind, budget)
                except (RuntimeError, ValueError) as error:  # a tool that fails is shown as such; the others still run
                    row[tool] = {"failed": str(error)}
                else:
                    told = {key: value for key, value in answer.items() if key not in ("outputs", "classes")}
                    row[tool] = {"score": score(answer, test, target), **told}
                print(name, tool, row[tool], flush=True)
                arguments.keep.write_text(json.dumps(results, indent=1))
    print("\n".join(table({name: results[name] for name in arguments.tables}, arguments.tools)))


if __name__ == "__main__":
    main()
