"""What commands take: arguments of every command here, options of a fit made from their one declaration."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from annvil.kinds.registry import kinds, sources
from annvil.options import OUTPUT, Declared, declared

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help=f"{sources().capitalize()}, or a sample, such as sample:breast-cancer.",
        show_default=False,
    ),
]
Model = Annotated[
    Path,
    typer.Argument(
        metavar="RUN_OR_MODEL", help="Folder of a run, or a saved model (folder or zip).", show_default=False
    ),
]
RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run, such as runs/titanic-1.", show_default=False)
]
ShowPreparation = Annotated[
    bool, typer.Option("--show-preparation", help="Print the preprocessing steps.", rich_help_panel=OUTPUT)
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print the result as JSON on standard output, and nothing else.", rich_help_panel=OUTPUT
    ),
]
Events = Annotated[
    str | None,
    typer.Option(
        "--events",
        metavar="FILE",
        help="Write every decision, result and verdict so far as a line of JSON while it runs; - is standard error, "
        "in place of the progress.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.", rich_help_panel=OUTPUT)]


def declare(options: type[msgspec.Struct], name: str) -> Declared:
    """One option of a struct."""
    return next(one for one in declared(options) if one.name == name)


def taking(options: Iterable[Declared]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turns ``**options`` of a command into these options; it is called with those that were given, as Python would be.

    What was not given stays away, so that defaults are declared once.
    """
    chosen = list(options)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**given: Any) -> None:
            named = {one.name: given.pop(one.name) for one in chosen}
            command(**given, **as_python(chosen, named))

        parameters = inspect.signature(command, eval_str=True).parameters.values()
        plain = [one.replace(kind=one.KEYWORD_ONLY) for one in parameters if one.kind is not one.VAR_KEYWORD]
        made = [*(one for one in plain if one.default is one.empty), *map(_parameter, chosen)]
        made += [one for one in plain if one.default is not one.empty]
        order = sorted(made, key=lambda one: one.default is not one.empty)
        called.__signature__ = inspect.Signature(order)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in order}
        return called

    return decorate


def as_python(options: Iterable[Declared], typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, as Python would be given it.

    Raises
    ------
    RequestError
        When a text is not what its option takes.
    """
    given = {}
    for one in options:
        value = typed[one.name]
        if one.option.repeated and not one.option.argument:
            value = None if not value else one.option.read(value) if one.option.read else value
        if value is not None:
            given[one.name] = value
    return given


def _parameter(one: Declared) -> inspect.Parameter:
    """The option as typer takes it."""
    option = one.option
    default = option.shown or (None if one.default in ((), {}) else one.default)
    if one.default is msgspec.NODEFAULT:
        default = inspect.Parameter.empty
    kind: Any = list[str] if option.repeated else bool if one.is_switch else _scalar(one)
    about: dict[str, Any] = {
        "help": option.help,
        "show_default": not any(default is none for none in (None, False, inspect.Parameter.empty)),
    }
    if option.argument:
        info = typer.Argument(metavar=option.metavar, **about)
    else:
        names = [one.flag, *([option.short] if option.short else [])]
        about |= {"metavar": option.metavar} if option.metavar else {}
        about |= {"min": option.least} if option.least is not None else {}
        info = typer.Option(*names, rich_help_panel=option.panel or None, **about)
    if default is None:
        kind = kind | None
    hint = Annotated[kind, info]
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _scalar(one: Declared) -> Any:
    """int or float where that, or None, is all that is typed."""
    return next((k for k in (int, float) if not one.option.shown and one.type in (k, k | None)), str)


def studies() -> str:
    """What `annvil compare` can measure, by name."""
    return " ".join(f"{name}: {study.help}" for kind in kinds() for name, study in kind.studies.items())


def news() -> str:
    """What `annvil predict` takes."""
    first, *others = (kind for kind in reversed(kinds()))
    said = [f"for a model of {kind.words.data[0]}, {kind.words.new}" for kind in others]
    return "; ".join([first.words.new.capitalize(), *said]) + "."
