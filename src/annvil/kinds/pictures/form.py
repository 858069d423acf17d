"""The form in which pictures reach a model: one size, one number of channels, one rule for what does not fit.

A form is chosen once from the training pictures, kept with the saved model, and applied to every picture that is
predicted later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.data.form import Arrays, Conformed, GraphInput, Inputs
from annvil.data.plugins import kind_named
from annvil.kinds.pictures.seen import SeenPictures

if TYPE_CHECKING:
    from annvil.onnx.builder import Graph, Value

NAME = "image"
"""What the one column of a raw row of pictures is called."""

MOST_SIDE = 1 << 14
"""Pixels on a side of a picture (assumed): what is far beyond any network could take."""

LONGEST_SIDE = 128
"""Pictures are made no larger than this unless a size is asked for. Assumed: a convolutional network on two cores
learns from some hundred pictures of 128 × 128 a second, and four times fewer at twice the side."""

LOST_BY_CROPPING = 0.05
"""Pictures are cropped where 95% of them lose at most this share of their area, and padded otherwise (assumed)."""

WHOLE_BY = 8
"""Sizes that are chosen, not found, are multiples of this, so that three halvings leave no odd row."""

Fit = Literal["pad", "crop"]


Side = Annotated[int, msgspec.Meta(ge=1, le=MOST_SIDE)]


class PictureForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pictures"):
    """Size, channels and resize policy: what a saved model asks of a picture.

    What is done with it is asked of the kind, not imported: all files that read and keep pictures need its sizes.

    Attributes
    ----------
    height, width : pixels
    channels : 1 (grey) or 3 (red, green, blue)
    fit : a picture of another size is scaled with its aspect kept, and then padded with the mean colour of its border
        ("pad") or cut to the middle ("crop")
    low, high : values of pictures with more than 8 bits, and of arrays that are not uint8 (or of 0 and 1), that become
        0 and 255; both 0 where none were seen, then files have the full range of their type. Files of 8 bits are never
        scaled; what arrays mean says `annvil.kinds.pictures.reading.given_arrays`.
    column : what the picture is called in a row given as a dict
    seen : what the training pictures of a saved model were like; None where it is not known
    """

    kind: ClassVar[str] = "pictures"

    height: Side
    width: Side
    channels: int
    fit: Fit = "pad"
    low: float = 0.0
    high: float = 0.0
    column: str = NAME
    seen: SeenPictures | None = None

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The picture."""
        return ((self.column, "image"),)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(height, width, channels)``."""
        return self.height, self.width, self.channels

    @property
    def n_values(self) -> int:
        """Values of one picture, and its bytes: height × width × channels."""
        return self.height * self.width * self.channels

    @property
    def has_range(self) -> bool:
        """Whether deep values have a range of their own."""
        return self.high > self.low

    def describe(self) -> str:
        """``"28 × 28 grey"``."""
        return f"{self.width} × {self.height} {'grey' if self.channels == 1 else 'colour'}"

    def graph_inputs(self) -> tuple[GraphInput, ...]:
        """``pixels`` uint8 ``(rows, height, width, channels)``, of any height and width."""
        return (GraphInput("pixels", "uint8", ("height", "width", self.channels)),)

    def enter(self, graph: Graph) -> tuple[Value, ...]:
        """``pixels``, brought to the form by the graph (`annvil.kinds.pictures.graph_resize`)."""
        (spec,) = self.graph_inputs()
        pixels = graph.input(spec.name, spec.dtype, ["rows", *spec.shape])
        return (kind_named(self.kind).resized(self, graph, pixels),)

    def conform(self, raw: Any, where: str = "the pictures to predict") -> Conformed:
        """`Images` of this form; see `annvil.kinds.pictures.conform.conform_images`."""
        return Conformed(*kind_named(self.kind).conformed(self, raw, where))

    def json_schema(self) -> dict[str, Any]:
        """An object with the picture: a file's content as a data URL, or rows of pixels."""
        schema: dict[str, Any] = kind_named(self.kind).json_schema(self)
        return schema

    def check(self) -> str | None:
        """Sizes are bounded by their types."""
        if self.channels not in (1, 3):
            return f"pictures have 1 or 3 channels, not {self.channels}"
        return None if self.seen is None or self.seen.fits else "what was seen in training is of other statistics"

    def from_arrays(self, arrays: Arrays, described: dict[str, Any]) -> Inputs:
        """What `annvil.kinds.pictures.images.Images.to_arrays` gave."""
        images: Inputs = kind_named(self.kind).from_arrays(self, arrays, described)
        return images


