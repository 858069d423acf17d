# ruff: noqa: E501 - the sentences of made-up runs are easier to read unbroken
"""Made-up but realistic runs for looking at and testing the report."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
from scipy.stats import t

from annvil.comparison.results import (
    Ablation,
    Anchor,
    Comparison,
    Cost,
    FoldResult,
    LearningCurve,
    Plan,
    Posterior,
    PowerLaw,
    Price,
    Side,
    Standing,
    Verdict,
)
from annvil.data.dataset import ColumnNote, Source
from annvil.data.findings import Finding
from annvil.explanation.permutation import Importance
from annvil.report import HeldOut, ReportView, Reproduction, ShippedModel, usage_snippets
from annvil.tasks.metric_index import METRICS
from annvil.tasks.union import make_task

CONTENDERS = {
    "boosted-trees": ("Boosted trees", "trees", 11.3, 48_210, 312_480, 0.21),
    "network-ensemble": ("Network ensemble", "network", 96.0, 812_340, 3_310_000, 0.44),
    "dense-network": ("Dense network", "network", 24.1, 101_500, 415_200, 0.16),
    "linear": ("Logistic regression", "linear", 0.83, 62, 9_870, 0.05),
    "neighbours": ("k-nearest neighbours", "neighbours", 0.21, 9_801, 118_000, 0.33),
    "dummy": ("Baseline", "dummy", 0.002, 2, 1_204, 0.02),
}


def standings(
    metric: str, kind: str, means: dict[str, float], scatter: float, own_scatter: float, n_folds: int, seed: int = 0
):
    """Standings with folds that rise and fall together, best first, dummy last."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(scale=scatter, size=n_folds)
    shared -= shared.mean()
    made = []
    for name, mean in means.items():
        title, family, fit, n_parameters, size, latency = CONTENDERS[name]
        own = rng.normal(scale=own_scatter, size=n_folds)
        own -= own.mean()
        per_fold = tuple((mean + (shared + own) * (0.05 if family == "dummy" else 1)).tolist())
        spread = float(np.std(per_fold, ddof=1)) if n_folds > 1 else 0.0
        others = {m.name: 0.8 if m.greater_is_better else 0.3 * (1 + abs(mean)) for m in make_task(kind, "").metrics}
        made.append(
            Standing(
                contender=name,
                title=title,
                family=family,
                state="finished",
                reason="",
                per_fold=per_fold,
                means=others | {metric: float(np.mean(per_fold))},
                spreads=dict.fromkeys(others, 0.021) | {metric: spread},
                summary=f"the {title.lower()} that did best on inner folds",
                cost=Cost(fit, 1.6 * fit, 12, n_parameters, size, latency, 1.7 * latency, 240_000.0, 41.0 + fit),
                parity=3.1e-7,
                rung=0 if family == "dummy" else 1,
                rungs=("",)
                if family == "dummy"
                else ("1 candidate, one holdout", "3 candidates, 5 inner folds", "5 candidates, 5 inner folds"),
                rung_means=(mean,) if family == "dummy" else (mean - 0.01, mean),
                rung_seconds=(5 * fit,) if family == "dummy" else (1.5 * fit, 7.5 * fit),
                used_seconds=7.5 * fit,
                still_improves=family == "network",
            )
        )
    greater = METRICS[metric].greater_is_better
    made.sort(key=lambda s: (s.family == "dummy", -s.means[metric] if greater else s.means[metric]))
    return tuple(made)


def posterior_of(differences, worth: float) -> Posterior:
    """The correlated t posterior of 5 folds, by SciPy."""
    d = np.asarray(differences)
    n = len(d)
    scale = sqrt((1 / n + 0.25) * d.var(ddof=1))
    belief = t(n - 1, d.mean(), scale)
    return Posterior(
        float(d.mean()), scale, n - 1, worth, float(belief.sf(worth)), float(belief.cdf(worth) - belief.cdf(-worth)),
        float(belief.cdf(-worth)), float(belief.ppf(0.025)), float(belief.ppf(0.975)), 0.4, tuple(d.tolist()),
    )  # fmt: skip


