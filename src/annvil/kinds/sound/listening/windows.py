"""Windows of a recording that stand out from their surroundings, and what a saved model says of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import RequestError
from annvil.kinds.sound.clips import Samples
from annvil.tasks.base import FloatArray, IntArray

if TYPE_CHECKING:
    from annvil.bundle import Predictor
    from annvil.kinds.sound.form import SoundForm

STANDS_OUT = 10.0
"""dB by which a moment must be louder than the quiet of the last `MEMORY_SECONDS` to be heard at all (chosen
between 9 and 12, which did alike on digits 30 dB above pink noise; 6 let through three times the noise and cut words
worse)."""

SMOOTH = 7
"""Frames over which levels are taken (measured: 3 let through a third more noise)."""

QUIET_SHARE = 0.1
"""The level that this share of these moments stays below is the quiet (assumed: speech pauses more often)."""

MEMORY_SECONDS = 20.0

SILENT = 1e-5
"""Root mean square below which nothing is heard, whatever is around it (assumed: −100 dB, below 16 bits)."""

FRAME_SECONDS = 0.01

GAP_SECONDS = 0.12
"""A shorter quiet is inside a word (assumed: stops such as that of "eight" take up to a tenth of a second)."""

BLIP_SECONDS = 0.05
"""What is over sooner is no word (assumed)."""

MOST_SECONDS = 30.0
"""A sound that goes on so long is heard before it is over."""

AT_ONCE = 128
"""Windows that the graph is given together."""


@dataclass(frozen=True)
class Windows:
    """Windows as the graph takes them: samples ``(n, time)`` and how many of each count ``(n,)``."""

    samples: Samples
    lengths: IntArray

    @property
    def n_rows(self) -> int:
        """Number of windows."""
        return len(self.lengths)

    def take(self, rows: slice) -> Windows:
        """The windows asked for."""
        return Windows(self.samples[rows], self.lengths[rows])

    def feeds(self) -> dict[str, NDArray[Any]]:
        """What the graph takes."""
        return {"samples": self.samples, "lengths": self.lengths}


@dataclass(frozen=True)
class Heard:
    """Windows that a model was asked about.

    Attributes
    ----------
    starts, lengths : in samples, int64 ``(n,)``
    outputs : probabilities of the classes ``(n, n_classes)``
    """

    starts: IntArray
    lengths: IntArray
    outputs: FloatArray


@dataclass
class Slider:
    """What a model says of a recording that comes in pieces.

    A sound between two quiet moments that is as long as training clips are is one window, as somebody would cut it out;
    a shorter one has its surroundings in the window. Over longer ones windows of a middling clip slide.

    Attributes
    ----------
    predictor : a model of clips with one class each
    hop : samples from one window to the next, where they slide
    passed : samples that have come
    asked : windows that the model was asked about
    """

    predictor: Predictor
    hop: int
    passed: int = 0
    asked: int = 0

    def __post_init__(self) -> None:
        form: SoundForm = self.predictor.form  # type: ignore[assignment]
        self.short, self.middle, self.long = form.usual
        self._frame = max(1, round(FRAME_SECONDS * form.rate))
        self._gap = round(GAP_SECONDS / FRAME_SECONDS)
        self._blip = max(1, min(round(BLIP_SECONDS / FRAME_SECONDS), self.short // (2 * self._frame)))
        self._most = max(2 * self.long, round(MOST_SECONDS * form.rate))
        self._kept: Samples = np.empty(0, dtype=np.float32)
        self._start = 0  # of `_kept`, in the recording
        self.done = 0  # windows still to come begin here or later, but for the surroundings of short sounds
        self._levels: FloatArray = np.empty(0)  # of the frames of the last `MEMORY_SECONDS`
        self._measured = 0  # samples of the recording whose levels are among them, or were

    def hear(self, piece: Samples, *, last: bool = False) -> Heard:
        """What is heard in sounds that are over with this piece ``(n,)``; ``last``: nothing comes after it."""
        self.passed += len(piece)
        self._kept = np.concatenate([self._kept, piece])
        n = len(self._kept) // self._frame
        if not n:
            return self._ask([])
        levels = self._level(n)
        loud = levels > max(SILENT, float(np.quantile(self._levels, QUIET_SHARE)) * 10 ** (STANDS_OUT / 20))
        loud[: max(0, self.done - self._start) // self._frame] = False
        end, reach = len(self._kept), self.long + self._gap * self._frame
        windows: list[tuple[int, int]] = []
        until = max(0, end - reach)
        for first, stop in stretches(loud, self._gap, self._blip):
            begin, over = first * self._frame, stop * self._frame
            if not last and over + reach > end and end - begin < self._most:
                until = min(until, begin)
                break
            windows += self._of_stretch(begin, over)
            until = max(until, min(over, end))
        heard = self._ask(windows)
        self.done = max(self.done, self._start + until)
        keep = max(0, until - self.long) // self._frame * self._frame
        self._kept, self._start = self._kept[keep:], self._start + keep
        return heard

    def _level(self, n: int) -> FloatArray:
        """Root mean square of each frame of what is kept, over `SMOOTH` frames; those that are new are remembered."""
        power = np.square(self._kept[: n * self._frame].reshape(n, -1), dtype=np.float64).mean(axis=1)
        wide = np.convolve(np.pad(power, SMOOTH // 2, mode="edge"), np.full(SMOOTH, 1 / SMOOTH), mode="valid")
        smooth: FloatArray = np.sqrt(wide)
        new = (self._measured - self._start) // self._frame
        memory = max(n, round(MEMORY_SECONDS / FRAME_SECONDS))
        self._levels = np.concatenate([self._levels, smooth[new:]])[-memory:]
        self._measured = self._start + n * self._frame
        return smooth

    def _of_stretch(self, begin: int, over: int) -> list[tuple[int, int]]:
        """Starts and lengths of the windows in a sound."""
        if over - begin > self.long + SMOOTH * self._frame:  # smooth levels are wider than the sound
            return [(at, self.middle) for at in range(begin, over - self.middle + 1, self.hop)]
        length = min(max(over - begin, self.short), len(self._kept))
        return [(min(max(0, (begin + over - length) // 2), len(self._kept) - length), length)]

    def _ask(self, windows: list[tuple[int, int]]) -> Heard:
        self.asked += len(windows)
        starts = np.array([start for start, _ in windows], dtype=np.int64)
        lengths = np.array([length for _, length in windows], dtype=np.int64)
        outputs = np.empty((len(windows), self.predictor.task.n_outputs))
        order = np.argsort(lengths, kind="stable")
        for first in range(0, len(order), AT_ONCE):
            rows = order[first : first + AT_ONCE]
            samples = np.zeros((len(rows), int(lengths[rows].max())), dtype=np.float32)
            for place, row in enumerate(rows.tolist()):
                cut = self._kept[starts[row] : starts[row] + lengths[row]]
                samples[place, : len(cut)] = cut - cut.mean()  # clips have no offset either
            outputs[rows] = self.predictor.raw(Windows(samples, lengths[rows]))
        return Heard(self._start + starts, lengths, outputs)


def stretches(loud: NDArray[np.bool_], gap: int, blip: int) -> list[tuple[int, int]]:
    """Runs of True, first and behind the last; those less than ``gap`` apart are one, less than ``blip`` long none.

    >>> stretches(np.array([0, 1, 1, 0, 1, 0, 0, 0, 1]) > 0, gap=2, blip=2)
    [(1, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    found: list[tuple[int, int]] = []
    for first, stop in edges.reshape(-1, 2).tolist():
        if found and first - found[-1][1] < gap:
            found[-1] = found[-1][0], stop
        else:
            found.append((first, stop))
    return [(first, stop) for first, stop in found if stop - first >= blip]


def hear_all(slider: Slider, pieces: Iterable[Samples]) -> Iterator[Heard]:
    """What is heard in each piece.

    Raises
    ------
    RequestError
        At the end of a recording that is shorter than a short clip.
    """
    for piece in pieces:
        yield slider.hear(piece)
    yield slider.hear(np.empty(0, dtype=np.float32), last=True)
    form: SoundForm = slider.predictor.form  # type: ignore[assignment]
    if slider.passed < slider.short:
        raise RequestError(
            f"The recording lasts {form.seconds(slider.passed):.2g} s, less than a clip of "
            f"{form.seconds(slider.short):.2g} s: use annvil predict for clips."
        )
