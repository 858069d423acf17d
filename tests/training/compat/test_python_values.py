"""A look at what networks hold in Python: it goes into anything, and puts back what can be put back."""

from __future__ import annotations

import contextvars
import decimal
import enum
import functools
import re
import types
import weakref
from collections import ChainMap, Counter, OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from annvil.training.compat.python_values import undone


class Colour(enum.Enum):
    RED = 1


@dataclass(frozen=True, slots=True)
class Frozen:
    count: int = 1


@dataclass(frozen=True)
class FrozenWithout:
    count: int = 1


class ReadOnly:
    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 1

    @property
    def count(self) -> int:
        return self._count


class Refusing:
    """Says no to whatever is read that it does not have, in its own way, and to all that is set."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise RuntimeError("read only")


class Lazy:
    @functools.cached_property
    def table(self) -> list[int]:
        return [1]


HELD: dict[str, Any] = {
    "an alias of types": dict[str, int],
    "a union of types": int | None,
    "a namespace that cannot be written": types.MappingProxyType({"a": 1}),
    "the namespace of a class": vars(dict),
    "a namespace": types.SimpleNamespace(a=1),
    "frozen": Frozen(),
    "frozen without slots": FrozenWithout(),
    "properties": ReadOnly(),
    "refusing": Refusing(),
    "lazy": Lazy(),
    "an enumeration": Colour.RED,
    "a pattern": re.compile("a"),
    "a path": Path("a"),
    "a decimal": decimal.Decimal("1.5"),
    "a weak reference": weakref.ref(Colour),
    "a proxy": weakref.proxy(Frozen),
    "a variable of a context": contextvars.ContextVar("a"),
    "a named tuple": namedtuple("Pair", "a b")(1, [2]),
    "dictionaries of a kind": [OrderedDict(a=1), defaultdict(list, a=[1]), Counter("ab"), ChainMap({"a": 1})],
    "views": [{"a": 1}.keys(), {"a": 1}.items(), memoryview(b"ab"), range(3), slice(1)],
    "arrays": [np.arange(3), np.ma.masked_array([1, 2], [True, False]), np.array([{}], object), np.recarray(1, "i4")],
    "types of numbers": [np.dtype("f4"), torch.float32, torch.device("cpu"), torch.Size([1])],
    "a lock": __import__("threading").Lock(),
    "itself": None,
}


@pytest.mark.parametrize("kind", list(HELD))
def test_a_look_survives_whatever_a_network_holds(kind: str) -> None:
    network = nn.Linear(2, 2)
    network.held = HELD[kind] if kind != "itself" else network.__dict__  # type: ignore[assignment]
    network.steps = 1  # type: ignore[assignment]
    with undone(network):
        network.steps = 2  # type: ignore[assignment]
    assert network.steps == 1


@pytest.mark.parametrize("held", [Frozen(), FrozenWithout(), ReadOnly(), types.SimpleNamespace(_count=1, count=1)])
def test_what_a_probe_changed_in_spite_of_its_owner_is_put_back(held: Any) -> None:
    network = nn.Linear(2, 2)
    network.held = held
    with undone(network):
        object.__setattr__(held, "_count" if isinstance(held, ReadOnly) else "count", 2)
    assert held.count == 1
