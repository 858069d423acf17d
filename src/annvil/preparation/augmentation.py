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
        _check(self, "shift", 0, math.inf)
        if not isinstance(self.shift, int):
            raise RequestError(f"Augmentation: shift is a whole number of pixels; got {self.shift!r}.")
        _check(self, "rotate", 0, 180, closed=True)
        for name in ("crop", "scale", "cutout", "contrast", "colour"):
            _check(self, name, 0, 1)
        for name in ("brightness", "noise"):
            _check(self, name, 0, 1, closed=True)
        for name in ("mixup", "cutmix"):
            _check(self, name, 0, math.inf)

    @property
    def does_nothing(self) -> bool:
        """Whether pictures stay as they are."""
        return self.gentle == Augmentation()

    @property
    def gentle(self) -> Augmentation:
        """The same where ``padding`` matters, so that two that do the same are equal."""
        moves = self.shift or self.rotate or self.scale or self.crop
        return self if moves else replace(self, padding="reflect")

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
        sentences = list(_sentences(self))
        if not sentences:
            return ("Training pictures are used as they are.",)
        if sentences[0].startswith("They "):
            sentences[0] = f"Training pictures {sentences[0].removeprefix('They ')}"
        return tuple(sentences)

    def short(self) -> str:
        """What is done, in a few words: "shifts of 2 pixels, flips"."""
        return ", ".join(_words(self)) or "none"


def _check(of: Augmentation, name: str, low: float, high: float, closed: bool = False) -> None:
    value = getattr(of, name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (low <= value < high or (closed and value == high)):
        end = "" if high == math.inf else f" and at most {high}" if closed else f" and below {high}"
        raise RequestError(f"Augmentation: {name} must be a number of at least {low}{end}; got {value!r}.")


def _value(name: str, text: str) -> Any:
    if text.lower() in ("true", "yes", "on", "false", "no", "off"):
        return text.lower() in ("true", "yes", "on")
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number == int(number) and name == "shift" else number


def _sentences(of: Augmentation) -> Iterator[str]:
    if of.flip == "random":
        yield "Left and right are exchanged in half of the training pictures, chosen anew in every epoch."
    if of.flip == "alternate":
        yield "Left and right of every training picture are exchanged in every other epoch."
    if of.flip_vertical:
        yield "Top and bottom are exchanged in half of the training pictures."
    if of.shift:
        yield f"They are shifted by up to {_pixels(of.shift)} in both directions."
    if of.crop:
        yield f"They lose up to {of.crop:.0%} of their area at the edges, and the rest is enlarged."
    if of.rotate:
        yield f"They are turned by up to {of.rotate:g} degrees to either side."
    if of.scale:
        yield f"They are made up to {of.scale:.0%} larger, or smaller by the same factor."
    if of.shift or of.rotate or of.scale:
        fills = "their mirror image" if of.padding == "reflect" else "their outermost pixels"
        yield f"What comes in at the edges is {fills}."
    if of.cutout:
        yield f"A square of {of.cutout:.0%} of the shorter side is painted over with the picture's mean."
    if of.brightness or of.contrast or of.colour:
        yield f"{' and '.join(_colours(of))} change at random.".capitalize()
    if of.noise:
        yield f"Noise of up to {of.noise:.1%} of the range of values is added."
    if of.mixup:
        yield "Two pictures are laid over each other, and their targets mixed in the same shares (mixup)."
    if of.cutmix:
        yield "A rectangle of another picture is pasted in, and targets mixed by area (cutmix)."
    if of.mixup and of.cutmix:
        yield "Each picture gets one of the two by toss."


def _colours(of: Augmentation) -> Iterator[str]:
    if of.brightness:
        yield f"brightness (by up to {of.brightness:.0%} of the range)"
    if of.contrast:
        yield f"contrast (by up to {of.contrast:.0%})"
    if of.colour:
        yield f"colour (by up to {of.colour:.0%})"


def _words(of: Augmentation) -> Iterator[str]:
    if of.shift:
        yield f"shifts of {_pixels(of.shift)}"
    if of.flip != "none":
        yield "flips" if of.flip == "random" else "alternating flips"
    if of.flip_vertical:
        yield "vertical flips"
    if of.crop:
        yield f"crops of {of.crop:.0%}"
    if of.rotate:
        yield f"turns of {of.rotate:g}°"
    if of.scale:
        yield f"scales of {of.scale:.0%}"
    if of.cutout:
        yield f"cutout of {of.cutout:.0%}"
    if of.brightness or of.contrast or of.colour:
        yield "colour" if of.colour else "brightness"
    if of.noise:
        yield f"noise of {of.noise:.1%}"
    if of.mixup:
        yield "mixup"
    if of.cutmix:
        yield "cutmix"


def _pixels(count: int) -> str:
    return "1 pixel" if count == 1 else f"{count} pixels"


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
