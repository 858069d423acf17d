"""What is wrong or strange in the data, in words, and what Annvil does about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.findings import (
    Finding,
    categories,
    coded_numbers,
    columns_left_out,
    columns_reduced,
    count_outliers,
    missing_values,
    outlying_numbers,
    row_of_totals,
)
from annvil.data.groups import are_copies, number_groups, row_keys
from annvil.data.leakage import find_leaks
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.quantities import number, percent, plain_count

IMBALANCED = 0.25
"""The rarest class has fewer than a quarter of the rows of the commonest, as in `annvil.preparation.is_imbalanced`."""

FEW_PER_CLASS = 10
"""Two rows of a class in each of five folds."""


def audit_table(dataset: Dataset, seed: int = 0) -> Iterator[Finding]:
    """Everything found, in no order. Long data are sampled where every row is not needed."""
    yield from _leaks(dataset, seed)
    yield from _repeated_rows(dataset)
    yield from _target(dataset)
    yield from _order(dataset)
    yield from _shape(dataset)
    yield from missing_values(dataset)
    yield from columns_left_out(dataset.notes)
    yield from columns_reduced(dataset)
    yield from row_of_totals(dataset)
    yield from categories(dataset)
    yield from coded_numbers(dataset)
    yield from outlying_numbers(dataset)


def _leaks(dataset: Dataset, seed: int) -> Iterator[Finding]:
    for task, y in dataset.task.questions(dataset.y):  # of several labels, each on its own
        yield from _leaks_of(replace(dataset, y=y, task=task), seed)


def _leaks_of(dataset: Dataset, seed: int) -> Iterator[Finding]:
    for suspect in find_leaks(dataset, seed):
        alone = f"{1 - suspect.error:.1%}" if suspect.error >= 0.0005 else "practically 100%"
        yield Finding(
            "leakage",
            "serious",
            (suspect.column,),
            f"{suspect.column!r} alone tells {alone} of what can be told about {dataset.task.target!r}; all other "
            f"columns together tell {1 - suspect.others:.1%}. It may hold the answer, or something recorded after the "
            "answer was known.",
            "Annvil keeps it, since it may be legitimate. If it is not known at the moment of prediction, fit again "
            f"with drop=[{suspect.column!r}] (--drop).",
        )


def _repeated_rows(dataset: Dataset) -> Iterator[Finding]:
    keys = row_keys(dataset.inputs)
    counts = np.bincount(keys)
    n_repeats = dataset.n_rows - len(counts)
    if not n_repeats:
        return
    conflicting, ceiling = _conflicts(dataset, keys, counts)
    share = percent(n_repeats / dataset.n_rows)
    if not are_copies(keys, dataset.y):
        action = (
            "Equal rows mostly come with different answers, or there are few distinct ones: these are different cases "
            "that look alike, so they are split like any other rows."
        )
    elif dataset.time is not None:
        action = "Time decides the splits; copies of test rows are left out of training."
    elif len(np.unique(np.stack([keys, dataset.groups]), axis=1)[0]) > len(counts):
        action = (
            "They occur in so many of the groups that to keep them together would make most rows one group: the groups "
            "decide the splits, and identical rows may be on both sides."
        )
    else:
        action = "Identical rows are kept on one side of every split, so that no model is tested on what it has seen."
    yield Finding(
        "duplicate rows",
        "info" if n_repeats < dataset.n_rows / 10 else "warning",
        (),
        f"{n_repeats:,} of {dataset.n_rows:,} rows ({share}) repeat{'s' * (n_repeats == 1)} the inputs of an earlier "
        "row.",
        action,
    )
    if conflicting:
        bound = f" No model can be right in more than {ceiling:.1%} of the rows." if ceiling and ceiling < 0.999 else ""
        yield Finding(
            "contradicting rows",
            "warning" if conflicting > dataset.n_rows / 20 else "info",
            (dataset.task.target,),
            f"{conflicting:,} rows have the same inputs as another row but a different {dataset.task.target!r}.{bound}",
            "Nothing is changed; this error is irreducible, since these columns cannot tell those rows apart.",
        )


def _conflicts(dataset: Dataset, keys: IntArray, counts: IntArray) -> tuple[int, float | None]:
    """Rows in a set of identical rows with more than one answer, and the best accuracy such rows allow."""
    answers = number_groups(dataset.y)
    low, high = np.full(len(counts), np.iinfo(np.int64).max), np.full(len(counts), -1)
    np.minimum.at(low, keys, answers)
    np.maximum.at(high, keys, answers)
    conflicting = int(counts[low != high].sum())
    if not conflicting or not dataset.task.one_class_a_row:
        return conflicting, None
    k = len(dataset.task.classes)
    pairs, n = np.unique(keys * k + dataset.y, return_counts=True)
    most = np.zeros(len(counts), dtype=np.int64)
    np.maximum.at(most, pairs // k, n)
    return conflicting, float(most.sum() / dataset.n_rows)


def _target(dataset: Dataset) -> Iterator[Finding]:
    name = dataset.task.target
    if not dataset.task.predicts_probabilities:
        yield from _number_target(name, dataset.y)
        return
    several = not dataset.task.one_class_a_row
    counts = dataset.y.sum(axis=0) if several else np.bincount(dataset.y, minlength=len(dataset.task.classes))
    few = [(label, n) for label, n in zip(dataset.task.classes, counts.tolist(), strict=True) if n < FEW_PER_CLASS]
    if few:
        have = ("label has", "labels have") if several else (f"class of {name!r} has", f"classes of {name!r} have")
        shown = ", ".join(f"{label!r} ({n})" for label, n in few[:5]) + (" and others" if len(few) > 5 else "")
        yield Finding(
            "few rows per label" if several else "few rows per class",
            "serious" if min(n for _, n in few) < 3 else "warning",
            (name,),
            f"{plain_count(len(few), *have)} fewer than {FEW_PER_CLASS} rows: {shown}.",
            "No score can say how well they are told; collect more rows that have them, or leave out these labels."
            if several
            else "They are dealt to the folds one by one, but no score can say how well they are recognised; collect "
            "more of them, or merge or leave out these classes.",
        )
    if several:
        return
    share = counts.min() / counts.sum()
    if counts.min() < IMBALANCED * counts.max():
        label = dataset.task.classes[int(counts.argmin())]
        yield Finding(
            "imbalance",
            "warning",
            (name,),
            f"The classes of {name!r} are unequal: {label!r} has {counts.min():,} of {counts.sum():,} rows "
            f"({share:.1%}), so always answering {dataset.task.classes[int(counts.argmax())]!r} is right in "
            f"{counts.max() / counts.sum():.1%}.",
            "Splits keep the proportions, class weights are tried as candidates, and the baseline shows what accuracy "
            "is worth.",
        )


def _number_target(name: str, y: FloatArray) -> Iterator[Finding]:
    for edge, word in ((y.max(), "largest"), (y.min(), "smallest")):
        n = int((y == edge).sum())
        if n > max(20, 0.01 * len(y)) and len(np.unique(y)) > 100:
            yield Finding(
                "capped target",
                "info",
                (name,),
                f"{n:,} rows ({n / len(y):.1%}) share the {word} value of {name!r}, {number(edge, 6)}, as if it had "
                "been cut off there.",
                "They are used as they are; a model cannot tell what lies beyond.",
            )
    far = count_outliers(y)
    if far:
        yield Finding(
            "heavy tail",
            "info",
            (name,),
            f"{name!r} has {far} extreme value{'s' * (far > 1)}, up to {number(_farthest(y))} around a median of "
            f"{number(np.median(y))}.",
            "Squared errors are ruled by them, so the scores table also shows the mean absolute error.",
        )


def _order(dataset: Dataset) -> Iterator[Finding]:
    """Rows in the order of a date, split at random: neighbours in time would stand on both sides."""
    if dataset.time is not None:
        return
    for column in dataset.inputs.columns:
        steps = np.diff(column.values) if column.kind == "datetime" else np.empty(0)
        if len(steps) and (np.all(steps >= 0) or np.all(steps <= 0)):
            yield Finding(
                "rows in order of time",
                "warning",
                (column.name,),
                f"The rows are in the order of {column.name!r}. Split at random, a test row has neighbours in time "
                "among the training rows, which flatters every model if it is meant to predict the future.",
                "Splits are random as asked; if the model is to predict the future, fit again with "
                f"time={column.name!r} (--time).",
            )
            return


def _shape(dataset: Dataset) -> Iterator[Finding]:
    n_columns = len(dataset.inputs.columns)
    if n_columns > dataset.n_rows:
        yield Finding(
            "more columns than rows",
            "warning",
            (),
            f"There are {n_columns} columns and only {dataset.n_rows} rows: some columns fit the answer by chance.",
            "Models are held back by regularisation chosen on validation rows; trust the spread between folds, not one "
            "score.",
        )
    elif dataset.n_rows < 200:
        yield Finding(
            "few rows",
            "warning",
            (),
            f"There are {dataset.n_rows} rows; with five folds a score rests on {dataset.n_rows // 5} at a time.",
            "Differences between models are judged with that in mind, and the verdict may be that nothing can be told "
            "yet.",
        )


def _farthest(values: FloatArray) -> float:
    return float(values[np.abs(values - np.median(values)).argmax()])
