"""How training pictures are changed, in strengths: what a network should not care about, shown to it.

Nothing here touches pixels; `annvil.preparation.augment_batches` does, batch by batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from annvil.errors import RequestError, did_you_mean

Flip = Literal["none", "random", "alternate"]
Padding = Literal["reflect", "edge"]


_HIGHEST: dict[str, tuple[float, bool]] = {
    "shift": (math.inf, False),
    "rotate": (180, True),
    **dict.fromkeys(("crop", "scale", "cutout", "contrast", "colour"), (1, False)),
    **dict.fromkeys(("brightness", "noise"), (1, True)),
    **dict.fromkeys(("mixup", "cutmix"), (math.inf, False)),
}
"""The end of what each strength may be, and whether it may be that; all begin at 0."""


@dataclass(frozen=True)
class Augmentation:
    """What is done to training pictures, anew in every epoch; the default does nothing.

    Attributes
    ----------
    flip : left and right are exchanged: "random", for half of the pictures of a batch; or "alternate", for a picture
        in every other epoch, so that two epochs show both sides of each (airbench, Jordan 2024, arXiv 2404.00498,
        section 3.6)
    flip_vertical : top and bottom are exchanged in half of the pictures
    shift : pixels, at most, in both directions
    padding : what comes in at the edges of pictures that are shifted, turned or made smaller: their mirror image
        ("reflect") or their outermost pixels ("edge")
    crop : share of the area, in [0, 1), that is cut off at most; what is left fills the picture
    rotate : degrees, at most, to both sides, in [0, 180]
    scale : share in [0, 1) by which pictures become larger or smaller, at most (factors of 1 + scale and its inverse)
    cutout : side of a square that is painted over with the picture's mean, as a share of the shorter side, in [0, 1)
        (DeVries and Taylor 2017, arXiv 1708.04552)
    mixup : alpha of the Beta distribution of the shares in which two pictures and their targets are mixed (Zhang et al.
        2018, arXiv 1710.09412); 0: not at all. Departure: every picture draws a share of its own.
    cutmix : alpha of the Beta distribution of the share that a rectangle of another picture leaves (Yun et al. 2019,
        arXiv 1905.04899); 0: not at all. With both, each picture gets one of them by toss.
    brightness : share of the range of values that is added or taken away at most, in [0, 1]
    contrast : share in [0, 1) by which distances from the picture's mean grow or shrink at most
    colour : the same for distances from grey; pictures in grey stay as they are
    noise : deviation of Gaussian noise as a share of the range, at most, in [0, 1]

    >>> Augmentation(shift=2, flip="random").short()
    'shifts of 2 pixels, flips'
    """

    flip: Flip = "none"
    flip_vertical: bool = False
    shift: int = 0
    padding: Padding = "reflect"
    crop: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, choices in (("flip", get_args(Flip)), ("padding", get_args(Padding))):
            value = getattr(self, name)
            if value not in choices:
                rule = " or ".join(map(repr, choices))
                raise RequestError(f"Augmentation: {name} must be {rule}; got {value!r}.")
        for name, (high, closed) in _HIGHEST.items():
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not (0 <= value < high or (closed and value == high)):
                end = "" if high == math.inf else f" and at most {high}" if closed else f" and below {high}"
                raise RequestError(f"Augmentation: {name} must be a number of at least 0{end}; got {value!r}.")
        if not isinstance(self.shift, int):
            raise RequestError(f"Augmentation: shift is a whole number of pixels; got {self.shift!r}.")

    @property
    def does_nothing(self) -> bool:
        """Whether pictures stay as they are."""
        return replace(self, padding="reflect") == Augmentation()  # which matters where something moves

    @property
    def mixes(self) -> bool:
        """Whether pictures are mixed with others, and targets with theirs."""
        return self.mixup > 0 or self.cutmix > 0

    def to_json(self) -> dict[str, Any]:
        """JSON-able: what differs from doing nothing; `from_json` reads it."""
        plain = asdict(Augmentation())
        return {name: value for name, value in asdict(self).items() if value != plain[name]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Augmentation:
        """The augmentation that `to_json` wrote, or that somebody wrote by hand.

        Raises
        ------
        RequestError
            Naming a strength that does not exist or a value that is none.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise RequestError(
                    f"Augmentation: there is no {name!r}.{did_you_mean(str(name), known)} There are {', '.join(known)}."
                )
        return cls(**values)

    @classmethod
    def parse(cls, text: str) -> Augmentation:
        """From words such as ``"shift=2,flip=random,rotate=10"`` (as the command line takes them).

        >>> Augmentation.parse("shift=2, rotate=10").short()
        'shifts of 2 pixels, turns of 10°'
        """
        values: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals:
                raise RequestError(f"Augmentation: write name=value, such as shift=2; got {part!r}.")
            values[name.replace("-", "_")] = _value(name, value)
        return cls.from_json(values)

    def describe(self) -> tuple[str, ...]:
        """What is done, in sentences, for people."""
        sentences = [sentence for _, sentence in _said(self)]
        if not sentences:
            return ("Training pictures are used as they are.",)
        if sentences[0].startswith("They "):
            sentences[0] = f"Training pictures {sentences[0].removeprefix('They ')}"
        return tuple(sentences)

    def short(self) -> str:
        """What is done, in a few words: "shifts of 2 pixels, flips"."""
        return ", ".join(words for words, _ in _said(self) if words) or "none"


