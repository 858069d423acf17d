"""What a network and a loss hold and read in Python: attributes, closures, globals, generators, the clock.

A recording repeats operations on tensors. Whatever else decides what a step computes is looked at here, before and
after: two looks that differ say that it changed, and `undone` puts back what a probe has changed.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from types import CellType, CodeType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from annvil.training.compat.dropout_noise import KeyedDropout

_DEEP = 12  # objects within objects (assumed: enough for settings and counters)
_MOST = 20_000  # values that are looked at, and items of one iterator (assumed: some milliseconds)
_LARGE = 1 << 16  # bytes of an array beyond which some of its numbers stand for all
_OWN_TO_PYTORCH = {*vars(nn.Module()), "calls"}
_LIBRARIES = ("torch", "annvil", "keras", "numpy", "builtins", "collections", "typing", "abc")
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class Look:
    """Values by where they are, such as "body.scale", "the loss's weight" or "the global TEMPERATURE".

    ``clock`` says where the time of day is asked for.
    """

    def __init__(self, network: nn.Module | None = None, loss: Any = None) -> None:
        self.values: dict[str, Any] = {}
        self.clock = False
        self._back: list[Callable[[], None]] = []
        self._functions: set[int] = set()
        self._met: dict[int, Any] = {}  # objects by identity: each is looked into once, and lives as long as the look
        self._count = 0
        for path, module in [] if network is None else network.named_modules():
            for name, value in vars(module).items():
                if name not in _OWN_TO_PYTORCH:
                    self.values[f"{path}.{name}".lstrip(".")] = self._content(vars(module), name, value, _DEEP)
            self._of_class(type(module))
            self._read_by(getattr(type(module), "forward", None))
        if loss is not None:
            self._of_loss(loss)

    def changed(self, before: Look) -> str:
        """Where it differs from an earlier look, or ""."""
        return next(iter(self.all_changed(before)), "")

    def all_changed(self, before: Look) -> list[str]:
        """All places where it differs, or that are new."""
        then = before.values
        return [place for place, value in self.values.items() if place not in then or then[place] != value]

    def put_back(self) -> None:
        """Make plain values and generators what they were when this was looked at."""
        for back in self._back:
            back()

    def _of_loss(self, loss: Any) -> None:
        if isinstance(loss, FunctionType | partial | MethodType):
            self.values["the loss"] = self._content({}, "", loss, _DEEP)
            return
        for name, value in getattr(loss, "__dict__", {}).items():
            if not isinstance(loss, nn.Module) or name not in _OWN_TO_PYTORCH:
                self.values[f"the loss's {name}"] = self._content(vars(loss), name, value, _DEEP)
        self._read_by(getattr(type(loss), "forward" if isinstance(loss, nn.Module) else "__call__", None))

    def _of_class(self, kind: type) -> None:
        """What a class that is no library's keeps for all of its objects, and what its methods read."""
        for own in kind.__mro__:
            if own.__module__.partition(".")[0] in _LIBRARIES or id(own) in self._functions:
                continue
            self._functions.add(id(own))
            for name, value in list(vars(own).items()):
                if isinstance(value, staticmethod | classmethod):
                    self._read_by(value.__func__)
                elif not name.startswith("__") and isinstance(value, (*_PLAIN, *_HOLDS)):
                    self.values[f"the attribute {name} of {own.__name__}"] = self._content(own, name, value, _DEEP)

    def _content(self, home: Any, key: Any, value: Any, deep: int) -> Any:
        """Something to compare ``home[key]`` by; plain values are noted to be put back."""
        if isinstance(value, _PLAIN):
            self._back.append(partial(_put, home, key, value))
            return type(value), repr(value)
        if isinstance(value, Tensor):
            return id(value), value._version, value.data_ptr() if value.layout is torch.strided else 0
        if isinstance(value, np.generic):
            return type(value), repr(value)
        if isinstance(value, np.ndarray):
            flat = value.reshape(-1)
            return flat[:: 1 + value.nbytes // _LARGE].tobytes()
        state = _state_of_generator(value)
        if state is not None:
            self._back.append(partial(_set_state, value, state))
            return repr(state)
        self._count += 1
        if not deep or id(value) in self._met or self._count > _MOST:
            return id(value)
        self._met[id(value)] = value
        return self._inside(value, deep - 1)

    def _inside(self, value: Any, deep: int) -> Any:
        if isinstance(value, list | deque):
            self._back.append(partial(_refill, value, tuple(value)))
        if isinstance(value, dict):
            return [(repr(k), self._content(value, k, item, deep)) for k, item in list(value.items())]
        if isinstance(value, list | deque):
            return [self._content(value, place, item, deep) for place, item in enumerate(value)]
        if isinstance(value, tuple | set | frozenset):
            return [self._content(None, None, item, deep) for item in value]
        if isinstance(value, partial):
            parts = (value.func, *value.args, *value.keywords.values())
            return [self._content(None, None, part, deep) for part in parts]
        if isinstance(value, FunctionType):
            return self._read_by(value)
        owner = getattr(value, "__self__", None)
        if isinstance(value, ModuleType | type) or (owner is not None and isinstance(owner, ModuleType)):
            return id(value)
        if owner is not None:
            return self._content(None, None, owner, deep), self._read_by(getattr(value, "__func__", None))
        if type(value).__module__ == "itertools":
            return repr(value)
        library = type(value).__module__.partition(".")[0]
        if isinstance(value, nn.Module) or (library in _LIBRARIES and library != "builtins"):
            return id(value)
        held, slots = getattr(value, "__dict__", None), _slots_of(value)
        if not isinstance(held, dict):  # that of ``dict[str, int]`` is the namespace of `dict`, which nobody writes
            held = None
        if held is None and not slots:
            return id(value), self._reduced(value, deep)
        inside = [(name, self._content(held, name, item, deep)) for name, item in list((held or {}).items())]
        return id(value), inside + [(name, self._content(value, name, item, deep)) for name, item in slots]

    def _reduced(self, value: Any, deep: int) -> Any:
        """What `pickle` would write of an object without attributes: iterators, arrays, decimals, sets of their own."""
        if isinstance(value, GeneratorType):
            return None if value.gi_frame is None else (value.gi_frame.f_lasti, repr(value.gi_frame.f_locals))
        try:
            parts = value.__reduce_ex__(2)
        except Exception:  # whatever an object says that cannot be pickled
            return None
        if isinstance(parts, str):
            return parts
        flat = [list(islice(part, _MOST)) if isinstance(part, Iterator) else part for part in parts[1:]]
        return [self._content(None, None, part, deep) for part in flat]

    def _read_by(self, function: Any) -> Any:
        """What the function remembers; what it reads of the world is noted under its own name."""
        if not isinstance(function, FunctionType) or function.__module__.partition(".")[0] in _LIBRARIES:
            return id(function)
        if id(function) in self._functions:
            return id(function)
        self._functions.add(id(function))
        for name, value in _globals_of(function):
            self._read(name, value, function.__globals__)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        held = [(name, self._content(cell, "", _inside_of(cell), _DEEP)) for name, cell in cells]
        kept = (vars(function), function.__defaults__ or (), function.__kwdefaults__ or {})
        return held + [("", self._inside(one, _DEEP)) for one in kept if one]

    def _read(self, name: str, value: Any, home: dict[str, Any]) -> None:
        if value in _CLOCKS:
            self.clock = True
        elif isinstance(value, FunctionType):
            self.values[f"what {name} remembers"] = self._read_by(value)
        elif isinstance(value, type):
            self._of_class(value)
        elif not isinstance(value, ModuleType) and not callable(value):
            self.values[f"the global {name.rpartition('.')[2]}"] = self._content(home, name, value, _DEEP)


def _globals_of(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Names and values of what it reads; of modules that it reads, those attributes that it may mean."""
    for code in _codes(function.__code__):
        for name in code.co_names:
            value = function.__globals__.get(name, sys.modules.get(name) if name in ("time", "datetime") else None)
            if value is None:
                continue
            yield name, value
            if isinstance(value, ModuleType) and value.__name__.partition(".")[0] not in _LIBRARIES:
                theirs = vars(value)
                yield from ((f"{name}.{n}", theirs[n]) for n in code.co_names if isinstance(theirs.get(n), _HOLDS))


_HOLDS = (bool, int, float, dict, list, np.ndarray)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """That of a function and of those within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class _Clocks:
    """The modules and functions that tell the time."""

    def __contains__(self, value: object) -> bool:
        if isinstance(value, ModuleType):
            return value.__name__ in ("time", "datetime")
        return getattr(value, "__module__", "") in ("time", "datetime")


_CLOCKS = _Clocks()


def _inside_of(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing is in it yet
        return None


def _put(home: Any, key: Any, value: Any) -> None:
    if isinstance(home, dict):
        if home.get(key) is not value:
            home[key] = value
    elif isinstance(home, CellType):
        if _inside_of(home) is not value:
            home.cell_contents = value
    elif isinstance(home, list | deque):
        if key < len(home) and home[key] is not value:
            home[key] = value
    elif home is not None and getattr(home, key, None) is not value:
        # Frozen objects refuse what is set on them the usual way; what cannot be set at all was not set by a probe.
        with suppress(AttributeError, TypeError):
            (setattr if isinstance(home, type) else object.__setattr__)(home, key, value)


def _refill(home: Any, items: tuple[Any, ...]) -> None:
    """Make a list or deque as long as it was."""
    if len(home) != len(items):
        home.clear()
        home.extend(items)


def _slots_of(value: Any) -> list[tuple[str, Any]]:
    """What an object keeps outside its ``__dict__``."""
    names = [name for kind in type(value).__mro__ for name in _named(vars(kind).get("__slots__", ()))]
    held = [(name, getattr(value, name, None)) for name in names if name not in ("__dict__", "__weakref__")]
    return [(name, item) for name, item in held if item is not None]


def _named(slots: Any) -> Sequence[str]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _state_of_generator(value: Any) -> Any:
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=False)
    return value.get_state().tolist() if isinstance(value, torch.Generator) else None


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(torch.tensor(state, dtype=torch.uint8) if isinstance(generator, torch.Generator) else state)


def follow(network: nn.Module, original: nn.Module, places: Sequence[str]) -> None:
    """Give a copy of ``original`` the attributes that this has now, at ``places`` of a look."""
    for place in places:
        path, _, name = place.rpartition(".")
        try:
            theirs, mine = original.get_submodule(path), network.get_submodule(path)
        except AttributeError:  # of the loss, a global, or a module that was swapped for training
            continue
        if name in vars(theirs):
            vars(mine)[name] = vars(theirs)[name]
        if isinstance(mine, KeyedDropout) and name == "p":
            mine.rate.fill_(float(vars(theirs)[name]))


@contextmanager
def undone(network: nn.Module, loss: Any = None) -> Iterator[Look]:
    """What is computed within leaves no trace in plain values and generators."""
    before = Look(network, loss)
    try:
        yield before
    finally:
        before.put_back()
