"""What may differ between the members of a population, and the candidates that are drawn from it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any, Literal

import numpy as np

from annvil.data.seeds import derived_seed
from annvil.errors import RequestError, did_you_mean
from annvil.training.recipe import Member, Recipe

Home = Literal["member", "recipe", "network"]

MEMBER_KEYS = frozenset({"learning_rate", "weight_decay", "dropout", "label_smoothing", "momentum", "seed"}) & {
    field.name for field in fields(Member)
}
"""Settings that every member of one program has for itself."""

RECIPE_KEYS = (
    frozenset(field.name for field in fields(Recipe))
    - {"threads", "precision", "execution", "monitor", "halving", "loss", "distributed"}
    - MEMBER_KEYS
)
"""Settings that all members of one program share: each value of them is a program of its own."""

UNNAMED_MEMBERS = 16  # candidates where nobody says how many and not all settings are lists (assumed: a first look)
_DIGITS = 4  # of a value drawn from a range, so that it can be written down and asked for again


@dataclass(frozen=True)
class Range:
    """Numbers between ``low`` and ``high``, both included, spread evenly: ``whole`` ones, or in their logarithm."""

    low: float
    high: float
    whole: bool = False
    logarithmic: bool = False

    def at(self, share: float) -> float:
        """The value below which ``share`` (in [0, 1)) of the others lie."""
        if self.whole:
            return int(self.low) + int(share * (int(self.high) - int(self.low) + 1))
        ends = (self.low, self.high)
        low, high = map(math.log, ends) if self.logarithmic else ends
        value = low + share * (high - low)
        return min(max(float(f"{math.exp(value) if self.logarithmic else value:.{_DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class Choice:
    """One of some values, each as often."""

    values: tuple[Any, ...]

    def at(self, share: float) -> Any:
        """As `Range.at`, in the order of the list."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


def log_uniform(low: float, high: float) -> Range:
    """Numbers between ``low`` and ``high``, each power of ten as often: for learning rates and decays.

    Raises
    ------
    RequestError
        Unless 0 < low ≤ high.
    """
    if not (_is_number(low) and _is_number(high) and 0 < low <= high):
        raise RequestError(
            f"log_uniform needs 0 < low <= high, since zero has no logarithm; got {low!r} and {high!r}. "
            "To try zero as well, give a list such as [0, 1e-4, 1e-2]."
        )
    return Range(float(low), float(high), logarithmic=True)


def uniform(low: float, high: float, *, whole: bool = False) -> Range:
    """Numbers between ``low`` and ``high``, spread evenly; ``whole`` ones (both ends included) for widths and depths.

    Raises
    ------
    RequestError
        Unless low ≤ high, and unless both are whole where whole numbers are asked for.
    """
    if not (_is_number(low) and _is_number(high) and low <= high):
        raise RequestError(f"uniform needs low <= high; got {low!r} and {high!r}.")
    if whole and not (float(low).is_integer() and float(high).is_integer()):
        raise RequestError(f"uniform(..., whole=True) needs whole ends; got {low!r} and {high!r}.")
    return Range(float(low), float(high), whole)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(float(value))


@dataclass(frozen=True)
class Candidate:
    """One way to train, to be compared with others.

    Attributes
    ----------
    number : its place among the candidates, from 0
    seed : of initial weights, batches and noise; with folds, each fold's is made from it (`fold_seed`)
    settings : the values of what varies, by name
    """

    number: int
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def varied(self) -> str:
        """Its settings in words; empty where nothing varies."""
        return ", ".join(f"{name} {value}" for name, value in self.settings.items())


