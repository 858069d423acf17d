"""Which kind of data a source is, and which options there are altogether."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from annvil.data.plugins import all_kinds, kind_named, leave_out
from annvil.errors import RequestError
from annvil.kinds.base import Kind
from annvil.kinds.commands import Command
from annvil.kinds.found import Progress
from annvil.options import Declared, FitOptions, ReadOptions, check_names, cleaned, declared, listed_in

if TYPE_CHECKING:  # the command line makes its options from here: its help must load no library
    from annvil.data.dataset import Dataset
    from annvil.data.findings import Finding
    from annvil.data.form import Inputs
    from annvil.data.readers.opened import Opened


def kinds() -> tuple[Kind, ...]:
    """All that can be used, in the order in which they are asked.

    One that calls an option or a command as a kind before it does (those that come along are first), or an option as
    every kind does, and means something else by it, is left out with a `annvil.data.plugins.KindNotice`.
    """
    usable: list[Kind] = []
    for kind in all_kinds():
        clash = _clash(kind, usable)
        if clash is None:
            usable.append(kind)
        else:
            leave_out(f"The kind of data {kind.name!r} is left out: {clash}. One of them must rename it.")
    return tuple(sorted(usable, key=lambda kind: (kind.rank, kind.name)))


COMMAND_OPTIONS: Mapping[str, Callable[[Kind], type[msgspec.Struct]]] = {
    "predict": lambda kind: kind.PredictOptions,
    "explain": lambda kind: kind.ExplainOptions,
}
"""Commands of which kinds have options of their own."""


def _clash(kind: Kind, others: Iterable[Kind]) -> str | None:
    """What it means otherwise than one of the others does by the same name."""
    taken: list[tuple[str, type[msgspec.Struct], Mapping[str, Command]]] = [("every kind", FitOptions, {})]
    taken += [(repr(one.name), one.Options, one.commands) for one in others]
    for where, options_of in COMMAND_OPTIONS.items():
        theirs_all = [theirs for one in others for theirs in declared(options_of(one))]
        for mine, theirs in product(declared(options_of(kind)), theirs_all):
            if mine.spellings & theirs.spellings and mine != theirs:
                return f"by the option {min(mine.spellings & theirs.spellings)} of {where} it means other things"
    for owner, options, commands in taken:
        for mine, theirs in product(declared(kind.Options), declared(options)):
            if mine.spellings & theirs.spellings and mine != theirs:
                return f"by the option {min(mine.spellings & theirs.spellings)} it means other things than {owner}"
        for name, command in kind.commands.items():
            if commands.get(name, command) != command:
                return f"by the command {name!r} it means other things than {owner}"
    return None


def kind_of(opened: Opened) -> Kind:
    """The kind that claims a source.

    Raises
    ------
    RequestError, DataError
        When none does, or the source cannot be opened.
    """
    for kind in kinds():
        if kind.claims(opened) is not None:
            return kind
    raise RequestError(f"{type(opened.source).__name__} is nothing that can be read: {sources()}.")


def sources() -> str:
    """What `fit` takes, for people."""
    return ", or ".join(kind.words.sources for kind in reversed(kinds()))


def options_of_kinds() -> Mapping[str, tuple[Declared, tuple[Kind, ...]]]:
    """Every option that is not of every kind, by name, and the kinds that have it; two kinds mean the same by it."""
    found: dict[str, tuple[Declared, tuple[Kind, ...]]] = {}
    for kind in kinds():
        for one in declared(kind.Options):
            first, owners = found.get(one.name, (one, ()))
            found[one.name] = first, (*owners, kind)
    return found


def fit_options() -> list[Declared]:
    """Every option of a fit, whatever the data are."""
    *generic, out = declared(FitOptions)
    return [*generic, *(one for one, _ in options_of_kinds().values()), out]


def command_options(command: str) -> Mapping[str, Declared]:
    """Every option of ``annvil predict`` or ``explain`` that only some kinds have, by name; two kinds mean the same by
    it."""
    return {one.name: one for kind in kinds() for one in declared(COMMAND_OPTIONS[command](kind))}


def command_options_for(command: str, kind: Kind, given: Mapping[str, Any], model: str) -> Any:
    """The kind's options of that command.

    Raises
    ------
    RequestError
        When one of them is for models of another kind.
    """
    check_names(given, command_options(command), command)
    options = COMMAND_OPTIONS[command](kind)
    own = {one.name for one in declared(options)}
    for name in given:
        if name not in own:
            flag = command_options(command)[name].flag
            raise RequestError(f"{flag} does not go with {model}, a model of {kind.words.data[0]}; leave it out.")
    return cleaned(options, given, command)


def check_values(given: Mapping[str, Any]) -> None:
    """Refuse values of kinds' options that nothing could mean, before anything is read or timed.

    Raises
    ------
    RequestError
        When a value is refused.
    """
    known = options_of_kinds()
    for name, value in given.items():
        known[name][0].option.clean(value)


def options_for(kind: Kind, given: Mapping[str, Any], where: str, caller: str = "fit()") -> Any:
    """The kind's options from those given by name.

    Raises
    ------
    TypeError
        When no kind knows one of the names.
    RequestError
        When one of them is for another kind and results would depend on it, or a value is refused.
    """
    known = options_of_kinds()
    check_names(given, known, caller)
    own = {one.name for one in declared(kind.Options)}
    for name, value in given.items():
        one, owners = known[name]
        if name not in own and one.option.kept and value != one.default:
            for_these = " and ".join(owner.words.data[0] for owner in owners)
            raise RequestError(
                f"{name} ({one.flag}) is for {for_these}, and {where} is {kind.words.data[1]}; leave it out."
            )
    return cleaned(kind.Options, {name: value for name, value in given.items() if name in own}, caller)


def read(source: Any, *, progress: Progress | None = None, **options: Any) -> Dataset[Any]:
    """A data set ready to learn from.

    Parameters
    ----------
    source : path of a CSV/TSV, Parquet, Arrow/Feather, JSON lines or Excel file (text formats also as .gz or .zip);
        ``"sample:NAME"`` (see `annvil.data.readers.samples.sample_names`); a pandas, Polars or PyArrow frame or
        anything narwhals understands; a dict of columns; a list of dicts; or arrays ``(X, y)``; whatever else a kind
        of data claims
    progress : told how many things are decoded, and of how many
    options : those of `annvil.fit` that concern reading

    Raises
    ------
    RequestError
        Where an argument names something that does not exist.
    DataError
        Where the data cannot be used as it is; the message names column and rows.
    TypeError
        For an unknown option, with the nearest that are known.
    """
    from annvil.data.readers.opened import Opened

    generic = {one.name for one in declared(ReadOptions)}
    check_names(options, (*generic, *options_of_kinds()), "read()")
    ask = cleaned(ReadOptions, {name: value for name, value in options.items() if name in generic}, "read()")
    rest = {name: value for name, value in options.items() if name not in generic}
    opened = Opened(source, ask, rest)
    kind = kind_of(opened)
    return kind.read(opened, options_for(kind, rest, name_of(source), "read()"), progress)


listed_in(read, [*declared(ReadOptions), *(one for one, _ in options_of_kinds().values())])


def name_of(source: Any) -> str:
    """A source in a message."""
    return Path(source).name if isinstance(source, str | Path) else "what is given"


def holder(dataset: Dataset[Inputs]) -> Kind:
    """The kind of a data set that is at hand."""
    found: Kind = kind_named(dataset.inputs.form.kind)
    return found


def audit(dataset: Dataset[Inputs], *, seed: int = 0) -> tuple[Finding, ...]:
    """Everything found, the most serious first. Long data are sampled where every row is not needed."""
    rank = {"serious": 0, "warning": 1, "info": 2}
    own = holder(dataset)
    others = (one for kind in kinds() if kind.name != own.name for one in kind.recognises(dataset))
    return tuple(sorted((*own.audit(dataset, seed), *others), key=lambda finding: rank[finding.severity]))
