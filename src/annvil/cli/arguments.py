"""The options, declared once: the help, the documentation and the call are made from these."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from annvil.data.plugins import all_kinds
from annvil.errors import RequestError

_ROLES, _COLUMNS, _OUTPUT = "What is asked", "Columns and values", "Output"

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A file (csv, tsv, parquet, feather, jsonl, xlsx), pictures (a folder, zip, npz or idx files, a table of "
        "paths), or a sample, such as sample:breast-cancer.",
        show_default=False,
    ),
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        "-t",
        metavar="COLUMN",
        help="The column to predict; may be repeated for columns of 0 and 1, several labels at once.",
        rich_help_panel=_ROLES,
        show_default=False,
    ),
]
Budget = Annotated[
    str,
    typer.Option(
        "--budget",
        "-b",
        metavar="TIME",
        help="Time from reading to report: 60s, 2m, 1h30m, or seconds.",
        rich_help_panel=_ROLES,
    ),
]
MetricName = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="What decides: roc_auc, accuracy, balanced_accuracy, f1, average_precision, log_loss or brier for "
        "classes; r2, rmse or mae for numbers; micro_f1, subset_accuracy or hamming_loss for several labels at once, "
        "which also have all but the accuracies of classes. Default: roc_auc for two classes, accuracy for more, r2 "
        "for numbers, average_precision for several labels.",
        rich_help_panel=_ROLES,
        show_default=False,
    ),
]
Worth = Annotated[
    float | None,
    typer.Option(
        "--worth",
        metavar="NUMBER",
        help="The gain in the metric that would justify a network. Default: 0.01 of a score, 1% of the dummy's error.",
        rich_help_panel=_ROLES,
        show_default=False,
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(
        "--groups",
        metavar="COLUMN",
        help="Column whose rows belong together, such as patient: never on both sides of a split. For pictures also a "
        "table of paths and groups.",
        rich_help_panel=_ROLES,
        show_default=False,
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="COLUMN",
        help="Column with the time: the past predicts the future, never the reverse.",
        rich_help_panel=_ROLES,
        show_default=False,
    ),
]
TaskName = Annotated[
    str | None,
    typer.Option(
        "--task",
        metavar="KIND",
        help="binary, multiclass or regression, or multilabel for lists of labels, where the guess is wrong.",
        rich_help_panel=_ROLES,
        show_default=False,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="NUMBER",
        min=0,
        help="Repeats a run with the same splits and weights.",
        rich_help_panel=_ROLES,
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="NAMES",
        help="Use only these columns (a,b,c; may be repeated).",
        rich_help_panel=_COLUMNS,
        show_default=False,
    ),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        metavar="NAMES",
        help="Leave these columns out (a,b,c; may be repeated).",
        rich_help_panel=_COLUMNS,
        show_default=False,
    ),
]
As = Annotated[
    list[str] | None,
    typer.Option(
        "--as",
        metavar="COLUMN=KIND",
        help="Read a column as number, category, boolean or datetime (may be repeated).",
        rich_help_panel=_COLUMNS,
        show_default=False,
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        "--missing",
        metavar="TEXT",
        help="A text that means 'no value', such as n/a or -999 (may be repeated).",
        rich_help_panel=_COLUMNS,
        show_default=False,
    ),
]
DropMissingTarget = Annotated[
    bool,
    typer.Option(
        "--drop-missing-target",
        help="Leave out rows whose target is missing, instead of refusing them.",
        rich_help_panel=_COLUMNS,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="PIXELS",
        help="Side of the pictures to learn from, such as 64, or height and width, such as 48x64. Default: chosen from "
        "the pictures.",
        rich_help_panel=_COLUMNS,
        show_default=False,
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        metavar="NUMBER",
        min=1,
        help="Processes that decode pictures side by side.",
        rich_help_panel=_COLUMNS,
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="For pictures: a network to go on from, the model of an earlier run or a folder of annvil pretrain. "
        "Default: the small one that ships, where pictures are few.",
        rich_help_panel=_COLUMNS,
        show_default=False,
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        metavar="PATH_OR_NAME",
        help="For pictures: a pretrained network of Hugging Face's transformers instead, a folder or a name.",
        rich_help_panel=_COLUMNS,
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder of runs.", rich_help_panel=_OUTPUT)]
ShowPreparation = Annotated[
    bool,
    typer.Option("--show-preparation", help="Say how raw values were prepared.", rich_help_panel=_OUTPUT),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print the result as JSON on standard output, and nothing else.", rich_help_panel=_OUTPUT
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.", rich_help_panel=_OUTPUT)]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run, such as runs/titanic-1.", show_default=False)
]


def target(given: list[str] | None) -> str | list[str] | None:
    """The one column given, or all of them."""
    return given[0] if given and len(given) == 1 else given or None


def names(given: Iterable[str] | None) -> tuple[str, ...] | None:
    """Column names given as ``a,b,c`` or one by one; names with commas go in double quotes: ``'"a,b",c'``.

    >>> names(["a, b", '"c,d"']), names(None)
    (('a', 'b', 'c,d'), None)
    """
    if given is None:
        return None
    split = (name.strip() for line in csv.reader(given, skipinitialspace=True) for name in line)
    return tuple(dict.fromkeys(name for name in split if name))


def kinds(given: Iterable[str] | None) -> dict[str, str]:
    """``col=kind`` pairs; the last equals sign parts them, so names may contain others.

    Raises
    ------
    RequestError
        When a pair has no equals sign. Whether there is such a kind is judged where columns are read.
    """
    found = {}
    for pair in given or ():
        name, sign, kind = (text.strip() for text in pair.rpartition("="))
        if not sign or not name:
            raise RequestError(f"--as takes COLUMN=KIND, such as --as zip=category; got {pair!r}.")
        found[name] = kind
    return found


def studies() -> str:
    """What `annvil compare` can measure, by name."""
    return " ".join(f"{name}: {study.help}" for kind in all_kinds() for name, study in kind.studies.items())
