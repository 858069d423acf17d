"""From keywords, flat or in groups, to `Settings`; and what follows from their declaration for signatures and help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, get_type_hints

import msgspec

from annvil.errors import RequestError
from annvil.options import check_names
from annvil.trainer.arguments import settings as kinds
from annvil.trainer.arguments.declaration import Declared, declared_in
from annvil.trainer.arguments.settings import Settings
from annvil.training.recipe import ExecutionMode, Optimizer, Precision

COMMON = ("loss", "metrics", "epochs", "batch_size", "learning_rate", "patience", "seed")
"""Flat keywords that signatures show; the others are in the help."""

Function = TypeVar("Function", bound=Callable[..., Any])


class SharedOptions(TypedDict, total=False):
    """The keywords of `annvil.train` that `annvil.tune_batch` takes as well, for type checkers."""

    optimizer: kinds.Optimizer | Mapping[str, Any] | Optimizer | None
    schedule: kinds.Schedule | Mapping[str, Any] | str | Callable[[float], float] | None
    stop: kinds.Stop | Mapping[str, Any] | None
    batches: kinds.Batches | Mapping[str, Any] | Literal["equal", "exact"] | None
    regularization: kinds.Regularization | Mapping[str, Any] | None
    execution: kinds.Execution | Mapping[str, Any] | ExecutionMode | None
    sample_weight: Any
    class_weight: Any
    loss: Any
    metrics: Any
    seed: int
    learning_rate: float | None
    weight_decay: float | None
    momentum: float | None
    nesterov: bool | None
    betas: tuple[float, float] | None
    clip_norm: float | None
    average: float | None
    warmup: float | None
    epochs: int | None
    monitor: str | None
    batch_size: int | Literal["auto"] | None
    shuffle: bool | None
    dropout: float | None
    label_smoothing: float | None
    precision: Precision | None
    threads: int | Literal["auto"] | None


class TrainOptions(SharedOptions, total=False):
    """The keywords of `annvil.train`: the groups, and every setting flat (a test compares)."""

    search: Any
    logging: kinds.Logging | Mapping[str, Any] | None
    checkpoint: str | Path | None
    patience: int | None
    restore_best: bool | None
    budget: float | str | None
    accumulate: int | None
    augment: Any
    distributed: Any
    vary: Mapping[str, Any] | None
    members: int | None
    folds: Any
    groups: Any
    halving: Any
    callbacks: Any
    events: str | Path | None
    tensorboard: str | Path | None
    health: bool | None
    verbose: bool | None


NOT_TUNED = TrainOptions.__optional_keys__ - SharedOptions.__optional_keys__
"""What `annvil.train` alone has a place for."""


@cache
def groups() -> dict[str, type[msgspec.Struct]]:
    """The groups by their keywords."""
    hints = get_type_hints(Settings)
    return {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)}


@cache
def declared() -> dict[str, Declared]:
    """Every setting by its flat keyword, those that stand alone first."""
    homes: dict[str, type[msgspec.Struct]] = {"": Settings, **groups()}
    return {one.name: one for name, kind in homes.items() for one in declared_in(kind, name)}


def read_settings(
    given: Mapping[str, Any], caller: str, refused: Collection[str] = (), defaults: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of one call, with defaults where nothing was said.

    Parameters
    ----------
    given : keywords: groups (or what may stand for one: a dict, or the setting of the same name), and settings flat
    caller : the function that was called
    refused : flat keywords that it does not take
    defaults : by flat keyword, where they are not the declared ones

    Raises
    ------
    TypeError
        For a keyword that there is not, with the nearest that there is.
    RequestError
        When a setting was said flat and in its group, and not the same; or when it is in a group but is not taken.
    """
    taken = {name: one for name, one in declared().items() if name not in refused}
    kept = {name for name in groups() if any(one.group == name for one in taken.values())}
    check_names(given, {*taken, *kept}, f"{caller}()")
    said: dict[str, Any] = {}
    for name in kept:
        said |= _in_group(name, given.get(name), caller)
    strange = next((name for name in said if name not in taken), None)
    if strange is not None:
        raise RequestError(f"{caller} takes no {strange}; leave it out of {declared()[strange].group}=.")
    for name, value in given.items():
        if name in groups() or value is None:
            continue
        if name in said and not _same(said[name], value):
            one = declared()[name]
            raise RequestError(
                f"{name}={value!r} and {one.group}={groups()[one.group].__name__}({one.field}={said[name]!r}) "
                "disagree; give one of them."
            )
        said[name] = value
    filled = {name: one.setting.default for name, one in declared().items()} | dict(defaults or {}) | said
    parts: dict[str, dict[str, Any]] = {name: {} for name in ("", *groups())}
    for name, value in filled.items():
        parts[declared()[name].group][declared()[name].field] = value
    alone: dict[str, Any] = parts.pop("")
    return Settings(**alone | {name: groups()[name](**values) for name, values in parts.items()})


def flat(settings: Settings) -> dict[str, Any]:
    """Every setting by its flat keyword."""
    return {
        name: getattr(getattr(settings, one.group) if one.group else settings, one.field)
        for name, one in declared().items()
    }


def _in_group(name: str, given: Any, caller: str) -> dict[str, Any]:
    """What a group says, by flat keywords."""
    kind = groups()[name]
    ours = {one.field: one.name for one in declared().values() if one.group == name}
    if given is None:
        return {}
    if isinstance(given, Mapping):
        check_names(given, ours, f"{caller}({name}=…)")
        values: dict[str, Any] = dict(given)
    elif isinstance(given, kind):
        values = {field: getattr(given, field) for field in ours}
    elif name in ours.values():  # one of its settings stands for it
        values = {next(field for field, flat in ours.items() if flat == name): given}
    else:
        raise RequestError(f"{name} must be an annvil.{kind.__name__} or a dict; got {given!r}.")
    return {ours[field]: value for field, value in values.items() if value is not None}


def _same(one: Any, other: Any) -> bool:
    plain = all(isinstance(value, str | float | int | tuple) for value in (one, other))  # arrays are not compared
    return one is other or (plain and one == other)


# -- for readers -------------------------------------------------------------------------------------------------------


def takes_settings(*refused: str) -> Callable[[Function], Function]:
    """Give a function that takes ``**options`` the signature and the help that follow from the declarations.

    ``refused`` are the flat keywords that it does not take.
    """

    def documented(function: Function) -> Function:
        taken = [one for one in declared().values() if one.name not in refused]
        plain = list(inspect.signature(function).parameters.values())
        own = {parameter.name for parameter in plain}
        shown = [name for name in COMMON if name in {one.name for one in taken} - own]
        shown += [name for name in groups() if any(one.group == name for one in taken)]
        defaults = {name: None if name in groups() else declared()[name].setting.default for name in shown}
        keyword = inspect.Parameter.KEYWORD_ONLY
        plain[-1:-1] = [inspect.Parameter(name, keyword, default=default) for name, default in defaults.items()]
        function.__signature__ = inspect.signature(function).replace(parameters=plain)  # type: ignore[attr-defined]
        lines = [f"    {one.name} : {one.line()}" for one in taken if one.name not in own]
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nKeywords\n--------\n" + "\n".join(lines)
        return function

    return documented


def table() -> str:
    """Every setting in Markdown, one row each."""
    rows = ["| keyword | in its group | what it does |", "|---|---|---|"]
    for one in declared().values():
        within = f"`{groups()[one.group].__name__}.{one.field}`" if one.group else ""
        rows.append(f"| `{one.name}` | {within} | {one.line().replace('|', chr(92) + '|')} |")
    return "\n".join(rows)
