"""From which probability on a word counts, so that false alarms come no oftener than so many times an hour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from annvil.bundle import Predictor
from annvil.errors import DataError, RequestError
from annvil.files import read_kept, write_atomically
from annvil.kinds.sound.clips import Samples
from annvil.kinds.sound.listening.background import with_words, without_words
from annvil.kinds.sound.listening.held_out import HeldOut, held_out_of
from annvil.kinds.sound.listening.merging import hits_of, joined, merged
from annvil.kinds.sound.listening.windows import Slider, hear_all
from annvil.text.quantities import percent, plain_count

if TYPE_CHECKING:
    from annvil.kinds.sound.form import SoundForm

MADE_HOURS = 1.0
"""Of sounds that are no words (assumed: rates of one an hour are then counted, not guessed)."""

MOST_PEAKS = 5_000
"""Peaks that are kept, the likeliest first (assumed: more than anybody's false alarms in an hour)."""


class Background(msgspec.Struct, frozen=True):
    """What a model says where none of its words is said, and where they are.

    Attributes
    ----------
    seconds : of the background
    peaks : probabilities of what is heard in it all the same, the largest first
    made : whether it was made from held-out clips, by the model of the first fold, which had not heard them
    grouped : whether these clips are of speakers whom that model had not heard
    sounds : that were made for it
    words : held-out clips in a recording with pauses
    found : for each that is recognised where it is, the probability of it
    mistaken : probabilities of wrong words in that recording
    """

    seconds: float
    peaks: tuple[float, ...]
    made: bool
    grouped: bool = False
    sounds: int = 0
    words: int = 0
    found: tuple[float, ...] = ()
    mistaken: tuple[float, ...] = ()

    def threshold(self, per_hour: float) -> float:
        """The least probability that so many peaks an hour, rounded down, reach; above 1 where there is none."""
        allowed = int(per_hour * self.seconds / 3600 + 1e-9)
        if allowed >= len(self.peaks):
            return 0.0 if len(self.peaks) < MOST_PEAKS else self.peaks[-1]
        return float(np.nextafter(self.peaks[allowed], 2.0))

    def sentences(self, value: float, per_hour: float) -> tuple[str, ...]:
        """How that probability came about, and what it costs."""
        alarms = sum(peak >= value for peak in self.peaks)
        hours = self.seconds / 3600
        lasts = f"{hours:.2g} h" if hours >= 1 else f"{self.seconds / 60:.2g} min"
        heard = plain_count(alarms, "false alarm") if alarms else "no false alarm"
        counts = "Nothing counts as a word"
        if value <= 1:
            counts = f"A word counts from probability {probability_of(value)} on"
        if not self.made:
            where = f"in the {lasts} of background that were given, the model then raises {heard}"
            short = self.seconds * per_hour < 3600
            proof = f" That is too short to show {per_hour:g} an hour or less." if short else ""
            return (f"{counts}: {where}; {per_hour:g} an hour were asked for.{proof}",)
        who = "of speakers whom" if self.grouped else "that"
        told = (
            f"{counts}: in {lasts} of {plain_count(self.sounds, 'made sound')} that are none of the words, the model "
            f"of the first fold then raises {heard}; {per_hour:g} an hour were asked for."
        )
        how = f"They are held-out clips {who} that model had not heard, played backwards, cut up, or two at once."
        found, wrong = sum(one >= value for one in self.found), sum(one >= value for one in self.mistaken)
        cost = (
            f"With the same threshold it finds {percent(found / max(1, self.words))} of "
            f"{plain_count(self.words, 'word')} that are said between pauses in quiet ({found:,}), and says "
            f"{plain_count(wrong, 'wrong word')} there."
        )
        care = (
            "Real talk and noise are others than made ones: a recording of the place without these words, given as "
            "--background, tells more."
        )
        return told, how, cost, care


def probability_of(value: float) -> str:
    """With two digits more than tell it from 1.

    >>> probability_of(0.5), probability_of(0.99987), probability_of(1.0)
    ('0.500', '0.999870', '1')
    """
    return "1" if value >= 1 else f"{value:.{min(15, 3 + int(-np.log10(1 - value)))}f}"


def background_of(pieces: Iterable[Samples], slider: Slider, *, made: bool, grouped: bool = False) -> Background:
    """What the model says of a recording without any of its words."""
    peaks = merged(joined(hits_of(heard) for heard in hear_all(slider, pieces))).probabilities
    form: SoundForm = slider.predictor.form  # type: ignore[assignment]
    largest = tuple(np.sort(peaks)[::-1][:MOST_PEAKS].tolist())
    return Background(form.seconds(slider.passed), largest, made, grouped)


def calibrated(folder: Path | None, predictor: Predictor, hop: int, tell: Callable[[str], None]) -> Background:
    """That of the clips that a run kept in ``folder``; measured once for each distance of windows.

    Raises
    ------
    RequestError
        When the run has kept none.
    """
    held_out = None if folder is None else held_out_of(folder)
    if folder is None or held_out is None:
        raise RequestError(
            "Nothing tells from which probability on a word counts: this model has no held-out clips beside it. Give "
            "--threshold, or a recording without any of its words as --background."
        )
    path = folder / f"background-{hop}.json"
    if path.exists():
        return read_kept(path, msgspec.json.Decoder(Background).decode, "Delete it to have it measured again.")
    tell("How often the model hears words where there are none is measured once …")
    model = Predictor.from_graph(held_out.graph, predictor.form, predictor.task)
    found = _measured(held_out, model, hop)
    write_atomically(path, msgspec.json.encode(found))
    return found


def _measured(held_out: HeldOut, model: Predictor, hop: int) -> Background:
    form: SoundForm = model.form  # type: ignore[assignment]
    random = np.random.default_rng(0)
    recording = with_words(held_out.clips, form.rate, random)
    slider = Slider(model, hop)
    hits = merged(joined(hits_of(heard) for heard in hear_all(slider, [recording.samples])))
    row = np.searchsorted(recording.starts, (hits.starts + hits.ends) // 2) - 1
    inside = (row >= 0) & ((hits.starts + hits.ends) // 2 < recording.ends[np.maximum(row, 0)])
    right = inside & (held_out.y[recording.clips[np.maximum(row, 0)]] == hits.words)
    best: dict[int, float] = {}
    for one, sure in zip(row[right].tolist(), hits.probabilities[right].tolist(), strict=True):
        best[one] = max(best.get(one, 0.0), sure)
    sounds = 0

    def pieces() -> Iterator[Samples]:
        nonlocal sounds
        for made in without_words(held_out.clips, form.rate, 3600 * MADE_HOURS, random):
            sounds += len(made.starts)
            yield made.samples

    background = background_of(pieces(), Slider(model, hop), made=True, grouped=held_out.grouped)
    return msgspec.structs.replace(
        background,
        sounds=sounds,
        words=len(held_out.clips),
        found=tuple(best.values()),
        mistaken=tuple(hits.probabilities[~right].tolist()),
    )


def given_background(pieces: Iterable[Samples], slider: Slider) -> Background:
    """That of a recording that somebody gives.

    Raises
    ------
    DataError
        When nothing in it stands out, so that the model was asked about nothing.
    """
    background = background_of(pieces, slider, made=False)
    if not slider.asked:
        raise DataError("Nothing stands out in the background, so that it says nothing of false alarms: give another.")
    return background
