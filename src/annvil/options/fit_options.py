"""The options of a fit that every kind of data has: what people give, what is kept of it, and how it is typed again."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from annvil.errors import RequestError
from annvil.options.declaring import COLUMNS, OUTPUT, Option
from annvil.text.quantities import seconds_of
from annvil.text.safe import composed, tidy

SHORTEST_BUDGET = 5.0
"""Seconds; importing the libraries alone takes two to three (measured)."""

LONGEST_BUDGET = 7 * 24 * 3600.0
"""Seconds (assumed)."""

_TABLES = frozenset((".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson", ".feather", ".arrow", ".xlsx"))
"""Endings of files that may hold a table of groups."""


def budget_in_seconds(budget: str | float) -> float:
    """Seconds of a budget written as ``"90"``, ``"60s"``, ``"2m"``, ``"1h30m"`` or given as a number.

    >>> budget_in_seconds("1h30m"), budget_in_seconds("2m"), budget_in_seconds(45)
    (5400.0, 120.0, 45.0)
    """
    seconds = seconds_of(budget)
    if not seconds >= SHORTEST_BUDGET:
        raise RequestError(f"The budget of {seconds:g} s is too short: the shortest is {SHORTEST_BUDGET:g} s.")
    if seconds > LONGEST_BUDGET:
        raise RequestError(f"The budget of {seconds:g} s is too long: the longest is {LONGEST_BUDGET:g} s (a week).")
    return seconds


def lasting(path: str | Path) -> str:
    """The path so that it is found from any folder; a sample keeps its name."""
    return str(path) if str(path).startswith("sample:") else str(Path(path).absolute())


def _lasting_run(run: str | Path | None) -> str | None:
    return None if run is None else lasting(run)


def _lasting_groups(groups: str | Path | None) -> str | None:
    """The name of a column as it is; the path of a table of groups, so that it is found from any folder."""
    if groups is None:
        return None
    return lasting(groups) if Path(groups).suffix.lower() in _TABLES and Path(groups).is_file() else str(groups)


def _texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*(?:,|$)', re.DOTALL)


def split_names(given: Iterable[str]) -> tuple[str, ...]:
    """Column names given as ``a,b,c`` or one by one; names with commas or outer spaces go in double quotes.

    >>> split_names(["a, b", '"c,d"'])
    ('a', 'b', 'c,d')
    """
    found: list[str] = []
    for line in given:
        at = 0
        while at < len(line):
            match = _NAME.match(line, at)
            assert match is not None, "the second branch takes anything"
            name = match[2] if match[1] is None else match[1].replace('""', '"')
            found += [name] if name else []
            at = match.end()
    return tuple(dict.fromkeys(found))


def quoted_name(name: str) -> str:
    """A name as `split_names` reads it."""
    plain = name and name == name.strip() and not name.startswith('"') and not {",", "\n", "\r"} & set(name)
    return name if plain else '"' + name.replace('"', '""') + '"'


def _as_name(name: Any) -> Any:
    """A column's name as tables hold it: numbers, as `pandas.DataFrame(array)` names columns, are texts there."""
    if isinstance(name, numbers.Real):
        return str(name)
    return composed(name) if isinstance(name, str) else name


def _as_tidy_texts(texts: Iterable[Any]) -> tuple[str, ...]:
    return tuple(tidy(str(text)) for text in texts)


def _as_names(names: Iterable[Any] | None) -> tuple[Any, ...] | None:
    return None if names is None else tuple(map(_as_name, names))


def _as_target(target: Any) -> Any:
    """One name, or a tuple of several."""
    is_one = target is None or isinstance(target, str) or not isinstance(target, Iterable)
    return _as_name(target) if is_one else _as_names(target)


def _as_kinds(kinds: Mapping[Any, str] | None) -> dict[Any, str]:
    return {_as_name(name): kind for name, kind in dict(kinds or {}).items()}


def _of_names(help: str) -> Option:
    """An option that takes names of columns."""
    return Option(
        help,
        metavar="NAMES",
        panel=COLUMNS,
        repeated=True,
        clean=_as_names,
        read=split_names,
        write=lambda names: (",".join(map(quoted_name, names)),),
    )


def split_kinds(given: Iterable[str]) -> dict[str, str]:
    """``col=kind`` pairs; the last equals sign parts them, so names may contain others.

    >>> split_kinds(["zip=category", '" a b"=number'])
    {'zip': 'category', ' a b': 'number'}

    Raises
    ------
    RequestError
        When a pair has no equals sign. Whether there is such a kind is judged where columns are read.
    """
    found = {}
    for pair in given:
        name, sign, kind = (text.strip() for text in pair.rpartition("="))
        if not sign or not name:
            raise RequestError(f"--as takes COLUMN=KIND, such as --as zip=category; got {pair!r}.")
        if len(name) > 1 and name[0] == name[-1] == '"':
            name = name[1:-1].replace('""', '"')
        found[name] = kind
    return found


