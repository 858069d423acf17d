"""Annvil on real tables at the default budget, beside scikit-learn's MLP and HistGradientBoosting at defaults.

    ANNVIL_DATA=<folder with catalogue.json and tables/> python benchmarks/tables.py [--tables NAME ...] [--budget 2m]
    python benchmarks/tables.py --write        # puts the tables into benchmarks/RESULTS.md

Every table is fitted in a process of its own. The references are fitted on the outer folds of the first repeat, the
same rows and the same metric as the contenders (on the first two of them above 10,000 rows, where the MLP takes minutes
a fold); they get what scikit-learn's own examples give them: standard scaling,
one-hot categories and median imputation for the MLP (its target standardised for regression), ordinal codes marked as
categories for the trees. Results are kept per table (``--keep``): an interrupted benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
MARKS = ("<!-- tables: begin -->", "<!-- tables: end -->")

DEFAULT_TABLES = (
    *("colon_genes", "horse_colic", "heart_cleveland", "pima_diabetes", "titanic", "german_credit", "concrete"),
    *("abalone", "phoneme", "wine_quality", "telco_churn", "mushroom", "kin8nm", "mammography", "car_price"),
    *("california_housing", "letter", "adult"),
)
FAMILIES = ("dummy", "linear", "neighbours", "trees", "network")


def fit_in_child(path: Path, target: str, budget: str, out: Path) -> dict[str, Any]:
    """What `annvil fit --json` says of the table, with the wall time of the whole process."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "annvil.cli", "fit", str(path), "--target", target, "--budget", budget]
    done = subprocess.run([*command, "--out", str(out), "--json"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{path.name}: annvil ended with {done.returncode}\n{done.stderr[-2000:]}")
    return {**json.loads(done.stdout), "wall_seconds": time.perf_counter() - started}


def reference_scores(path: Path, target: str, run_folder: Path) -> dict[str, list[float]]:
    """Scores of the references on the outer folds of the first repeat of that run."""
    import annvil
    from annvil.comparison import DataProblem
    from annvil.comparison.results import Design

    dataset = annvil.read(path, target=target)
    comparison = annvil.open_run(run_folder).comparison
    problem, plan = DataProblem(dataset), comparison.plan
    metric = dataset.task.metric(comparison.metric)
    scores: dict[str, list[float]] = {"sklearn_mlp": [], "sklearn_hgb": []}
    folds = problem.replicates(Design(plan.outer_folds, 1, 1, plan.seed))[0]
    for fold in folds if dataset.n_rows <= 10_000 else folds[:2]:
        train, test = dataset.take(fold.job.rows), dataset.take(fold.test)
        for name, outputs in references(train, test):
            scores[name].append(metric.score(test.y, outputs))
    return scores


def references(train: Any, test: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Outputs of both references for the test rows."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    classes = train.task.predicts_probabilities
    numbers = make_pipeline(StandardScaler(), SimpleImputer(strategy="median", keep_empty_features=True))
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    parts = [
        (numbers, train.inputs.numbers(), test.inputs.numbers()),
        (one_hot, train.inputs.texts(), test.inputs.texts()),
    ]
    fitted = [(step.fit_transform(a), step.transform(b)) for step, a, b in parts if a.shape[1]]
    train_x, test_x = (np.hstack(side) for side in zip(*fitted, strict=True))
    mlp = (
        MLPClassifier(random_state=0)
        if classes
        else TransformedTargetRegressor(MLPRegressor(random_state=0), transformer=StandardScaler())
    )
    yield "sklearn_mlp", outputs_of(mlp, train_x, train.y, test_x, train.task.n_outputs)

    def coded(table: Any) -> np.ndarray:
        texts = [np.where(c.values < 0, np.nan, c.values.astype(float)) for c in table.columns if c.field.is_text]
        return np.column_stack([table.numbers(), *texts])

    n_numbers = len(train.inputs.number_fields)
    few = [len(c.levels) <= 255 for c in train.inputs.columns if c.field.is_text]
    mask = np.array([False] * n_numbers + few)
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    hgb = kind(random_state=0, categorical_features=mask if mask.any() else None)
    yield "sklearn_hgb", outputs_of(hgb, coded(train.inputs), train.y, coded(test.inputs), train.task.n_outputs)


def outputs_of(model: Any, X: np.ndarray, y: np.ndarray, X_test: np.ndarray, n_outputs: int) -> np.ndarray:
    """Probabilities with a column for every class, or values with one column."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the references may stop before they converge, at defaults
        model.fit(X, y)
    if not hasattr(model, "predict_proba"):
        return model.predict(X_test)[:, None]
    outputs = np.zeros((len(X_test), n_outputs))
    outputs[:, model.classes_.astype(int)] = model.predict_proba(X_test)
    return outputs


def place_of(name: str, data: Path) -> tuple[Path, str]:
    """The table's file and the name of its target."""
    known = json.loads((data / "catalogue.json").read_text())["datasets"]
    return data / "tables" / f"{name}.csv", next(d["target"] for d in known if d["name"] == name)


def measure(name: str, data: Path, budget: str, keep: Path) -> dict[str, Any]:
    """One table: the run and its contenders, as JSON-able values."""
    path, target = place_of(name, data)
    result = fit_in_child(path, target, budget, keep / "runs")
    import annvil

    run = annvil.open_run(result["folder"])
    comparison = run.comparison
    first: dict[str, list[float]] = {}
    for fold in comparison.folds:
        if fold.repeat == 0:
            first.setdefault(fold.contender, []).append(fold.scores[comparison.metric])
    return {
        "name": name,
        "folder": result["folder"],
        "n_rows": comparison.plan.n_rows,
        "plan": {"repeats": comparison.plan.repeats, "ended": comparison.ended},
        "metric": comparison.metric,
        "greater_is_better": comparison.metric not in ("rmse", "mae", "log_loss", "brier"),
        "verdict": {k: result["verdict"][k] for k in ("kind", "headline", "recommended", "network_ruled_out")},
        "posterior": result["verdict"]["posterior"],
        "scores": result["scores"],
        "first_repeat": first,
        "wall_seconds": result["wall_seconds"],
        "notices": result["notices"],
    }


def cell(values: Any) -> str:
    """Mean and standard deviation over folds."""
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def best_of_family(result: dict[str, Any], family: str) -> dict[str, Any] | None:
    """The family's contender with the best mean."""
    sign = 1 if result["greater_is_better"] else -1
    rows = [s for s in result["scores"] if s["family"] == family and result["metric"] in s]
    return max(rows, key=lambda s: sign * s[result["metric"]], default=None)


def advantage(result: dict[str, Any], family: str, reference: str) -> float:
    """How much better the family's best is than the reference on the first repeat, in the metric."""
    best = best_of_family(result, family)
    if best is None:
        return float("nan")
    sign, theirs = 1 if result["greater_is_better"] else -1, result["references"][reference]
    ours = result["first_repeat"][best["contender"]][: len(theirs)]
    return sign * float(np.mean(ours) - np.mean(theirs[: len(ours)]))


def scores_line(result: dict[str, Any]) -> str:
    """One line of the table of scores."""
    metric, verdict = result["metric"], result["verdict"]
    kind = verdict["kind"]
    title = next(s["title"] for s in result["scores"] if s["contender"] == verdict["recommended"])
    shown = [best_of_family(result, family) for family in FAMILIES]
    scores = [f"{s[metric]:.4f} ± {s[metric + '_spread']:.4f}" if s else "–" for s in shown]
    references = [cell(result["references"][name]) for name in ("sklearn_mlp", "sklearn_hgb")]
    seconds = f"{result['wall_seconds']:.0f}"
    cells = [f"{result['name']} ({result['n_rows']:,})", metric, kind, title, *scores, *references, seconds]
    return f"| {' | '.join(cells)} |"


def cost_lines(result: dict[str, Any]) -> list[str]:
    """What every contender costs on that table."""
    return [
        f"| {result['name']} | {s['title']} | {s['fit_seconds']:.2f} | {s['latency_ms_p50']:.3f} "
        f"| {s['size_bytes'] / 1000:,.0f} | {s['n_parameters']:,} |"
        for s in result["scores"]
        if s.get("size_bytes")
    ]


def counts(results: list[dict[str, Any]]) -> str:
    """The two sentences that the table is for."""
    won = sum(advantage(r, "network", "sklearn_mlp") > 0 for r in results)
    kept = sum(advantage(r, "trees", "sklearn_hgb") >= -np.std(r["references"]["sklearn_hgb"], ddof=1) for r in results)
    return (
        f"The best network beats scikit-learn's MLP at defaults on {won} of {len(results)} tables; our trees are not "
        f"worse than HistGradientBoosting at defaults by more than its spread over folds on {kept} of {len(results)} "
        "(means over the folds that all share)."
    )


def table_of(results: list[dict[str, Any]]) -> str:
    """Scores, counts and costs as Markdown."""
    heads = ["table (rows)", "metric", "verdict", "recommended", *FAMILIES[:-1], "best network"]
    heads += ["scikit-learn MLP", "scikit-learn HGB", "run s"]
    scores = [f"| {' | '.join(heads)} |", "|---" * 4 + "|--:" * 8 + "|", *map(scores_line, results)]
    costs = ["| table | contender | fit s | one row ms | size kB | parameters |", "|---|---|--:|--:|--:|--:|"]
    costs += [line for result in results for line in cost_lines(result)]
    folded = ["<details><summary>Cost of every contender</summary>", "", *costs, "", "</details>"]
    return "\n".join([*scores, "", counts(results), "", *folded])


def main() -> None:
    """Measure, then print (or write) the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", default=DEFAULT_TABLES)
    parser.add_argument("--budget", default="2m")
    parser.add_argument("--keep", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--write", action="store_true", help="only write what was kept into RESULTS.md")
    arguments = parser.parse_args()
    data = Path(os.environ.get("ANNVIL_DATA", ""))
    arguments.keep.mkdir(parents=True, exist_ok=True)
    if not arguments.write:
        if not (data / "catalogue.json").exists():
            raise SystemExit("Set ANNVIL_DATA to the folder with catalogue.json and tables/.")
        for name in arguments.tables:
            kept = arguments.keep / f"{name}.json"
            if not kept.exists():
                found = measure(name, data, arguments.budget, arguments.keep)
                kept.write_text(json.dumps(found, indent=1))
                print(f"{name}: {found['verdict']['headline']}", file=sys.stderr, flush=True)
        for name in arguments.tables:  # after all runs, so that nothing else runs beside those
            kept = arguments.keep / f"{name}.references.json"
            if not kept.exists():
                folder = json.loads((arguments.keep / f"{name}.json").read_text())["folder"]
                kept.write_text(json.dumps(reference_scores(*place_of(name, data), Path(folder))))
    results = []
    for name in arguments.tables:
        kept, references = arguments.keep / f"{name}.json", arguments.keep / f"{name}.references.json"
        if kept.exists() and references.exists():
            results.append({**json.loads(kept.read_text()), "references": json.loads(references.read_text())})
    text = table_of(results)
    print(text)
    if arguments.write:
        page = HERE / "RESULTS.md"
        before, after = page.read_text().split(MARKS[0])[0], page.read_text().split(MARKS[1])[1]
        page.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
