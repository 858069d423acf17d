"""Every option of a fit, declared once: what it is called, what it takes and what it does.

A group of options is a frozen msgspec struct whose fields are ``Annotated[type, Option(...)]``. From it are made the
flags of the command line and their help, the arguments of `annvil.fit`, ``request.json``, the line that repeats a run,
and the table in the documentation. `FitOptions` are those of every kind of data; each kind has its own beside them.
"""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from annvil.errors import RequestError, did_you_mean
from annvil.text.durations import seconds_of

ASKED, COLUMNS, OUTPUT = "What is asked", "Columns and values", "Output"
"""Panels of the help."""

SHORTEST_BUDGET = 5.0
"""Seconds; importing the libraries alone takes two to three (measured)."""

LONGEST_BUDGET = 7 * 24 * 3600.0
"""Seconds (assumed)."""

_TABLES = frozenset((".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson", ".feather", ".arrow", ".xlsx"))
"""Endings of files that may hold a table of groups."""

S = TypeVar("S", bound=msgspec.Struct)
F = TypeVar("F", bound=Callable[..., Any])


def _same(value: Any) -> Any:
    return value


def _one(value: Any) -> tuple[str, ...]:
    return (str(value),)


@dataclass(frozen=True)
class Option:
    """What there is to know of an option beside its name, type and default.

    Attributes
    ----------
    help : what it does, in words that hold for the command line and for Python
    flag : on the command line; default: the name with hyphens after ``--``
    short : the same in one letter, such as ``-t``
    metavar : what stands for its value in the help; default: a switch without one
    panel : heading of the help under which it is listed
    repeated : whether the flag may be given several times
    clean : what people give → the value that is kept; raises `RequestError`
    read : texts after the flag → what Python would be given; default: the only text
    write : the value that is kept → texts after the flag, from which `read` and `clean` make it again
    least : the smallest number
    kept : whether results depend on it, so that it is part of the request
    argument : whether it is given by its place, without a flag
    always : whether the line that repeats a run names it even at its default
    shown : the default in the help, where it is not the obvious one
    """

    help: str
    flag: str = ""
    short: str = ""
    metavar: str = ""
    panel: str = ASKED
    repeated: bool = False
    clean: Callable[[Any], Any] = _same
    read: Callable[[Sequence[str]], Any] | None = None
    write: Callable[[Any], tuple[str, ...]] = _one
    least: int | None = None
    kept: bool = True
    argument: bool = False
    always: bool = False
    shown: str = ""