@dataclass(frozen=True)
class Survey:
    """What a sample of the pictures looks like: heights and widths in pixels, how many are coloured, deep values."""

    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    any_colour: bool
    low: float = 0.0
    high: float = 0.0


def choose_form(survey: Survey, size: int | Sequence[int] | None = None) -> tuple[PictureForm, str]:
    """The form for pictures like these, and one sentence that says what becomes of them.

    Parameters
    ----------
    survey : of at least one picture
    size : side of a square, or ``(height, width)``; default: the common size of all, or the median height and width,
        reduced so that the longer side has at most `LONGEST_SIDE` pixels
    """
    heights, widths = survey.heights, survey.widths
    one_size = len(np.unique(heights)) == 1 and len(np.unique(widths)) == 1
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    elif one_size and max(heights[0], widths[0]) <= LONGEST_SIDE:
        height, width = int(heights[0]), int(widths[0])
    else:
        height, width = _typical(heights, widths)
    lost = float(np.quantile(_lost_by_cropping(heights, widths, height, width), 0.95))
    fit: Fit = "crop" if 0 < lost <= LOST_BY_CROPPING else "pad"
    form = PictureForm(height, width, 3 if survey.any_colour else 1, fit, survey.low, survey.high)
    return form, _said(form, heights, widths, one_size, size is not None)


def _typical(heights: NDArray[np.int64], widths: NDArray[np.int64]) -> tuple[int, int]:
    """Median height and width, the longer at most `LONGEST_SIDE`; near squares become squares."""
    height, width = float(np.median(heights)), float(np.median(widths))
    upright = float(np.mean(heights > widths))
    if abs(height / width - 1) <= 0.1 or 0.1 <= upright <= 0.9:
        # Upright and lying pictures side by side: any other shape than a square would waste much of one kind.
        height = width = float(np.sqrt(height * width))
    shrink = min(1.0, LONGEST_SIDE / max(height, width))
    return _rounded(height * shrink), _rounded(width * shrink)


def _rounded(side: float) -> int:
    return max(1, round(side)) if side < 4 * WHOLE_BY else WHOLE_BY * round(side / WHOLE_BY)


def _lost_by_cropping(
    heights: NDArray[np.int64], widths: NDArray[np.int64], height: int, width: int
) -> NDArray[np.float64]:
    """Share of each picture's area outside the middle that has the aspect of the form."""
    relative = (heights / widths) / (height / width)
    return 1 - np.minimum(relative, 1 / relative)


def _said(form: PictureForm, heights: NDArray[np.int64], widths: NDArray[np.int64], one_size: bool, asked: bool) -> str:
    size = f"{form.width} × {form.height}"
    if one_size and (heights[0], widths[0]) == (form.height, form.width):
        return f"All pictures are {size} pixels and are used as they are."
    found = (
        f"The pictures are {widths[0]} × {heights[0]} pixels"
        if one_size
        else f"The pictures are {_span(widths)} pixels wide and {_span(heights)} high"
    )
    how = "cut to the middle" if form.fit == "crop" else "padded with the mean colour of their border"
    why = "as asked" if asked else f"the median, at most {LONGEST_SIDE}"
    grown = float(np.mean((heights < form.height) & (widths < form.width)))
    enlarged = f" {grown:.0%} are smaller and are enlarged." if grown >= 0.005 else ""
    return f"{found}; they are scaled to {size} ({why}), their aspect kept, and {how}.{enlarged}"


def _span(sides: NDArray[np.int64]) -> str:
    low, high = int(sides.min()), int(sides.max())
    return str(low) if low == high else f"{low} to {high}"