@dataclass(frozen=True)
class Space:
    """Everything that varies: ``of`` its possible values, ``home`` whom each setting belongs to."""

    of: Mapping[str, Range | Choice]
    home: Mapping[str, Home]

    @classmethod
    def read(cls, vary: Mapping[str, Any] | None, network_takes: Collection[str] | None = ()) -> Space:
        """The space of ``vary={name: list or range}``.

        Parameters
        ----------
        network_takes : names that the caller's own function takes; such a name goes to the function, even if the engine
            knows it too, since that is where the caller put it. None: it takes any name.

        Raises
        ------
        RequestError
            For a name that nobody knows, and for values that are neither a list nor a range.
        """
        vary = {} if vary is None else vary
        if not isinstance(vary, Mapping):
            raise RequestError(f"vary must be a dict of lists or ranges by name; got {type(vary).__name__}.")
        home = {name: _home(name, network_takes) for name in vary}
        return cls({name: _variation(name, values) for name, values in vary.items()}, home)

    def draw(self, members: int | None, seed: int) -> list[Candidate]:
        """The candidates: ``members`` of them, or every combination where only lists vary and nobody says how many.

        Candidates are a Latin hypercube (McKay, Beckman and Conover 1979): of each range every K-th part is met once,
        and of each list every value equally often, whatever else varies. The same seed draws the same candidates.
        """
        if members is None and all(isinstance(variation, Choice) for variation in self.of.values()):
            grid = product(*(variation.values for variation in self.of.values() if isinstance(variation, Choice)))
            return self.candidates([dict(zip(self.of, values, strict=True)) for values in grid], seed)
        count = UNNAMED_MEMBERS if members is None else members
        generator = np.random.default_rng([seed, 3])
        drawn: list[dict[str, Any]] = [{} for _ in range(count)]
        for name, variation in self.of.items():
            shares = (generator.permutation(count) + generator.random(count)) / count
            for settings, share in zip(drawn, shares, strict=True):
                settings[name] = variation.at(float(share))
        return self.candidates(drawn, seed)

    def candidates(self, drawn: Sequence[Mapping[str, Any]], seed: int, first: int = 0) -> list[Candidate]:
        """Candidates with these settings, numbered from ``first``; each with a seed of its own, unless seeds vary."""
        return [
            Candidate(number, int(settings.get("seed", numbered_seed(seed, number))), dict(settings))
            for number, settings in enumerate(drawn, first)
        ]

    def part(self, candidate: Candidate, home: Home) -> dict[str, Any]:
        """Those settings of the candidate that belong there."""
        return {name: value for name, value in candidate.settings.items() if self.home[name] == home}


def numbered_seed(seed: int, number: int, *kind: int) -> int:
    """A seed for the ``number``-th of several things that follow from ``seed``; 31 bits, so that all libraries take it.

    The first is ``seed`` itself: a single candidate is what training alone with that seed gives. Things of another
    ``kind`` have other seeds.
    """
    return seed if number == 0 else derived_seed(seed, number, *kind) >> 1


def fold_seed(seed: int, fold: int) -> int:
    """The seed of a candidate's network in a fold; in the first one it is the candidate's own."""
    return numbered_seed(seed, fold, 1)


def _home(name: str, network_takes: Collection[str] | None) -> Home:
    takes = network_takes or ()
    if name in takes or name in MEMBER_KEYS or name in RECIPE_KEYS:
        return "network" if name in takes else "member" if name in MEMBER_KEYS else "recipe"
    if network_takes is None:
        return "network"
    known = [*sorted(MEMBER_KEYS | RECIPE_KEYS), *sorted(takes)]
    own = f"your function ({', '.join(sorted(takes))})" if takes else "a function that makes the network"
    raise RequestError(
        f"vary: nothing is called {name!r}.{did_you_mean(str(name), known)} What may vary: "
        f"{', '.join(sorted(MEMBER_KEYS))} (inside one program); {', '.join(sorted(RECIPE_KEYS))} (a program for each "
        f"value); and the arguments of {own}."
    )


def _variation(name: str, values: Any) -> Range | Choice:
    if isinstance(values, Range | Choice):
        return values
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if isinstance(values, list | tuple | range) and len(values):
        return Choice(tuple(values))
    raise RequestError(
        f"vary[{name!r}] must be a list of values, annvil.uniform(low, high) or annvil.log_uniform(low, high); "
        f"got {values!r}."
    )
