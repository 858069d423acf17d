"""What a fitted preparation is: parts side by side, each of which fills its columns and writes itself into a graph.

A part learns from training rows once and is then a handful of numbers. The same numbers are applied in two ways, by
NumPy while models train and by an ONNX graph in the saved model; both compute in float64 and round to float32 at the
end, so that they agree to the last bit or the one before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Self, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from annvil.data.table import Field, Table
from annvil.onnx.builder import Graph, Value
from annvil.preparation.coded_numbers import NO_CODED_NUMBERS, CodedNumbers
from annvil.tasks.base import IntArray, Task
from annvil.text.phrases import listed
from annvil.text.quantities import plain_count

CHUNK_VALUES = 2**19
"""Values prepared at a time, so that they stay in the cache (measured on 1e6 × 30: four times more or fewer take up to
twice as long)."""

FloatMatrix = NDArray[np.float32]
Scaling = Literal["robust", "none"]


@dataclass(frozen=True)
class Feature:
    """One column of prepared numbers: its name for people, and the input column it comes from.

    ``rises``: whether it never falls as the number in that column rises.
    """

    name: str
    source: str
    rises: bool = field(default=False, compare=False)


class Asked(TypedDict, total=False):
    """What a preparation may be told beside the training rows; all of it may be left out.

    Attributes
    ----------
    scaling : "robust" (if not told) for what is recommended, "none" to leave numbers as they are (missing ones filled),
        which shows what scaling is worth
    y, task, seed : target of the rows, its meaning, and the seed (0 if not told) of what is random; used by
        preparations that look at the target
    monotone : columns of numbers that only come as features that rise with them, or say that they are missing
    """

    scaling: Scaling
    y: NDArray[Any] | None
    task: Task | None
    seed: int
    monotone: Collection[str]


@dataclass(frozen=True)
class Prepared:
    """What a model receives.

    Attributes
    ----------
    numbers : float32 ``(n_rows, d)``, named by `Preparation.names`
    codes : int64 ``(n_rows, c)``, column ``j`` within ``0 .. cardinalities[j] - 1``; ``c`` is 0 without embeddings
    """

    numbers: FloatMatrix
    codes: IntArray


class Part(Protocol):
    """A group of prepared columns that are made in the same way; ``about`` it, sentences for people."""

    @property
    def about(self) -> tuple[str, ...]: ...

    @property
    def features(self) -> tuple[Feature, ...]:
        """One per prepared column."""

    def apply(self, inputs: Table, out: FloatMatrix) -> None:
        """Write the prepared columns of ``inputs`` into ``out``, float32 ``(n_rows, len(features))``."""

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """Add the same computation to a graph; the value is float32 ``(n_rows, len(features))``."""


class CodePart(Protocol):
    """Category columns as integers, for trained embeddings; ``about`` them, sentences for people."""

    @property
    def about(self) -> tuple[str, ...]: ...

    @property
    def positions(self) -> tuple[int, ...]:
        """Of the columns among the texts."""

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each column can have."""

    def codes(self, inputs: Table) -> IntArray:
        """Codes, int64 ``(n_rows, len(cardinalities))``."""

    def write(self, graph: Graph, texts: Value) -> Value:
        """Add the same lookup to a graph; the value is int64 ``(n_rows, len(cardinalities))``."""


