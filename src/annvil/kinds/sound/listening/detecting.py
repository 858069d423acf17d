"""Which words of a saved model are said where in a long recording, or in what a microphone hears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.bundle import Predictor, load
from annvil.errors import RequestError
from annvil.kinds.sound.clips import Samples
from annvil.kinds.sound.listening.calibration import Background, calibrated, given_background, probability_of
from annvil.kinds.sound.listening.held_out import FOLDER
from annvil.kinds.sound.listening.merging import Hits, Merging
from annvil.kinds.sound.listening.recordings import PIECE_SECONDS, at_rate, pieces_of
from annvil.kinds.sound.listening.windows import Slider, hear_all
from annvil.text.phrases import listed
from annvil.text.quantities import plain_count
from annvil.text.safe import as_csv

if TYPE_CHECKING:
    from annvil.kinds.sound.form import SoundForm

Tell = Callable[[str], None]

MOST_TOLD = 20
"""Words that are told one by one; a file holds all (assumed: a screen)."""


@dataclass(frozen=True)
class Word:
    """One of the model's words in a recording: ``start`` and ``end`` in seconds, and how likely it is."""

    start: float
    end: float
    word: Any
    probability: float

    def sentence(self) -> str:
        """``"0:12.30 to 0:12.81: three (0.98)"``."""
        return f"{_clock(self.start)} to {_clock(self.end)}: {self.word} ({probability_of(self.probability)})"


@dataclass(frozen=True)
class Listened:
    """What was found.

    Attributes
    ----------
    name : of the recording
    seconds : how long it lasts
    words : in order of time
    threshold : the least probability that counts; above 1 where none does
    why : sentences on how it came about
    """

    name: str
    seconds: float
    words: tuple[Word, ...]
    threshold: float
    why: tuple[str, ...]

    def sentences(self) -> tuple[str, ...]:
        """The words one by one, how many of each, and from which probability on."""
        shown = [one.sentence() for one in self.words[:MOST_TOLD]]
        if len(self.words) > MOST_TOLD:
            shown.append(f"… and {len(self.words) - MOST_TOLD:,} more: -o FILE writes all.")
        counts = Counter(str(one.word) for one in self.words).most_common()
        kinds = f": {listed([f'{word} ({n:,})' for word, n in counts])}" if counts else ""
        n = plain_count(len(self.words), "word") if self.words else "none of the words"
        return (*shown, f"{self.name} ({_clock(self.seconds)}): {n} found{kinds}.", *self.why)

    def csv(self) -> str:
        """``start``, ``end`` (seconds), ``word``, ``probability``, ``threshold``: a line for each word."""
        rows = [(f"{w.start:.3f}", f"{w.end:.3f}", w.word, w.probability, self.threshold) for w in self.words]
        return as_csv(["start", "end", "word", "probability", "threshold"], rows)

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        words = [{"start": w.start, "end": w.end, "word": w.word, "probability": w.probability} for w in self.words]
        return {
            "recording": self.name,
            "seconds": self.seconds,
            "threshold": self.threshold,
            "why": [*self.why],
            "words": words,
        }


def listen(
    model: str | Path,
    recording: str | Path | Any,
    *,
    rate: int | None = None,
    threshold: float | None = None,
    false_alarms_per_hour: float = 1.0,
    hop_seconds: float = 0.1,
    background: str | Path | None = None,
    tell: Tell = lambda message: None,
) -> Listened:
    """Which words of a model are said where in a recording.

    Parameters
    ----------
    model : folder of a run, or a saved model, of clips with one class each
    recording : a sound file, or samples ``(n,)`` from −1 to 1 with their ``rate``
    rate : samples a second (Hz) of a recording that is an array
    threshold : the least probability that counts; default: that which keeps false alarms to so many an hour
    false_alarms_per_hour : of sounds that are none of the words
    hop_seconds : between two windows, where a sound lasts longer than a clip and windows slide over it
    background : a sound file in which none of the words is said, from which the threshold is taken; default: sounds
        made from held-out clips of the run
    tell : hears what takes long

    Raises
    ------
    RequestError, DataError, BundleError
        When the model is of something else or has no held-out clips beside it, or a recording cannot be read or is
        shorter than a clip.
    """
    predictor, folder = model_of(Path(model))
    form: SoundForm = predictor.form  # type: ignore[assignment]
    if isinstance(recording, (str, Path)):
        name, pieces = Path(recording).name, pieces_of(Path(recording), form.rate)
    else:
        name, pieces = "The recording", _pieces_of_array(recording, rate, form.rate)
    first = next(pieces, None)  # a recording that is none is told before anything is measured
    hop = hop_of(hop_seconds, form)
    value, why = threshold_for(predictor, folder, hop, threshold, false_alarms_per_hour, background, tell)
    slider = Slider(predictor, hop)
    found = [*words_in(slider, _again(first, pieces), value)]
    return Listened(name, form.seconds(slider.passed), tuple(found), value, why)