@dataclass(frozen=True)
class Declared:
    """An option as declared in a struct."""

    name: str
    type: Any
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        """As it is typed: ``--drop-missing-target``."""
        return self.option.flag or "--" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value on the command line."""
        return self.type is bool

    def words(self, value: Any) -> list[str]:
        """What is typed to give this value; nothing for the default, unless it is always named."""
        if value == self.default and not self.option.always:
            return []
        if self.is_switch:
            return [self.flag]
        typed = []
        for text in self.option.write(value):
            typed += [f"{self.flag}={text}"] if text.startswith("-") else [self.flag, text]
        return typed


def declared(options: type[msgspec.Struct]) -> tuple[Declared, ...]:
    """The options of a struct, in order."""
    hints = get_type_hints(options, include_extras=True)
    found = []
    for field in msgspec.structs.fields(options):
        hint = hints[field.name]
        notes = [note for note in get_args(hint)[1:] if isinstance(note, Option)] if get_origin(hint) else []
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        if notes:
            found.append(Declared(field.name, get_args(hint)[0], default, notes[0]))
    return tuple(found)


def cleaned(options: type[S], given: Mapping[str, Any], caller: str) -> S:
    """The struct of what was given, every value cleaned.

    Raises
    ------
    RequestError
        When a name is unknown, with the nearest that are known, or a value is refused.
    """
    known = {one.name: one for one in declared(options)}
    check_names(given, known, caller)
    return options(**{name: known[name].option.clean(value) for name, value in given.items()})


def check_names(given: Iterable[str], known: Iterable[str], caller: str) -> None:
    """Refuse a name that is not among those known.

    Raises
    ------
    TypeError
        As Python does for an unexpected argument, with the nearest that are known.
    """
    known = list(known)
    for name in given:
        if name not in known:
            raise TypeError(f"{caller} got an unexpected argument {name!r}.{did_you_mean(name, known)}")


def chosen(options: msgspec.Struct) -> dict[str, Any]:
    """Those on which results depend and that are not at their default, by name."""
    values = {one.name: getattr(options, one.name) for one in declared(type(options)) if one.option.kept}
    defaults = {one.name: one.default for one in declared(type(options))}
    return {name: value for name, value in values.items() if value != defaults[name]}


def quoted(words: Iterable[str]) -> str:
    """Words as a shell takes them."""
    return " ".join(map(shlex.quote, words))


# -- what people give, and what is kept of it --------------------------------------------------------------------------


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


def _plain_seconds(seconds: float) -> tuple[str, ...]:
    return (f"{int(seconds)}s" if seconds == int(seconds) else f"{seconds!r}s",)


def lasting(path: str | Path) -> str:
    """The path so that it is found from any folder; a sample keeps its name."""
    return str(path) if str(path).startswith("sample:") else str(Path(path).absolute())


def lasting_groups(groups: str | Path | None) -> str | None:
    """The name of a column as it is; the path of a table of groups, so that it is found from any folder."""
    if groups is not None and Path(groups).suffix.lower() in _TABLES and Path(groups).is_file():
        return lasting(groups)
    return None if groups is None else str(groups)


def _target(target: str | Sequence[str] | None) -> str | tuple[str, ...] | None:
    return target if target is None or isinstance(target, str) else tuple(target)


def _texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _one_or_all(given: Sequence[str]) -> str | tuple[str, ...]:
    return given[0] if len(given) == 1 else tuple(given)


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


def _names_as_text(names: tuple[str, ...]) -> tuple[str, ...]:
    return (",".join(map(quoted_name, names)),)


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


def _names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _stripped(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(text).strip() for text in texts)


# -- the options of every kind -----------------------------------------------------------------------------------------


Target = Annotated[
    str | tuple[str, ...] | None,
    Option(
        "The column to predict; may be repeated for columns of 0 and 1, several labels at once.",
        short="-t",
        metavar="COLUMN",
        repeated=True,
        clean=_target,
        read=_one_or_all,
        write=_texts,
    ),
]
Groups = Annotated[
    str | None,
    Option(
        "Column whose rows belong together, such as patient: never on both sides of a split. Where the data are "
        "files, also a table of paths and groups.",
        metavar="COLUMN",
        clean=lasting_groups,
    ),
]
Seed = Annotated[int, Option("Repeats a run with the same splits and weights.", metavar="NUMBER", least=0, always=True)]


class ReadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the reading of any data needs to know."""

    target: Target = None
    groups: Groups = None
    time: Annotated[
        str | None,
        Option("Column with the time: the past predicts the future, never the reverse.", metavar="COLUMN"),
    ] = None
    task: Annotated[
        str | None,
        Option(
            "binary, multiclass or regression, or multilabel for lists of labels, where the guess is wrong.",
            metavar="KIND",
        ),
    ] = None
    columns: Annotated[
        tuple[str, ...] | None,
        Option(
            "Use only these columns (a,b,c; may be repeated).",
            metavar="NAMES",
            panel=COLUMNS,
            repeated=True,
            clean=_names,
            read=split_names,
            write=_names_as_text,
        ),
    ] = None
    drop: Annotated[
        tuple[str, ...],
        Option(
            "Leave these columns out (a,b,c; may be repeated).",
            metavar="NAMES",
            panel=COLUMNS,
            repeated=True,
            clean=tuple,
            read=split_names,
            write=_names_as_text,
        ),
    ] = ()
    kinds: Annotated[
        dict[str, str],
        Option(
            "Read a column as number, category, boolean or datetime (may be repeated).",
            flag="--as",
            metavar="COLUMN=KIND",
            panel=COLUMNS,
            repeated=True,
            clean=lambda kinds: dict(kinds or {}),
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
            clean=_stripped,
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
            "Time from reading to report: 60s, 2m, 1h30m, or seconds.",
            short="-b",
            metavar="TIME",
            clean=budget_in_seconds,
            write=_plain_seconds,
            always=True,
            shown="2m",
        ),
    ] = 120.0
    metric: Annotated[
        str | None,
        Option(
            "What decides: roc_auc, accuracy, balanced_accuracy, f1, average_precision, log_loss or brier for "
            "classes; r2, rmse or mae for numbers; micro_f1, subset_accuracy or hamming_loss for several labels at "
            "once, which also have all but the accuracies of classes. Default: roc_auc for two classes, accuracy for "
            "more, r2 for numbers, average_precision for several labels.",
            metavar="NAME",
        ),
    ] = None
    worth: Annotated[
        float | None,
        Option(
            "The gain in the metric that would justify a network. Default: 0.01 of a score, 1% of the dummy's error.",
            metavar="NUMBER",
        ),
    ] = None
    seed: Seed = 0
    out: Annotated[
        str, Option("Folder of runs.", short="-o", metavar="FOLDER", panel=OUTPUT, clean=str, kept=False)
    ] = "runs"


# -- how functions show the options they take --------------------------------------------------------------------------


def listed_in(function: F, options: Iterable[Declared]) -> F:
    """The function, whose ``**options`` are these by name: in its signature, and where its docstring says so.

    The docstring ends its parameters with a line ``options : …``; the options are listed below it.
    """
    chosen = list(options)
    plain = list(inspect.signature(function).parameters.values())
    made = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type)
        for one in chosen
    ]
    kept = [parameter for parameter in plain if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    function.__signature__ = inspect.signature(function).replace(parameters=[*kept, *made])  # type: ignore[attr-defined]
    before, line, after = re.split(r"(\n    options : [^\n]*\n)", function.__doc__ or "")
    function.__doc__ = before + line + "".join(f"    {one.name} : {one.option.help}\n" for one in chosen) + after
    return function


def as_table(options: Iterable[Declared]) -> str:
    """The options as a table in Markdown: how they are typed, their names in Python, what they do."""
    lines = ["| command line | Python | |", "|---|---|---|"]
    for one in options:
        typed = " ".join(filter(None, [one.flag, one.option.metavar]))
        default = one.option.shown or ("" if one.default in (None, False, (), {}) else str(one.default))
        told = f" Default: {default}." if default else ""
        lines.append(f"| `{typed}` | `{one.name}` | {one.option.help}{told} |".replace("''", "'"))
    return "\n".join(lines) + "\n"
