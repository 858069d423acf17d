"""The form in which clips of sound reach a model: one channel of samples at one rate, of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec

from annvil.data.form import Arrays, Conformed, GraphInput, Inputs
from annvil.data.plugins import kind_named

if TYPE_CHECKING:
    from annvil.onnx.builder import Graph, Value

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
"""Samples a second of any file (assumed: below, nothing of a voice is left; above are no recorders)."""

LONGEST = 1 << 22
"""Samples of one clip (assumed: four minutes at 16 kHz; longer recordings are no clips)."""

Rate = Annotated[int, msgspec.Meta(ge=LOWEST_RATE, le=HIGHEST_RATE)]
N = Annotated[int, msgspec.Meta(ge=1, le=LONGEST)]
Decibels = Annotated[float, msgspec.Meta(ge=-400, le=400)]


class SeenClips(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the training clips were like, so that others can be told of.

    Attributes
    ----------
    quietest, loudest : root mean square in dB of full scale, of all but the outermost 1% on either side
    bandwidth : Hz up to which nearly all of them have sound
    usual : samples that 5%, half and 95% of the clips stay below, at the model's rate; None in models saved before
    """

    quietest: Decibels
    loudest: Decibels
    bandwidth: Annotated[float, msgspec.Meta(ge=0, le=HIGHEST_RATE)]
    usual: tuple[N, N, N] | None = None


class SoundForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sound"):
    """What a saved model asks of a clip.

    Attributes
    ----------
    rate : samples a second (Hz) that the model takes; clips of other rates are brought to it
    shortest, longest : samples of the training clips at that rate; others are taken as well, with a notice
    seen : what the training clips were like, where that is known
    """

    kind: ClassVar[str] = "sound"

    rate: Rate
    shortest: N
    longest: N
    seen: SeenClips | None = None

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The only thing there is."""
        return (("sound", "sound"),)

    @property
    def n_values(self) -> int:
        """Samples of the longest clip."""
        return self.longest

    def seconds(self, n_samples: float) -> float:
        """How long so many samples last."""
        return n_samples / self.rate

    @property
    def usual(self) -> tuple[int, int, int]:
        """Samples of a short, a middling and a long training clip (5%, half and 95% stay below); where nobody kept
        that: the shortest, the longest, and the root of their product."""
        known = None if self.seen is None else self.seen.usual
        return known or (self.shortest, round((self.shortest * self.longest) ** 0.5), self.longest)

    def describe(self) -> str:
        """``"0.3 to 1.2 s at 8,000 Hz"``."""
        low, high = (f"{self.seconds(n):.2g}" for n in (self.shortest, self.longest))
        return f"{high if low == high else f'{low} to {high}'} s at {self.rate:,} Hz"

    def graph_inputs(self) -> tuple[GraphInput, ...]:
        """``samples`` float32 ``(rows, time)`` from −1 to 1, of any time, and ``lengths`` int64 ``(rows,)``: how many
        samples of each clip count; what lies behind them does not."""
        return GraphInput("samples", "float32", ("time",)), GraphInput("lengths", "int64", ())

    def enter(self, graph: Graph) -> tuple[Value, ...]:
        """``samples`` and ``lengths`` as they come."""
        return tuple(graph.input(spec.name, spec.dtype, ["rows", *spec.shape]) for spec in self.graph_inputs())

    def conform(self, raw: Any, where: str = "the clips to predict") -> Conformed:
        """`annvil.kinds.sound.clips.Clips` of this form; see `annvil.kinds.sound.conform`."""
        return Conformed(*kind_named(self.kind).conformed(self, raw, where))

    def json_schema(self) -> dict[str, Any]:
        """An object with a list of samples, and their rate where it is not the model's."""
        samples = {"type": "array", "minItems": 1, "maxItems": LONGEST}
        number = {"type": "number", "minimum": -1, "maximum": 1}
        rate = {"type": "integer", "minimum": LOWEST_RATE, "maximum": HIGHEST_RATE}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "description": "One clip: samples of one channel from -1 to 1.",
            "properties": {
                "samples": {**samples, "items": number},
                "rate": {**rate, "description": f"Samples a second (Hz); default: {self.rate}, that of the model."},
            },
            "required": ["samples"],
            "additionalProperties": False,
        }

    def check(self) -> str | None:
        """Lengths and levels are in order."""
        if self.shortest > self.longest:
            return "its shortest clip is longer than its longest"
        if list(self.usual) != sorted(self.usual):
            return "its usual lengths are in no order"
        if self.seen is not None and self.seen.quietest > self.seen.loudest:
            return "its quietest clip is louder than its loudest"
        return None

    def from_arrays(self, arrays: Arrays, described: dict[str, Any]) -> Inputs:
        """What `annvil.kinds.sound.clips.Clips.to_arrays` gave."""
        clips: Inputs = kind_named(self.kind).from_arrays(self, arrays, described)
        return clips
