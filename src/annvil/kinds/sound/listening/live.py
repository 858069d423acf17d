"""Words while they are said: what a microphone hears goes the way of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from annvil.kinds.sound.listening.detecting import Listened, Tell, Word, hop_of, model_of, threshold_for, words_in
from annvil.kinds.sound.listening.microphone import pieces_of_microphone
from annvil.kinds.sound.listening.windows import Slider

if TYPE_CHECKING:
    from annvil.kinds.sound.form import SoundForm


def listen_live(
    model: str | Path,
    seconds: float | None = None,
    *,
    threshold: float | None = None,
    false_alarms_per_hour: float = 1.0,
    hop_seconds: float = 0.1,
    background: str | Path | None = None,
    tell: Tell = lambda message: None,
) -> Listened:
    """Tells each word when it is over, and returns all of them after so many seconds, or after Ctrl-C.

    Arguments and errors are those of `annvil.kinds.sound.listening.listen`, beside `MachineError` where there is
    no microphone.
    """
    predictor, folder = model_of(Path(model))
    form: SoundForm = predictor.form  # type: ignore[assignment]
    hop = hop_of(hop_seconds, form)
    value, why = threshold_for(predictor, folder, hop, threshold, false_alarms_per_hour, background, tell)
    slider = Slider(predictor, hop)
    found: list[Word] = []
    tell("Listening; Ctrl-C ends it.")
    for word in words_in(slider, pieces_of_microphone(form.rate, seconds), value):
        tell(word.sentence())
        found.append(word)
    return Listened("The microphone", form.seconds(slider.passed), tuple(found), value, why)