def _value(name: str, text: str) -> Any:
    if text.lower() in ("true", "yes", "on", "false", "no", "off"):
        return text.lower() in ("true", "yes", "on")
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number == int(number) and name == "shift" else number


def _said(of: Augmentation) -> Iterator[tuple[str, str]]:
    """What is done, one after another: in a few words, and in a sentence."""
    if of.shift:
        pixels = "1 pixel" if of.shift == 1 else f"{of.shift} pixels"
        yield f"shifts of {pixels}", f"They are shifted by up to {pixels} in both directions."
    if of.flip == "random":
        yield "flips", "Left and right are exchanged in half of the training pictures, chosen anew in every epoch."
    if of.flip == "alternate":
        yield "alternating flips", "Left and right of every training picture are exchanged in every other epoch."
    if of.flip_vertical:
        yield "vertical flips", "Top and bottom are exchanged in half of the training pictures."
    if of.crop:
        area = f"{of.crop:.0%}"
        yield f"crops of {area}", f"They lose up to {area} of their area at the edges, and the rest is enlarged."
    if of.rotate:
        yield f"turns of {of.rotate:g}°", f"They are turned by up to {of.rotate:g} degrees to either side."
    if of.scale:
        yield f"scales of {of.scale:.0%}", f"They are made up to {of.scale:.0%} larger, or smaller by the same factor."
    if of.shift or of.rotate or of.scale:
        fills = "their mirror image" if of.padding == "reflect" else "their outermost pixels"
        yield "", f"What comes in at the edges is {fills}."
    if of.cutout:
        side = f"{of.cutout:.0%}"
        yield f"cutout of {side}", f"A square of {side} of the shorter side is painted over with the picture's mean."
    colours = [f"brightness (by up to {of.brightness:.0%} of the range)"] if of.brightness else []
    colours += [f"{name} (by up to {by:.0%})" for name, by in (("contrast", of.contrast), ("colour", of.colour)) if by]
    if colours:
        yield "colour" if of.colour else "brightness", f"{' and '.join(colours)} change at random.".capitalize()
    if of.noise:
        yield f"noise of {of.noise:.1%}", f"Noise of up to {of.noise:.1%} of the range of values is added."
    if of.mixup:
        yield "mixup", "Two pictures are laid over each other, and their targets mixed in the same shares (mixup)."
    if of.cutmix:
        yield "cutmix", "A rectangle of another picture is pasted in, and targets mixed by area (cutmix)."
    if of.mixup and of.cutmix:
        yield "", "Each picture gets one of the two by toss."


def augmentation_of(value: Augmentation | Mapping[str, Any] | str | None) -> Augmentation:
    """An augmentation from whatever says one: itself, strengths by name, "shift=2,flip=random", or None for none."""
    if value is None:
        return Augmentation()
    if isinstance(value, Augmentation):
        return value
    if isinstance(value, str):
        return Augmentation.parse(value)
    if isinstance(value, Mapping):
        return Augmentation.from_json(value)
    raise RequestError(
        "An augmentation is an annvil.Augmentation, a dict of strengths, or a text such as 'shift=2,flip=random'; "
        f"got a {type(value).__name__}."
    )
