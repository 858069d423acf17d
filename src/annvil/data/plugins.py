"""Finding the kinds of data that are installed, without a list of their names.

Every package below ``annvil.kinds`` is a kind of that name, and so is every entry point of the group
``annvil.kinds``: another distribution adds one by declaring it. A kind is the object ``KIND`` of its package. Nothing
is imported before it is asked for, and a kind of another distribution that cannot be imported takes only itself away.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from annvil.errors import MachineError
from annvil.text.words import Words

if TYPE_CHECKING:
    from annvil.data.form import Form

GROUP = "annvil.kinds"
"""Both the package of the kinds that come along, and the group of entry points of others."""


class KindNotice(UserWarning):
    """A kind of data of another distribution is left out, and why."""


class Plugin(Protocol):
    """What this floor asks of a kind; the floors above ask for more (`annvil.kinds.base`)."""

    @property
    def name(self) -> str:
        """The kind's name, tag of its forms."""

    @property
    def form(self) -> type[Form]:
        """The class of its forms."""

    @property
    def words(self) -> Words:
        """What its things are called."""


def kind_named(name: str) -> Any:
    """The kind of that name.

    Raises
    ------
    MachineError
        When it is not installed, or cannot be imported.
    """
    homes = _homes()
    if name not in homes:
        raise MachineError(
            f"The kind of data {name[:60]!r} is not installed: there are {', '.join(sorted(homes))}. "
            "Install the package that brings it."
        )
    return homes[name]()


def all_kinds() -> Iterator[Any]:
    """Every kind that is installed, in the order of their names; those of other distributions last.

    One that cannot be imported is left out with a `KindNotice`: it must not stop work on other data.
    """
    for load in _homes().values():
        try:
            yield load()
        except MachineError as error:
            leave_out(str(error))


@cache  # told once, however often kinds are listed
def leave_out(reason: str) -> None:
    """Say that a kind is left out, in a `KindNotice`."""
    warnings.warn(reason, KindNotice, stacklevel=3)


def form_class(name: str) -> type[Form]:
    """The class of a kind's forms; raises as `kind_named` does."""
    plugin: Plugin = kind_named(name)
    return plugin.form


def read_form(plain: Any) -> Form:
    """A form from plain values as they stand in JSON.

    Raises
    ------
    MachineError
        When its kind is not installed.
    msgspec.ValidationError
        When the values are no form of that kind.
    """
    name = plain.get("kind") if isinstance(plain, dict) else None
    if not isinstance(name, str):
        raise msgspec.ValidationError("a form must be an object that names its kind")
    return msgspec.convert(plain, form_class(name))


def words_of(form: Form) -> Words:
    """What the things are called that a model of this form predicts."""
    plugin: Plugin = kind_named(form.kind)
    return plugin.words


@cache
def _homes() -> dict[str, Callable[[], Any]]:
    """How each kind is loaded, by its name. One that comes along cannot be replaced from outside."""
    package = import_module(GROUP)
    homes: dict[str, Callable[[], Any]] = {
        module.name: partial(_kind_of, f"{GROUP}.{module.name}")
        for module in iter_modules(package.__path__)
        if module.ispkg
    }
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        homes.setdefault(point.name, partial(_from_outside, point))
    return homes


def _kind_of(module: str) -> Any:
    return _object(import_module(module))


def _from_outside(point: EntryPoint) -> Any:
    kind, fault = _tried(point)
    if fault:
        brought = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
        raise MachineError(
            f"The kind of data {point.name!r}{brought} cannot be imported and is left out: {fault}. "
            "Update the package that brings it, or uninstall it."
        )
    return kind


@cache  # what failed is not run again
def _tried(point: EntryPoint) -> tuple[Any, str]:
    """The kind and no fault, or why there is none. Code of others may raise anything, and even exit."""
    try:
        return _object(point.load()), ""
    except (Exception, SystemExit) as error:
        said = str(error).strip().splitlines()[:1]
        return None, ": ".join([type(error).__name__, *said])[:300].rstrip(".")


def _object(loaded: Any) -> Any:
    return loaded.KIND if isinstance(loaded, ModuleType) else loaded
