"""How a setting of `annvil.train` is declared, and what can be read off its declaration."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from annvil import options
from annvil.options import Option

Kind = TypeVar("Kind", bound=type[msgspec.Struct])


@dataclass(frozen=True)
class Setting(Option):
    """An option of training networks.

    Attributes
    ----------
    default : what it is where nobody says; ``shown`` stands for it in texts where that is decided later
    unit : of the number, such as "rows"
    choices : texts that it may be, where its type does not name them
    flat : its keyword outside of its group; default: its name
    """

    default: Any = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    flat: str = ""


@dataclass(frozen=True)
class Declared:
    """A setting where it is declared: ``field`` of the group ``group``, which is "" for one that stands alone."""

    name: str
    group: str
    field: str
    type: Any
    setting: Setting

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts that it may be; empty where it may be something else as well."""
        others = [kind for kind in get_args(self.type) if kind is not type(None)]
        is_choice = len(others) == 1 and get_origin(others[0]) is Literal
        return self.setting.choices or (get_args(others[0]) if is_choice else ())

    @property
    def default(self) -> str:
        """As texts say it; empty where there is none."""
        default = self.setting.default
        return self.setting.shown or ("" if default is None or default == () else str(default))

    def line(self) -> str:
        """Help, choices, unit and default."""
        unit = f" [{self.setting.unit}]" if self.setting.unit else ""
        choices = f": {', '.join(self.choices)}" if self.choices else ""
        return f"{self.setting.help}{choices}{unit}" + (f" (default: {self.default})" if self.default else "")


def declared_in(kind: type[msgspec.Struct], group: str = "") -> list[Declared]:
    """The settings that a struct declares, in order."""
    known = ((one, one.option) for one in options.declared(kind))
    return [
        Declared(setting.flat or one.name, group, one.name, one.type, setting)
        for one, setting in known
        if isinstance(setting, Setting)
    ]


def documented(kind: Kind) -> Kind:
    """Add the settings of a group to its docstring."""
    lines = [f"{one.field} : {one.line()}" for one in declared_in(kind)]
    kind.__doc__ = f"{inspect.cleandoc(kind.__doc__ or '')}\n\nAttributes\n----------\n" + "\n".join(lines)
    return kind
