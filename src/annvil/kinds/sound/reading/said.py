"""What was made of the files, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from annvil.kinds.sound.clips import LeftOut
from annvil.kinds.sound.facts import Facts
from annvil.kinds.sound.form import SoundForm
from annvil.kinds.sound.reading.resampling import resampler
from annvil.text.phrases import outside
from annvil.text.quantities import part_of
from annvil.text.safe import short_name


def said_of(facts: Facts, form: SoundForm, left_out: Sequence[LeftOut], *, predicting: bool = False) -> tuple[str, ...]:
    """Sentences on rates, channels, padding, offsets and what could not be used; none of what needs none.

    In ``predicting`` nothing is said of what is done without any doubt: means of channels, padding, offsets.
    """
    return tuple(_said(facts, form, left_out, predicting))


def _said(facts: Facts, form: SoundForm, left_out: Sequence[LeftOut], predicting: bool) -> Iterator[str]:
    n = len(facts)
    other = facts["rate"][(facts["rate"] != form.rate) & (facts["rate"] > 0)]
    if len(other):
        rates = ", ".join(f"{rate:,}" for rate, _ in Counter(other.tolist()).most_common(3))
        yield f"{_part(len(other), n)} brought from {rates} Hz to {form.rate:,} Hz by {resampler()}."
    several, cancelled = int((facts["channels"] > 1).sum()), int(facts["cancelled"].sum())
    if several and not predicting:
        yield f"{_part(several, n)} of several channels: their mean is taken."
    if cancelled:
        yield f"{_part(cancelled, n)} of channels that cancel each other: the loudest is taken instead."
    trimmed = facts["trimmed"] > 0
    if trimmed.any() and not predicting:
        mean = float(facts["trimmed"][trimmed].mean())
        yield f"{_part(int(trimmed.sum()), n)} padded with digital silence, {mean:.2g} s on average, which is cut off."
    offset = int((facts["offset"] != 0).sum())
    if offset and not predicting:
        yield f"{_part(offset, n)} around a value other than 0: the offset is taken away."
    lies = int(facts["lies"].sum())
    if lies:
        yield f"{_part(lies, n)} of another length than the header says: what is there is read."
    if left_out:
        first = left_out[0]
        which = f"{len(left_out):,} files" if len(left_out) > 1 else "1 file"
        yield f"{which} left out: {short_name(first.name)} {first.reason}{', …' * (len(left_out) > 1)}."


def _part(k: int, n: int) -> str:
    return f"{outside(part_of(k, n, 'clip'))} {'is' if k == 1 else 'are'}"
