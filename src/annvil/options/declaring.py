"""Every option of a fit, declared once: what it is called, what it takes and what it does.

A group of options is a frozen msgspec struct whose fields are ``Annotated[type, Option(...)]``. From it are made the
flags of the command line and their help, the arguments of `annvil.fit`, ``request.json``, the line that repeats a run,
and the table in the documentation.
"""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from annvil.errors import did_you_mean

ASKED, COLUMNS, OUTPUT = "Task and budget", "Columns and values", "Output"
"""Panels of the help."""

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
    def spellings(self) -> frozenset[str]:
        """How it is given, in Python and on the command line: no two options may share one."""
        return frozenset(filter(None, (self.name, *self.flag.split("/"), self.option.short)))

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


@cache
def declared(options: type[msgspec.Struct]) -> tuple[Declared, ...]:
    """The options of a struct, in order."""
    hints = get_type_hints(options, include_extras=True)
    found = []
    for field in msgspec.structs.fields(options):
        kind, *notes = get_args(hints[field.name]) or (None,)
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        found += [Declared(field.name, kind, default, note) for note in notes if isinstance(note, Option)]
    return tuple(found)


def cleaned(options: type[S], given: Mapping[str, Any], caller: str) -> S:
    """The struct of what was given, every value cleaned.

    Raises
    ------
    TypeError
        When a name is unknown, with the nearest that are known.
    RequestError
        When a value is refused.
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
    kept = [one for one in declared(type(options)) if one.option.kept]
    return {one.name: value for one in kept if (value := getattr(options, one.name)) != one.default}


def quoted(words: Iterable[str]) -> str:
    """Words as a shell takes them."""
    return " ".join(map(shlex.quote, words))


def listed_in(function: F, options: Iterable[Declared]) -> F:
    """The function, whose ``**options`` are these by name: in its signature, and where its docstring says so.

    The docstring ends its parameters with a line ``options : …``; the options are listed below it.
    """
    chosen = list(options)
    signature = inspect.signature(function)
    kept = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    kept += [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type)
        for one in chosen
    ]
    function.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    if function.__doc__ is None:  # `python -OO` has no docstrings
        return function
    before, line, after = re.split(r"(\n    options : [^\n]*\n)", function.__doc__)
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
