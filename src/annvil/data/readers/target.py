"""The target column: classes or numbers, and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.readers.convert import Parsed, long_numbers, read_dates, read_numbers, refuse_infinite, refuse_odd
from annvil.data.readers.learn_numbers import Habit
from annvil.data.readers.raw import RawColumn
from annvil.data.readers.values import MISSING_TEXTS, means_yes, respelt
from annvil.errors import DataError, RequestError, did_you_mean, name_rows
from annvil.tasks.base import FloatArray, IntArray, Label, Task
from annvil.tasks.union import TASKS, make_task
from annvil.text.phrases import quoted
from annvil.text.quantities import number

FEW_CLASSES = 20
"""Whole numbers with at most so many different values may be class codes (assumed)."""

ROWS_PER_CLASS = 10
"""… when each occurs so often on average (assumed)."""

MOST_CLASSES = 1000
"""More classes than this are refused (assumed): no metric of a fold would mean anything."""

Answers = tuple[Task, NDArray[Any], NDArray[np.bool_]]
MISSING_LABELS = MISSING_TEXTS - {"None"}
"""Texts that mean "no value" among labels: None is as often the class without a finding ("None, Apnea, Insomnia")."""

_POSITIVE = {"positive", "pos", "+", "present", "case"}


def read_target(
    raw: RawColumn,
    asked: str | None,
    *,
    missing: Collection[str] = (),
    usual: Collection[str] = MISSING_LABELS,
    habit: Habit = "",
    where: str,
) -> Answers:
    """Task, values and gaps of the target.

    Returns the task, ``y`` (int64 codes into its classes, -1 where missing, or float64 with NaN), and bool
    ``(n_rows,)`` telling where the target is missing. ``usual`` are the texts that mean "no value" unasked; ``habit``
    is the decimal sign of the rest of the source.

    Raises
    ------
    RequestError
        Where ``asked`` is no task, or cannot be put to this column.
    DataError
        Where the column holds one class, hardly repeating texts, infinite values, or is empty.
    """
    if asked is not None and asked not in TASKS:
        raise RequestError(f"There is no task {asked!r}; tasks are {', '.join(TASKS)}.{did_you_mean(asked, TASKS)}")
    if asked == "multilabel":
        raise RequestError(
            f"The target {raw.name!r} of {where} is one class each, so the task cannot be multilabel; that takes "
            "several columns of 0 and 1, or a column of lists such as 'cat|dog'."
        )
    if raw.storage == "nested":
        raise DataError(f"The target {raw.name!r} of {where} holds lists or records; it must hold classes or numbers.")
    is_a_date = f"The target {raw.name!r} of {where} is a date; predict a number (such as days until then) or a class."
    if raw.storage == "date":
        raise DataError(is_a_date)
    numbers = read_numbers(raw, missing=missing, habit=habit)
    all_numbers = raw.storage == "text" and raw.label == "str" and raw.levels and not len(numbers.odd)
    if asked == "regression":
        refuse_odd(raw, numbers, where, "a number")
        return _regression(raw.name, numbers.values, "; ".join(["as asked", *numbers.said]), where)
    if (whole := long_numbers(raw, missing)) is not None:
        k, n = len(whole.levels), int((whole.values >= 0).sum())
        if not asked and k > 2 and (k > FEW_CLASSES or n < ROWS_PER_CLASS * k):
            return _regression(raw.name, numbers.values, _number_reason(np.unique(numbers.values)), where)
        reason = "as asked" if asked else f"{raw.name!r} has {k} numbers of 16 and more digits, which name something"
        return _classes(raw, *_text_labels(whole, ()), reason, asked, where)
    if raw.storage == "number" or all_numbers:
        gaps = np.isnan(numbers.values)
        distinct = np.unique(numbers.values[~gaps])
        reason = "as asked" if asked else _class_reason(raw.name, distinct, int((~gaps).sum()))
        if not reason:
            pair = respelt(raw.levels, comma="comma" in numbers.style.split())
            one = "{} and {} are read as one number; to keep them apart, ask for task multiclass (--task multiclass)"
            said = [*numbers.said, *([one.format(*map(quoted, pair))] if pair else [])]
            return _regression(raw.name, numbers.values, "; ".join([_number_reason(distinct), *said]), where)
        if raw.storage == "number":
            refuse_infinite(raw.name, numbers.values, f"the target in {where}")
            return _classes(raw, *_number_labels(raw, numbers.values, distinct), reason, asked, where)
    if not asked and _are_mostly_numbers(numbers):
        refuse_odd(raw, numbers, f"the target in {where}", "a number")
    labels, codes = _text_labels(raw, {*missing, *(MISSING_TEXTS if raw.label == "bool" else usual)})
    if len(labels) > FEW_CLASSES and not len(read_dates(raw, missing=missing).odd):
        raise DataError(is_a_date)
    what = "true and false" if raw.storage == "boolean" else f"{len(labels)} different texts"
    return _classes(raw, labels, codes, "as asked" if asked else f"{raw.name!r} has {what}", asked, where)


def _are_mostly_numbers(numbers: Parsed) -> bool:
    """Whether a few texts stand among so many different numbers that these are no classes."""
    return len(np.unique(numbers.values)) > max(FEW_CLASSES, 5 * len(numbers.odd))


def _class_reason(name: str, distinct: FloatArray, n: int) -> str:
    """Why numbers are taken for class codes, or an empty string where they are taken for quantities."""
    k = len(distinct)
    if k <= 2:
        return f"{name!r} has {'one value only' if k == 1 else f'{k} different values'}"
    if k > FEW_CLASSES or n < ROWS_PER_CLASS * k or not np.all(distinct == np.floor(distinct)):
        return ""
    low, high = distinct[0], distinct[-1]
    if low in (-1, 0, 1) and high - low + 1 <= 1.5 * k:
        return (
            f"{name!r} has {k} whole numbers from {low:.0f} to {high:.0f}, which look like codes of classes; "
            "if they are amounts or grades, ask for task regression (--task regression)"
        )
    return ""


def _number_reason(distinct: FloatArray) -> str:
    k = len(distinct)
    if k and np.all(distinct == np.floor(distinct)):
        hint = "; if they are classes, ask for task multiclass (--task multiclass)" if k <= 100 else ""
        return f"whole numbers from {number(distinct[0], 6)} to {number(distinct[-1], 6)}, {k:,} different{hint}"
    return f"numbers with fractions, {k:,} different" if k else "numbers"


def _regression(name: str, values: FloatArray, reason: str, where: str) -> Answers:
    gaps = np.isnan(values)
    if gaps.all():
        raise DataError(f"The target {name!r} of {where} has no value in any row.")
    refuse_infinite(name, values, f"the target in {where}")
    present = values[~gaps]
    if np.all(present == present[0]):
        raise DataError(
            f"The target {name!r} of {where} is {number(present[0], 6)} in every row; there is nothing to predict."
        )
    return make_task("regression", name, (), reason), values.astype(np.float64), gaps


def _number_labels(raw: RawColumn, values: FloatArray, distinct: FloatArray) -> tuple[list[Label], IntArray]:
    if len(distinct) > MOST_CLASSES:
        raise DataError(
            f"The target {raw.name!r} has {len(distinct)} different numbers; as classes at most {MOST_CLASSES} are "
            "possible."
        )
    codes = np.where(np.isnan(values), -1, np.searchsorted(distinct, values))
    labels: list[Label] = [*map(int if raw.label == "int" else float, distinct)]
    return labels, codes.astype(np.int64)


def _text_labels(raw: RawColumn, missing: Collection[str]) -> tuple[list[Label], IntArray]:
    """Labels in alphabetical order, spelt as the user did; booleans as False and True."""
    used = np.unique(raw.values[raw.values >= 0]).tolist()
    keep = sorted((i for i in used if raw.levels[i] not in missing), key=raw.levels.__getitem__)
    lookup = np.full(len(raw.levels) + 1, -1, dtype=np.int64)
    lookup[keep] = np.arange(len(keep))
    texts = [raw.levels[i] for i in keep]
    if raw.storage == "boolean" or raw.label == "bool":
        return [text.lower() == "true" for text in texts], lookup[raw.values]
    labels: list[Label] = [*map({"int": int, "float": float}.get(raw.label, str), texts)]
    if raw.label in ("int", "float"):  # in their own order, which is not that of their texts
        order = sorted(range(len(labels)), key=labels.__getitem__)
        labels, lookup[keep] = [labels[place] for place in order], np.argsort(order)
    return labels, lookup[raw.values]


def _classes(
    raw: RawColumn, labels: list[Label], codes: IntArray, reason: str, asked: str | None, where: str
) -> Answers:
    n = int(np.sum(codes >= 0))
    if not labels:
        raise DataError(f"The target {raw.name!r} of {where} has no value in any row.")
    if len(labels) == 1:
        words = words_of_gaps(raw, codes < 0)
        said = f" that has a value ({' and '.join(map(quoted, words[:3]))} count as none)" if words else ""
        raise DataError(
            f"The target {raw.name!r} of {where} is {labels[0]!r} in every row{said}; a model needs examples of at "
            "least two classes."
        )
    if len(labels) > MOST_CLASSES or (len(labels) > FEW_CLASSES and 2 * len(labels) > n):
        raise DataError(
            f"The target {raw.name!r} of {where} has {len(labels)} different texts in {n} rows "
            f"({', '.join(quoted(str(label)) for label in labels[:3])}, …); classes must repeat."
        )
    if asked == "binary" and len(labels) > 2:
        raise RequestError(
            f"The target {raw.name!r} has {len(labels)} classes, so the task cannot be binary; ask for multiclass."
        )
    if len(labels) > 2:
        return make_task("multiclass", raw.name, tuple(labels), reason), codes, codes < 0
    positive, why = _positive(labels, codes)
    if positive == 0:
        labels, codes = labels[::-1], np.where(codes < 0, -1, 1 - codes)
    said = f"{reason}; {labels[1]!r} is the positive class, because {why}"
    return make_task("binary", raw.name, tuple(labels), said), codes, codes < 0


def _positive(labels: list[Label], codes: IntArray) -> tuple[int, str]:
    """Which of two classes is the positive one: the one that says yes, else the rarer, else the second."""
    says = [_says_yes(label) for label in labels]
    if says[0] is not says[1]:
        at = 1 if says[1] or says[0] is False else 0
        return at, "it means yes" if says[at] else "the other means no"
    counts = np.bincount(codes[codes >= 0], minlength=2)
    if counts[0] == counts[1]:
        return 1, "it comes second in order (both are equally frequent)"
    return int(np.argmin(counts)), "it is rarer"


def _says_yes(label: Label) -> bool | None:
    if isinstance(label, str):
        return True if label.lower() in _POSITIVE else means_yes(label)
    return True if label == 1 else False if label == 0 else None


def refuse_gaps(gaps: NDArray[np.bool_], name: str, where: str, words: Sequence[str] = ()) -> None:
    """Raise where the target is missing, naming rows, the words that stand there (`words_of_gaps`), and the way out."""
    rows = np.flatnonzero(gaps)
    if len(rows):
        said = f", where it says {' or '.join(map(quoted, words[:3]))}" if words else ""
        raise DataError(
            f"The target {name!r} of {where} is missing in {name_rows(rows[:5].tolist(), len(rows))}{said}; fill it "
            "in, or leave those rows out with drop_missing_target=True (--drop-missing-target)."
        )


def words_of_gaps(raw: RawColumn, gaps: NDArray[np.bool_]) -> tuple[str, ...]:
    """The texts in rows without a target: what means "no value" to us may be a class to whoever wrote it."""
    if raw.storage != "text":
        return tuple(raw.tokens)
    return tuple(raw.levels[code] for code in np.unique(raw.values[gaps]).tolist() if code >= 0)
