"""Clips of sound as the rooms above see them: float32 samples from −1 to 1, one channel, one rate, of any length.

All rows of a data set share one `Store`; `Clips` is a list of row numbers into it, so that folds, subsets and batches
cost nothing but their numbers.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.data.form import Arrays
from annvil.kinds.sound.facts import FACTS, Facts, no_facts
from annvil.kinds.sound.form import SoundForm
from annvil.tasks.base import IntArray

Samples = NDArray[np.float32]

BLOCK_SAMPLES = 1 << 21
"""Samples looked at together where clips are gone through one after another (assumed: small beside any memory)."""


class Temporary:
    """A folder that goes when nothing refers to this any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="annvil-sound-"))
        self._end = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True)
class LeftOut:
    """A file that is not among the rows, and why: the reason completes "yes/3.wav …"."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Store:
    """Samples of all clips, one behind the other, and what is known of each.

    Attributes
    ----------
    samples : float32 ``(samples of all clips,)``, finite, in memory or memory-mapped read-only
    starts : int64 ``(n + 1,)``: clip ``i`` has the samples from ``starts[i]`` on, up to ``starts[i + 1]``
    form : rate and lengths
    names : of each clip: its path below the source, or ``"clip 12"``
    facts : what is known of the file of each, records of `annvil.kinds.sound.facts.FACTS` ``(n,)``
    said : sentences on what was made of the source
    left_out : files that could not be used
    speakers : names of the groups that folds keep apart, by number, where they have some
    alike : int64 ``(n,)``, equal for clips of the same recording (`annvil.kinds.sound.audit.alike`), or None where
        nobody has looked; -1 for clips that are no rows
    keep : whatever must live as long as the samples (a temporary folder)
    """

    samples: Samples
    starts: IntArray
    form: SoundForm
    names: Sequence[str]
    facts: Facts
    said: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    speakers: tuple[str, ...] = ()
    alike: IntArray | None = None
    keep: Temporary | None = None

    @cached_property
    def digests(self) -> list[bytes]:
        """What tells clips apart."""
        bounds = zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        return [blake2b(np.array(self.samples[a:b]).data, digest_size=16).digest() for a, b in bounds]


@dataclass(frozen=True)
class Clips:
    """Clips of one form: the inputs of a data set.

    >>> from annvil.kinds.sound import clips_from_arrays
    >>> clips = clips_from_arrays([np.ones(80, dtype=np.float32), np.ones(100, dtype=np.float32)], rate=8000)
    >>> clips.form.rate, clips.lengths.tolist(), clips.padded()[0].shape
    (8000, [80, 100], (2, 100))
    """

    store: Store
    index: IntArray

    @property
    def n_rows(self) -> int:
        """Number of clips."""
        return len(self.index)

    @property
    def form(self) -> SoundForm:
        """Rate and lengths."""
        return self.store.form

    @property
    def lengths(self) -> IntArray:
        """Samples of each clip, int64 ``(n_rows,)``."""
        return self.store.starts[self.index + 1] - self.store.starts[self.index]

    @property
    def facts(self) -> Facts:
        """What is known of the file of each clip: records of `annvil.kinds.sound.facts.FACTS` ``(n_rows,)``."""
        facts: Facts = self.store.facts[self.index]
        return facts

    @property
    def alike(self) -> IntArray | None:
        """Equal numbers for clips of the same recording, int64 ``(n_rows,)``, or None where nobody has looked."""
        return None if self.store.alike is None else self.store.alike[self.index]

    def take(self, rows: IntArray | slice) -> Clips:
        """The rows asked for, in the order asked for; no sample is copied."""
        return replace(self, index=self.index[rows])

    def one(self, row: int) -> Samples:
        """Samples of one clip ``(n_samples,)``; a view."""
        start, stop = self.store.starts[self.index[row] : self.index[row] + 2]
        return self.store.samples[start:stop]

    def padded(self, longest: int | None = None) -> tuple[Samples, IntArray]:
        """Samples ``(n_rows, longest)``, zeros behind the end of each clip, and lengths int64 ``(n_rows,)``.

        ``longest`` is that of these rows unless given; then it must not be less.
        """
        lengths = self.lengths
        longest = int(lengths.max(initial=1)) if longest is None else longest
        samples = np.zeros((self.n_rows, longest), dtype=np.float32)
        for row, n in enumerate(lengths.tolist()):
            samples[row, :n] = self.one(row)
        return samples, lengths

    def blocks(self, n_values: int = BLOCK_SAMPLES) -> Iterator[tuple[slice, Clips]]:
        """All clips in order, a block at a time: its rows, and the clips themselves."""
        step = max(1, n_values // max(1, int(self.lengths.max(initial=1))))
        for start in range(0, self.n_rows, step):
            rows = slice(start, min(start + step, self.n_rows))
            yield rows, self.take(rows)

    def names(self) -> list[str]:
        """What each clip is called."""
        return [self.store.names[row] for row in self.index.tolist()]

    @property
    def n_values(self) -> int:
        """Samples of the longest clip."""
        return self.form.n_values

    @property
    def n_texts(self) -> int:
        """Clips hold no texts."""
        return 0

    @property
    def n_levels(self) -> int:
        """Clips hold no texts."""
        return 0

    def raw_row(self, row: int) -> dict[str, Any]:
        """One clip as a user would hand it to a saved model: samples and their rate."""
        return {"samples": self.one(row).tolist(), "rate": self.form.rate}

    def with_holes(self, share: float, random: np.random.Generator) -> Clips:
        """A copy in memory with stretches of silence, about that share of all samples; some clips lose all."""
        samples, lengths = [self.one(row).copy() for row in range(self.n_rows)], self.lengths
        for one, n in zip(samples, lengths.tolist(), strict=True):
            begin = int(random.integers(0, n))
            one[begin : begin + int(np.ceil(2 * share * random.random() * n))] = 0
            if random.random() < share / 4:
                one[:] = 0
        flat = np.concatenate(samples) if samples else np.empty(0, dtype=np.float32)
        return Clips(Store(flat, end_to_end(lengths), self.form, self.names(), self.facts), np.arange(self.n_rows))

    def feeds(self) -> dict[str, NDArray[Any]]:
        """What a saved graph takes for these rows: ``samples`` float32 ``(n_rows, time)`` and ``lengths``."""
        samples, lengths = self.padded()
        return {"samples": samples, "lengths": lengths}

    def digest(self) -> str:
        """Hexadecimal digits that change with any sample, the rate, or the order of rows."""
        key = blake2b(repr(self.form.rate).encode(), digest_size=20)
        for row in self.index.tolist():
            key.update(self.store.digests[row])
        return key.hexdigest()

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        """These clips as arrays by name, and what describes them beside the form as JSON-able values."""
        parts = [self.one(row) for row in range(self.n_rows)]
        arrays: Arrays = {
            "samples": np.concatenate(parts) if parts else np.empty(0, dtype=np.float32),
            "lengths": self.lengths,
            "facts": np.ascontiguousarray(self.facts).view(np.uint8),
        }
        if self.alike is not None:
            arrays["alike"] = np.array(self.alike)
        described: dict[str, Any] = {
            "names": [name.encode("utf-8", "replace").decode() for name in self.names()],
            "said": self.store.said,
            "left_out": self.store.left_out,
            "speakers": self.store.speakers,
        }
        return arrays, described

    @classmethod
    def from_arrays(cls, form: SoundForm, arrays: Arrays, described: dict[str, Any]) -> Clips:
        """Clips of that form from what `to_arrays` gave."""
        store = Store(
            arrays["samples"],
            end_to_end(arrays["lengths"]),
            form,
            described["names"],
            arrays["facts"].view(FACTS),
            tuple(described["said"]),
            msgspec.convert(described["left_out"], tuple[LeftOut, ...]),
            tuple(described["speakers"]),
            arrays.get("alike"),
        )
        return cls(store, np.arange(len(arrays["lengths"])))


def end_to_end(lengths: IntArray) -> IntArray:
    """Where clips of these lengths begin, one behind the other, and where the last ends: int64 ``(n + 1,)``."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def clips_in_memory(
    samples: Sequence[Samples], form: SoundForm, names: Sequence[str] | None = None, facts: Facts | None = None
) -> Clips:
    """`Clips` over copies of samples that are already of the form."""
    n = len(samples)
    flat = np.concatenate(samples).astype(np.float32, copy=False) if n else np.empty(0, dtype=np.float32)
    starts = end_to_end(np.array([len(one) for one in samples], dtype=np.int64))
    names = [f"clip {row + 1}" for row in range(n)] if names is None else names
    return Clips(Store(flat, starts, form, names, no_facts(n) if facts is None else facts), np.arange(n))