def model_of(path: Path) -> tuple[Predictor, Path | None]:
    """The model, and where its run keeps held-out clips.

    Raises
    ------
    RequestError
        When it is about something else than clips with one class each.
    """
    if not path.exists():
        raise RequestError(f"There is no run or saved model {str(path)!r}.")
    inside = path / "model"
    bundle = inside if inside.is_dir() and not (path / "manifest.json").exists() else path
    predictor = load(bundle)
    if predictor.form.kind != "sound":
        raise RequestError(f"{path} is not about sound, so it hears nothing: name a run of clips of sound.")
    if not predictor.task.one_class_a_row:
        raise RequestError(f"{path} does not say a word, or one class, of each clip: listening needs such a model.")
    folder = bundle.resolve().parent / FOLDER
    return predictor, folder if folder.is_dir() else None


def hop_of(seconds: float, form: SoundForm) -> int:
    """Samples between two windows.

    Raises
    ------
    RequestError
        When it is no time, or windows would leave gaps.
    """
    middle = form.usual[1]
    if not 0 < seconds * form.rate <= middle:
        raise RequestError(
            f"hop is a time up to a usual clip's, {1000 * form.seconds(middle):.0f} ms; got {seconds:g} s."
        )
    return max(1, round(seconds * form.rate))


def threshold_for(
    predictor: Predictor,
    folder: Path | None,
    hop: int,
    threshold: float | None,
    per_hour: float,
    background: str | Path | None,
    tell: Tell,
) -> tuple[float, tuple[str, ...]]:
    """The least probability that counts, and how it came about."""
    if threshold is not None:
        if not 0 <= threshold <= 1:
            raise RequestError(f"threshold is a probability from 0 to 1; got {threshold:g}.")
        return threshold, (f"A word counts from probability {threshold:g} on, as was asked for.",)
    if not 0 <= per_hour < float("inf"):
        raise RequestError(f"false_alarms_per_hour is 0 or more; got {per_hour:g}.")
    form: SoundForm = predictor.form  # type: ignore[assignment]
    if background is not None:
        known: Background = given_background(pieces_of(Path(background), form.rate), Slider(predictor, hop))
    else:
        known = calibrated(folder, predictor, hop, tell)
    value = known.threshold(per_hour)
    return value, known.sentences(value, per_hour)


def words_in(slider: Slider, pieces: Iterable[Samples], threshold: float) -> Iterator[Word]:
    """Words as they are settled, while the recording still goes on."""
    merging = Merging(threshold)
    for heard in hear_all(slider, pieces):
        yield from _words(slider.predictor, merging.add(heard, slider.done - slider.short))
    yield from _words(slider.predictor, merging.rest())


def _words(predictor: Predictor, hits: Hits) -> Iterator[Word]:
    form: SoundForm = predictor.form  # type: ignore[assignment]
    classes = predictor.task.classes
    for start, end, word, sure in zip(hits.starts, hits.ends, hits.words, hits.probabilities, strict=True):
        yield Word(form.seconds(int(start)), form.seconds(int(end)), classes[int(word)], float(sure))


def _pieces_of_array(recording: Any, rate: int | None, wanted: int) -> Iterator[Samples]:
    if rate is None:
        raise RequestError("A recording that is an array needs its rate: rate=16000.")
    try:
        samples = np.asarray(recording, dtype=np.float32)
    except (TypeError, ValueError):
        raise RequestError("The recording is neither a path nor an array of samples.") from None
    if samples.ndim != 1 or not np.isfinite(samples).all() or float(np.abs(samples).max(initial=0)) > 1:
        raise RequestError("A recording that is an array has one axis, and finite samples from -1 to 1.")
    step = PIECE_SECONDS * rate
    return at_rate((samples[a : a + step] for a in range(0, len(samples), step)), rate, wanted)


def _again(first: Samples | None, rest: Iterator[Samples]) -> Iterator[Samples]:
    if first is not None:
        yield first
    yield from rest


def _clock(seconds: float) -> str:
    """``"1:02:03.40"``, without hours where there are none."""
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"