def curve(contender: str, a: float, b: float, c: float, largest: int, *, law: bool = True, remark: str = ""):
    """A learning curve on error = a + b n^-c with noise and a band."""
    rng = np.random.default_rng(len(contender))
    sizes = [largest // 2**k for k in range(5, -1, -1)]
    anchors = []
    for n in sizes:
        errors = a + b * n**-c + rng.normal(scale=0.25 * b * n**-c / 4, size=5)
        anchors.append(Anchor(n, tuple(errors.tolist()), float(errors.mean()), float(errors.std(ddof=1))))
    far = np.geomspace(sizes[0], 4 * largest, 40)
    line = a + b * far**-c
    width = 0.05 * line * np.maximum(0, np.log(far / largest))
    power = PowerLaw(
        a,
        b,
        c,
        tuple(far.tolist()),
        tuple(line.tolist()),
        tuple((line - width).tolist()),
        tuple((line + width).tolist()),
    )
    return LearningCurve(contender, tuple(anchors), power if law else None, law, remark)


def history(n_epochs: int, seed: int) -> dict[str, tuple[float, ...]]:
    """Losses that fall, then overfit a little."""
    rng = np.random.default_rng(seed)
    epochs = np.arange(n_epochs)
    train = 0.28 + 0.45 * np.exp(-epochs / 9) + rng.normal(scale=0.006, size=n_epochs)
    validation = (
        0.36 + 0.36 * np.exp(-epochs / 8) + 0.0012 * np.maximum(0, epochs - 25) + rng.normal(scale=0.008, size=n_epochs)
    )
    return {"train_loss": tuple(train.tolist()), "validation_loss": tuple(validation.tolist())}


def fold_results(made, metric: str) -> tuple[FoldResult, ...]:
    """One record per contender and fold."""
    results = []
    for standing in made:
        for fold, score in enumerate(standing.per_fold):
            tried = tuple(
                {
                    "what": f"{what}, strength {2.0**-k:g}",
                    "configuration": {"strength": 2.0**-k},
                    "score": 0.41 + 0.004 * k,
                    "spread": 0.018,
                }
                for k, what in enumerate(["the default", "smaller steps", "deeper", "more regularised"])
            )
            tried = (*tried, {"what": "very deep", "configuration": {}, "score": None, "spread": None})
            results.append(
                FoldResult(
                    standing.contender,
                    f"repeat-0-fold-{fold}",
                    0,
                    fold,
                    712,
                    179,
                    {metric: score},
                    score,
                    {},
                    standing.summary,
                    tried if standing.family != "dummy" else (),
                    1.0,
                    1.6,
                    100,
                    history(40 + 5 * fold, fold) if standing.family == "network" else {},
                    ("precision: float32, measured to be as fast as bfloat16 here",)
                    if standing.family == "network"
                    else (),
                )
            )
    return tuple(results)


def side(name, contenders, made, metric) -> Side:
    """One side of the verdict, one contender for all folds."""
    (standing,) = [s for s in made if s.contender == contenders]
    return Side(
        name,
        (contenders,) * len(standing.per_fold),
        standing.per_fold,
        standing.means[metric],
        standing.spreads[metric],
    )


def plan(n_rows: int, split: str = "stratified") -> Plan:
    """A plan of five folds."""
    return Plan(
        120.0, n_rows, 5, 1, split, (64, 128, 256),
        7, ("Every model begins with its cheapest fair training; more effort then goes where it is worth most.",),
    )  # fmt: skip


def reproduction(command: str) -> Reproduction:
    """Facts of a small machine."""
    return Reproduction(
        command, 7, "Linux 6.8, x86-64, AMD EPYC 9R14, 2 cores, 7.6 GB", 2,
        (("annvil", "0.1.0"), ("Python", "3.11.7"), ("torch", "2.13.0"), ("scikit-learn", "1.9.1"), ("onnxruntime", "1.31.1"), ("NumPy", "2.3.1")),
        "2026-03-01 14:05 UTC", 131.4,
    )  # fmt: skip


def binary() -> ReportView:
    """Titanic: practically equal, trees cheaper."""
    metric, worth = "roc_auc", 0.01
    made = standings(
        metric, "binary",
        {"boosted-trees": 0.8731, "network-ensemble": 0.8752, "dense-network": 0.8660, "linear": 0.8522, "neighbours": 0.8395, "dummy": 0.5},
        0.017, 0.0024, 5,
    )  # fmt: skip
    network, simple = side("network", "network-ensemble", made, metric), side("simple", "boosted-trees", made, metric)
    belief = posterior_of(np.subtract(network.per_fold, simple.per_fold), worth)
    verdict = Verdict(
        "equal",
        "No network needed: boosted trees are as good, and cost a ninth to train.",
        (
            "The network ensemble and boosted trees are practically equal: the difference is +0.002 in ROC AUC, and it is 96% sure to be within ±1 point.",
            "Of the two, boosted trees are cheaper: they train in 11 s instead of 96 s per fold and their file is a tenth of the size.",
            "More rows would not change this: the two learning curves run parallel.",
        ),
        "boosted-trees",
        "Nothing scores better by more than the minimum useful gain of 0.01, and it is the cheapest of those.",
        belief, True, None,
        "On tables of this size, boosted trees are the best family about twice as often as networks, and the gap is often negligible.",
        network, simple,
    )  # fmt: skip
    explainable, other = side("explainable", "linear", made, metric), side("other", "boosted-trees", made, metric)
    given_up = posterior_of(np.subtract(other.per_fold, explainable.per_fold), worth)
    price = Price(
        "costs", "Being able to read the model costs 0.021 in ROC AUC [+0.018, +0.024].", explainable, other, given_up,
        ("Cost of logistic regression beside boosted trees: size 10 kB against 312 kB.",),
    )  # fmt: skip
    names = ["sex", "age", "fare", "class", "embarked", "siblings or spouses", "parents or children", "deck"]
    rng = np.random.default_rng(5)
    p = np.clip(rng.beta(0.9, 1.4, size=891), 0.01, 0.99)
    y = (rng.uniform(size=891) < p).astype(np.int64)
    return ReportView(
        name="titanic-1",
        comparison=Comparison(
            metric, worth, plan(891), made, fold_results(made, metric),
            (
                curve("boosted-trees", 0.112, 1.1, 0.62, 712, remark="Twice the rows would bring about 0.006."),
                curve("network-ensemble", 0.108, 1.9, 0.68, 712, remark="Twice the rows would bring about 0.008 points; the two curves stay together."),
                curve("linear", 0.143, 0.8, 0.9, 712, remark="It has levelled off."),
            ),
            (
                Ablation("scaling the numbers", "dense-network", (0.866,), (0.829,), 0.037, 0.019, 0.055, "Scaling the numbers was worth 3.7 points of ROC AUC to the dense network (95% sure: 1.9 to 5.5) and nothing to boosted trees, which do not need it."),
                Ablation("scaling the numbers", "boosted-trees", (0.873,), (0.873,), 0.0, -0.002, 0.002, ""),
                Ablation("weighting the rare class", "dense-network", (0.866,), (0.863,), 0.003, -0.004, 0.010, "Weighting the rare class made no difference that could be told from chance."),
            ),
            verdict,
            ("k-nearest neighbours were tried on the first 8 numeric and category columns only.",),
            {"linear": 4.2, "trees": 23.9, "network": 24.0, "neighbours": 1.1},
            "the time was used",
            price=price,
        ),
        task=make_task("binary", "survived", ("no", "yes"), "“survived” has two values, so this is a question with two classes; “yes” is the positive one."),
        source=Source("titanic.csv", "/home/ada/data/titanic.csv", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", 61_194, "comma, UTF-8, header in row 1"),
        columns=(
            ColumnNote("survived", "role", False, "the target", 0, 2, ("no", "yes")),
            *(ColumnNote(n, "number" if n in ("age", "fare") else "category", True, "few distinct values" if n == "class" else "as read", 177 if n == "age" else 0, 88, ("22", "38", "26")) for n in names),
            ColumnNote("name", "text", False, "free text; ask for it with --as name=category", 0, 891, ("Braund, Mr. Owen Harris",)),
            ColumnNote("ticket", "identifier", False, "almost every row has its own value", 0, 681, ("A/5 21171", "PC 17599")),
        ),
        n_rows=891,
        findings=(
            Finding("missing", "info", ("age",), "“age” is missing in 177 rows (20%).", "Filled with the median of the training rows, and a column says where it was missing."),
            Finding("leakage", "serious", ("boat",), "“boat” alone predicts “survived” almost perfectly (ROC AUC 0.99): it may contain the answer (leakage).", "It was kept. If it is filled in only after the outcome is known, run again with --drop boat."),
            Finding("imbalance", "warning", ("survived",), "Only 38% of the rows are “yes”.", "Class weights are among the candidates."),
            Finding("duplicates", "info", (), "12 rows occur more than once.", "Copies were kept on one side of every split."),
        ),
        preparation=(
            "2 numbers are scaled by their median and quartiles and clipped smoothly.",
            "6 categories become embeddings in networks and indicators in linear models; values not seen in training share one code.",
        ),
        importance=tuple(
            Importance(n, m, m - 1.6 * s, m + 1.6 * s)
            for n, m, s in zip(names, [0.121, 0.043, 0.031, 0.052, 0.006, 0.009, 0.003, -0.0004], [0.012, 0.008, 0.006, 0.009, 0.003, 0.004, 0.002, 0.001], strict=True)
        ),
        importance_rows=891,
        held_out=HeldOut(y, np.column_stack([1 - p, p]), "every row was predicted in the fold that had not seen it", 0.5),
        shipped=ShippedModel("Boosted trees", "runs/titanic-1/model", 312_480, 48_210, 0.21, 0.36, 238_000.0, 2.4e-7, 179),
        reproduction=reproduction("annvil fit titanic.csv --target survived --budget 2m --seed 7"),
        folder="runs/titanic-1",
        usage=usage_snippets("runs/titanic-1", "runs/titanic-1/model", make_task("binary", "survived", ("no", "yes"))),
    )  # fmt: skip


def multiclass() -> ReportView:
    """Grape varieties with long names: a network is worth it, its curve crosses the trees'."""
    metric, worth = "accuracy", 0.01
    made = standings(
        metric, "multiclass",
        {"network-ensemble": 0.921, "dense-network": 0.913, "boosted-trees": 0.889, "linear": 0.842, "dummy": 0.19},
        0.008, 0.005, 5,
    )  # fmt: skip
    network, simple = side("network", "network-ensemble", made, metric), side("simple", "boosted-trees", made, metric)
    belief = posterior_of(np.subtract(network.per_fold, simple.per_fold), worth)
    verdict = Verdict(
        "network",
        "A network is worth it here: the network ensemble is right 3 times more in 100 rows.",
        (
            "The network ensemble beats boosted trees by 3.2 points of accuracy, and it is 98% sure that the gain is more than 1 point.",
            "It costs nine times as much to train and answers in 0.44 ms instead of 0.21 ms.",
            "With fewer than about 1,500 rows the trees were better: the learning curves cross there.",
        ),
        "network-ensemble", "It is better by more than the minimum useful gain of 0.01.", belief, False, None,
        "On tables of this size, networks are the best family in about one case of five.", network, simple,
    )  # fmt: skip
    classes = (
        "Barbera d’Asti",
        "Grignolino",
        "Nebbiolo, late harvest from the northern slopes",
        "Dolcetto",
        "Freisa",
        "Erbaluce",
    )
    rng = np.random.default_rng(2)
    logits = 9.0 * rng.normal(size=(3000, len(classes)))
    outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.array([rng.choice(len(classes), p=p) for p in outputs])
    names = [f"absorbance at {410 + 17 * i} nm" for i in range(38)] + ["vineyard", "harvested on"]
    task = make_task(
        "multiclass", "variety", classes, "“variety” has 6 different texts, so this is a question with 6 classes."
    )
    cut = replace(
        made[3], contender="neighbours", title="k-nearest neighbours", family="neighbours", state="skipped", per_fold=(), means={},
        spreads={}, cost=None, summary="", parity=None, reason="40 columns are too many for distances to mean something.",
    )  # fmt: skip
    short = replace(
        made[3],
        state="cut short",
        reason="The budget ended in fold 4; the folds before it count.",
        per_fold=made[3].per_fold[:3],
    )
    losses = np.abs(rng.normal(size=40)) * np.linspace(0.08, 0.0005, 40) + np.linspace(0.03, -0.0005, 40)
    return ReportView(
        name="wine-3",
        comparison=Comparison(
            metric, worth, plan(3000, "by groups of “vineyard”"), (*made[:3], short, cut, made[4]), fold_results(made, metric),
            (
                curve("network-ensemble", 0.03, 9.5, 0.66, 2400, remark="Still learning: twice the rows would bring about 1.6 points."),
                curve("boosted-trees", 0.06, 1.6, 0.45, 2400, remark="Twice the rows would bring about 1.1 points."),
                curve("linear", 0.15, 0.3, 0.8, 2400, law=False, remark="This curve is not regular enough to be continued."),
            ),
            (), verdict, ("Logistic regression was cut short: the budget ended in fold 4.",), {"trees": 24.0, "network": 31.2},
        ),
        task=task,
        source=Source("wine_spectra_2019-2024_all_vineyards_cleaned_final_v3.parquet", None, "ab" * 32, 4_820_000, ""),
        columns=tuple(ColumnNote(n, "number" if "nm" in n else "category", True, "as read", 0, 2950, ("0.412", "0.398")) for n in names),
        n_rows=3000,
        preparation=("38 numbers are scaled by their median and quartiles.", "“harvested on” becomes year, day of the year and weekday."),
        importance=tuple(
            sorted((Importance(n, float(m), float(m) - 0.007, float(m) + 0.007) for n, m in zip(names, losses, strict=True)), key=lambda one: -one.mean)
        ),
        importance_rows=2000,
        held_out=HeldOut(y, outputs, "every row was predicted in the fold that had not seen it"),
        shipped=ShippedModel("Network ensemble", "runs/wine-3/model", 3_310_000, 812_340, 0.44, 0.71, 88_000.0, 4e-6, 600),
        reproduction=reproduction("annvil fit wine_spectra_2019-2024_all_vineyards_cleaned_final_v3.parquet --target variety --groups vineyard"),
        usage=usage_snippets("runs/wine-3", "runs/wine-3/model", task),
    )  # fmt: skip


def regression() -> ReportView:
    """House prices in dollars: cannot tell yet; no ablation, no importance."""
    metric, worth = "rmse", 500.0
    made = standings(
        metric, "regression",
        {"boosted-trees": 28_450.0, "network-ensemble": 27_900.0, "dense-network": 30_120.0, "linear": 36_800.0, "dummy": 79_300.0},
        2_100.0, 900.0, 5,
    )  # fmt: skip
    network, simple = side("network", "network-ensemble", made, metric), side("simple", "boosted-trees", made, metric)
    belief = posterior_of(np.subtract(simple.per_fold, network.per_fold), worth)
    verdict = Verdict(
        "cannot tell",
        "Cannot tell yet: the network ensemble may be better, but 1,460 rows do not show it.",
        (
            "The network ensemble’s RMSE is 550 lower on average, and the difference lies between −1,050 and +2,150 with 95% probability: all three answers are possible.",
            "Until more rows are at hand, boosted trees are recommended, because they are cheaper.",
        ),
        "boosted-trees", "It is the cheapest model that is not shown to be worse.", belief, False, 5_800,
        "On tables of this size, boosted trees are the best family about twice as often as networks.", network, simple,
    )  # fmt: skip
    rng = np.random.default_rng(8)
    y = rng.lognormal(12.0, 0.4, size=1460)
    predicted = y * rng.lognormal(0, 0.13, size=1460)
    task = make_task(
        "regression", "price", (), "“price” is a number with 663 different values, so this is a question for a number."
    )
    return ReportView(
        name="house-12",
        comparison=Comparison(
            metric, worth, plan(1460, "random"), made, fold_results(made, metric),
            (
                curve("boosted-trees", 22_000.0, 330_000.0, 0.55, 1168, remark="Twice the rows would lower the error by about 2,300."),
                curve("network-ensemble", 19_500.0, 520_000.0, 0.58, 1168, remark="It falls faster, but from higher up."),
            ),
            (), verdict,
        ),
        task=task,
        source=Source("house.parquet", "/data/house.parquet", "cd" * 32, 208_111, ""),
        columns=(ColumnNote("price", "role", False, "the target", 0, 663, ("208500",)), ColumnNote("living area", "number", True, "as read", 0, 861, ("1710",))),
        n_rows=1460,
        held_out=HeldOut(y, predicted[:, None], "every row was predicted in the fold that had not seen it"),
        shipped=ShippedModel("Boosted trees", "runs/house-12/model", 512_000, 61_000, 0.24, 0.3, None, 0.0, 292),
        reproduction=reproduction("annvil fit house.parquet --target price --budget 60s --metric rmse --worth 500"),
        usage=usage_snippets("runs/house-12", "runs/house-12/model", task),
    )  # fmt: skip


def bare() -> ReportView:
    """A run that ended almost before it began: one contender, no sides, no curves, nothing shipped."""
    full = binary()
    only = tuple(s for s in full.comparison.standings if s.contender == "dummy")
    verdict = replace(
        full.comparison.verdict, kind="cannot tell", headline="Cannot tell: the budget of 1 s ended before any model was trained.",
        sentences=(), recommended="dummy", recommended_because="", posterior=None, network=None, simple=None, base_rate="",
    )  # fmt: skip
    waiting = tuple(
        replace(
            s, state="cut short", reason="No time was left.", per_fold=(), means={}, spreads={}, cost=None, summary=""
        )
        for s in full.comparison.standings
        if s.contender != "dummy"
    )
    comparison = replace(
        full.comparison,
        standings=(*waiting, *only),
        folds=(),
        curves=(),
        ablations=(),
        verdict=verdict,
        notices=(),
        price=None,
    )
    return replace(
        full,
        comparison=comparison,
        findings=(),
        preparation=(),
        importance=(),
        held_out=None,
        shipped=None,
        usage=(),
        columns=(),
    )


VIEWS = {"binary": binary, "multiclass": multiclass, "regression": regression, "bare": bare}