@dataclass(frozen=True)
class Preparation(ABC):
    """From raw columns to what a model takes, learnt from training rows only.

    Attributes
    ----------
    schema : the input columns it was fitted on; rows to transform must have the same, in the same order
    parts : what makes the numbers, left to right
    coded : what makes the codes, or None
    n_continuous : so many leading columns are the numbers and dates themselves; indicators, categories and whatever
        else is derived come after them
    coded_numbers : number columns that are codes, which parts and codes also find as texts after the table's own
    """

    schema: tuple[Field, ...]
    parts: tuple[Part, ...]
    coded: CodePart | None = None
    n_continuous: int = 0
    coded_numbers: CodedNumbers = NO_CODED_NUMBERS

    @classmethod
    def fit(cls, inputs: Table, **asked: Unpack[Asked]) -> Self:
        """The preparation that the training rows ``inputs`` ask for, told what is in `Asked`."""
        return cls._fitted(inputs, asked)[0]

    @classmethod
    def fit_transform(cls, inputs: Table, **asked: Unpack[Asked]) -> tuple[Self, Prepared]:
        """The preparation and the prepared training rows.

        Models must learn from *these* rows: where a preparation looks at the target, `transform` would show them
        features that already know their own answers.
        """
        fitted, cross_fitted = cls._fitted(inputs, asked)
        prepared = fitted.transform(inputs)
        if cross_fitted is not None:
            prepared.numbers[:, -cross_fitted.shape[1] :] = cross_fitted
        return fitted, prepared

    @classmethod
    def _fitted(cls, inputs: Table, asked: Asked) -> tuple[Self, FloatMatrix | None]:
        coded = CodedNumbers.find(inputs, asked.get("monotone", ()))
        fitted, cross_fitted = cls._learnt(coded.added(inputs), asked)
        return replace(fitted, schema=inputs.schema, coded_numbers=coded), cross_fitted

    @classmethod
    @abstractmethod
    def _learnt(cls, inputs: Table, asked: Asked) -> tuple[Self, FloatMatrix | None]:
        """The preparation, and what its last columns are for the training rows, where that is not what they are for
        new ones."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """Prepared number columns, in order."""
        return tuple(feature for part in self.parts for feature in part.features)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the prepared number columns, such as ``"age"``, ``"age is missing"``, ``"colour = red"``."""
        return tuple(feature.name for feature in self.features)

    def signs(self, monotone: Mapping[str, int]) -> IntArray:
        """Of the slope of each feature where predictions rise (1) or fall (-1) with a column, int64; 0: any."""
        return np.array([monotone.get(one.source, 0) if one.rises else 0 for one in self.features], dtype=np.int64)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each code column can have, those for unknown and missing included."""
        return () if self.coded is None else self.coded.cardinalities

    @property
    def code_sources(self) -> tuple[str, ...]:
        """The input column that each column of codes comes from."""
        texts = [*(field.name for field in self.schema if field.is_text), *self.coded_numbers.names]
        return () if self.coded is None else tuple(texts[place] for place in self.coded.positions)

    def transform(self, inputs: Table) -> Prepared:
        """Prepared rows; new categories, missing and huge values are welcome, the result is finite.

        (Only a tree preparation keeps NaN, where a value is missing.)
        """
        same = [(f.name, f.kind) for f in inputs.schema] == [(f.name, f.kind) for f in self.schema]
        assert same, "rows must have the columns the preparation was fitted on"
        inputs = self.coded_numbers.added(inputs)
        ends = np.cumsum([0, *(len(part.features) for part in self.parts)]).tolist()
        numbers = np.empty((inputs.n_rows, ends[-1]), dtype=np.float32)
        step = max(1, CHUNK_VALUES // max(ends[-1], len(self.schema)))
        for first in range(0, inputs.n_rows, step):
            rows = slice(first, first + step)
            chunk = inputs.take(rows)
            for part, start, stop in zip(self.parts, ends[:-1], ends[1:], strict=True):
                part.apply(chunk, numbers[rows, start:stop])
        codes = np.empty((inputs.n_rows, 0), dtype=np.int64) if self.coded is None else self.coded.codes(inputs)
        return Prepared(numbers, codes)

    def write(self, graph: Graph, numbers: Value, texts: Value) -> tuple[Value, Value | None]:
        """Add raw inputs → prepared inputs to a graph.

        Parameters
        ----------
        numbers, texts : float64 ``(n_rows, n_numbers)`` and string ``(n_rows, n_texts)`` as `annvil.onnx.builder`
        has them

        Returns
        -------
        float32 ``(n_rows, d)``, and int64 ``(n_rows, c)`` or None without codes
        """
        if self.coded_numbers.positions:
            n_texts = sum(field.is_text for field in self.schema)
            texts = self.coded_numbers.write(graph, numbers, texts, n_texts)
        prepared = graph.concat([part.write(graph, numbers, texts) for part in self.parts])
        return prepared, None if self.coded is None else self.coded.write(graph, texts)

    def describe(self) -> tuple[str, ...]:
        """What is done, in sentences for people."""
        names = self.coded_numbers.names
        sentences = [f"{some(names)}: codes, given as numbers and as categories."] if names else []
        sentences += [sentence for part in self.parts for sentence in part.about]
        return (*sentences, *(() if self.coded is None else self.coded.about))


@dataclass(frozen=True)
class NothingPart:
    """One column of zeros, where all inputs became codes: no model has to do without numbers."""

    features: tuple[Feature, ...] = (Feature("nothing", ""),)
    about: tuple[str, ...] = ()

    def apply(self, inputs: Table, out: FloatMatrix) -> None:
        """Zeros."""
        out[:] = 0.0

    def write(self, graph: Graph, numbers: Value, texts: Value) -> Value:
        """Zeros: the sum of no columns, one per row."""
        none = graph.op("Gather", numbers, graph.constant(np.empty(0, dtype=np.int64)), axis=1)
        return graph.cast(graph.op("ReduceSum", none, graph.constant(np.array([1])), keepdims=1), "float32")


def some(names: Sequence[str], most: int = 5) -> str:
    """Names in quotes for a sentence, the first few of them: ``"'a', 'b' and 3 more"``."""
    return listed([repr(name) for name in names], most)


def with_levels(n_levels: Mapping[str, int], most: int = 5) -> str:
    """As `some`, with how many levels each has: ``"'a' (3 levels) and 'b' (1 level)"``."""
    return listed([f"{name!r} ({plain_count(n, 'level')})" for name, n in n_levels.items()], most)