def _kinds_as_texts(kinds: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{quoted_name(name)}={kind}" for name, kind in kinds.items())


# A lambda in these annotations may know builtins only: it is read by `typing.get_type_hints`, outside this module.
Target = Annotated[
    str | tuple[str, ...] | None,
    Option(
        "The column to predict; may be repeated for columns of 0 and 1, several labels at once.",
        short="-t",
        metavar="COLUMN",
        repeated=True,
        clean=_as_target,
        read=lambda given: given[0] if len(given) == 1 else tuple(given),
        write=_texts,
    ),
]
Groups = Annotated[
    str | None,
    Option(
        "Column whose rows belong together, such as patient: never on both sides of a split. Where the data are "
        "files, also a table of paths and groups.",
        metavar="COLUMN",
        clean=_lasting_groups,
    ),
]
Seed = Annotated[int, Option("Repeats a run with the same splits and weights.", metavar="NUMBER", least=0, always=True)]


class ReadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the reading of any data needs to know."""

    target: Target = None
    groups: Groups = None
    time: Annotated[
        str | None,
        Option(
            "Column with the time: the past predicts the future, never the reverse.", metavar="COLUMN", clean=_as_name
        ),
    ] = None
    task: Annotated[
        str | None,
        Option(
            "binary, multiclass or regression, or multilabel for lists of labels, where the guess is wrong.",
            metavar="KIND",
        ),
    ] = None
    columns: Annotated[tuple[str, ...] | None, _of_names("Use only these columns (a,b,c; may be repeated).")] = None
    drop: Annotated[tuple[str, ...], _of_names("Leave these columns out (a,b,c; may be repeated).")] = ()
    kinds: Annotated[
        dict[str, str],
        Option(
            "Read a column as number, category, boolean or datetime (may be repeated).",
            flag="--as",
            metavar="COLUMN=KIND",
            panel=COLUMNS,
            repeated=True,
            clean=_as_kinds,
            read=split_kinds,
            write=_kinds_as_texts,
        ),
    ] = msgspec.field(default_factory=dict)
    missing: Annotated[
        tuple[str, ...],
        Option(
            "A text that means 'no value', such as n/a or -999 (may be repeated).",
            metavar="TEXT",
            panel=COLUMNS,
            repeated=True,
            clean=_as_tidy_texts,
            read=tuple,
            write=_texts,
        ),
    ] = ()
    drop_missing_target: Annotated[
        bool, Option("Leave out rows whose target is missing, instead of refusing them.", panel=COLUMNS)
    ] = False


class FitOptions(ReadOptions, frozen=True, kw_only=True):
    """What `fit` may be told whatever the data are."""

    budget: Annotated[
        float,
        Option(
            "Total time budget, from the start of the command to its end: 60s, 2m, 1h30m, or seconds.",
            short="-b",
            metavar="TIME",
            clean=budget_in_seconds,
            write=lambda seconds: (f"{seconds!r}s".replace(".0s", "s"),),
            always=True,
            shown="2m",
        ),
    ] = 120.0
    metric: Annotated[
        str | None,
        Option(
            "What decides: roc_auc, accuracy, balanced_accuracy, f1, average_precision, log_loss or brier for "
            "classes; r2, rmse or mae for numbers; mase, rmse, mae or smape for forecasts; micro_f1, subset_accuracy "
            "or hamming_loss for several labels at once, which also have all but the accuracies of classes; "
            "word_error_rate or sentence_accuracy for transcripts. Default: roc_auc for two classes, accuracy for "
            "more, r2 for numbers, mase for forecasts, average_precision for several labels, word_error_rate for "
            "transcripts.",
            metavar="NAME",
        ),
    ] = None
    worth: Annotated[
        float | None,
        Option(
            "The gain in the metric that justifies a network. Default: 0.01 of a score, 1% of the baseline's error.",
            metavar="NUMBER",
        ),
    ] = None
    seed: Seed = 0
    use_all: Annotated[
        bool,
        Option(
            "Once the answer is certain, spend what is left of the budget on a better model instead of ending early."
        ),
    ] = False
    explainable: Annotated[
        bool, Option("Only models that a person can read compete: sums of few terms, or a few rules.")
    ] = False
    like: Annotated[
        str | None,
        Option(
            "Do what that run did, in the same order and without a look at the clock: the same data, options and "
            "machine give the same model to the byte.",
            metavar="RUN",
            clean=_lasting_run,
        ),
    ] = None
    out: Annotated[
        str, Option("Folder of runs.", short="-o", metavar="FOLDER", panel=OUTPUT, clean=str, kept=False)
    ] = "runs"
