"""One picture explained: what the model says, the maps of what it rests on, and whether each map can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import RequestError
from annvil.explanation.deletion import ROUNDING
from annvil.kinds.pictures.explanation.deletion import deletions
from annvil.kinds.pictures.explanation.faithfulness import CheckedMap, alike_when_shuffled
from annvil.kinds.pictures.explanation.padding import InPadding, in_padding
from annvil.kinds.pictures.explanation.render import composed
from annvil.kinds.pictures.explanation.saliency import (
    Choose,
    Method,
    Pixels,
    Saliency,
    grad_cam,
    integrated_gradients,
    last_maps,
    occlusion,
)
from annvil.kinds.pictures.explanation.subject import Subject
from annvil.kinds.pictures.images import Images
from annvil.tasks.base import FloatArray, Task
from annvil.text.quantities import percent

if TYPE_CHECKING:
    from torch import nn

POINTS_WHEN_SHUFFLED = 16
"""Points of the path for networks with shuffled weights: enough for ranks (assumed)."""

PASSES: dict[Method, int] = {"grad-cam": 600, "occlusion": 1_750, "integrated-gradients": 1_600}
"""Predictions that a map costs, about: 558 for what covering does to it, 980 for occlusion of shuffled networks, a
gradient for three (counted for 28 × 28 pixels; integrated gradients take 1,000 to 7,000). The cheapest first."""

PASSES_WITHOUT_NETWORK = 750
"""The same for occlusion where there are no weights to shuffle."""

HALF = 0.5
"""Share of all that speaks for the output by which its place is told."""

PLACES = (
    ("upper left", "top", "upper right"),
    ("left", "middle", "right"),
    ("lower left", "bottom", "lower right"),
)


Explain = Callable[["nn.Module"], Saliency | None]
"""A network → its map, where it has one."""


@dataclass(frozen=True)
class Explanation:
    """Why a model says what it says of one picture.

    Attributes
    ----------
    name : of the picture
    pixels : as the model takes it, uint8 ``(height, width, channels)``
    task : the question
    outputs : probabilities or the value ``(n_outputs,)``
    decided, output : column that the model decides for, and the one that is explained
    maps : integrated gradients, Grad-CAM and occlusion, as far as the model has them
    notices : what should be known beside
    padded : pixels that bring the picture to the model's shape, bool ``(height, width)``; None where it is not known
    """

    name: str
    pixels: Pixels
    task: Task
    outputs: FloatArray
    decided: int
    output: int
    maps: tuple[CheckedMap, ...]
    notices: tuple[str, ...] = ()
    padded: NDArray[np.bool_] | None = None

    @property
    def label(self) -> str:
        """The explained class, or the name of the number."""
        return self.task.output_names[self.output]

    @property
    def said(self) -> str:
        """What the model says of the picture, a sentence."""
        if not self.task.predicts_probabilities:
            return f"The model says {self.task.target} = {self.outputs[0]:.4g}."
        said = (
            f"The model says {self.task.classes[self.decided]!s} ({percent(self.outputs[self.decided], brief=True)})."
        )
        if self.output != self.decided:
            said += f" Explained is what speaks for {self.label} ({percent(self.outputs[self.output], brief=True)})."
        return said

    @property
    def trusted(self) -> tuple[CheckedMap, ...]:
        """The maps that passed their tests."""
        return tuple(one for one in self.maps if one.trusted)

    def in_padding(self, one: CheckedMap) -> InPadding | None:
        """How much of a map's evidence lies in the bands that pad the picture; None where there are none."""
        return None if self.padded is None else in_padding(one.saliency, self.padded, one.deletion.of_number)

    def sentences(self) -> tuple[str, ...]:
        """All there is to say, in order: what makes the answer or the maps doubtful before the maps."""
        found = [self.said, *self.notices]
        if not self.trusted:
            found.append("No map of this picture can be trusted: do not conclude from them where the model looks.")
        for one in self.maps:
            where = f" {where_in_words(one.saliency)}" if one.trusted else ""
            if one.trusted and (found_there := self.in_padding(one)):
                where += f" {found_there.sentence()}"
            found.append(f"{one.saliency.title}:{where} {' '.join(one.sentences())}")
        return tuple(found)

    def png(self) -> bytes:
        """The picture beside its maps, with a legend and all notices, as a PNG file; needs Pillow."""
        title = f"{PurePath(self.name).name or 'Picture'}: {self.said}"
        ends = ("speaks against", "speaks for") if self.task.predicts_probabilities else ("lowers", "raises")
        return composed(self.pixels, self.maps, title, f"blue: {ends[0]}, red: {ends[1]} {self.label}", self.notices)

    def written(self, ending: str) -> bytes:
        """The only file there is: `png`."""
        return self.png()

    def to_json(self) -> dict[str, Any]:
        """For machines, the maps as lists; JSON-able."""
        return {
            "picture": self.name,
            "said": self.said,
            "explained": self.label,
            "outputs": self.outputs.tolist(),
            "notices": list(self.notices),
            "maps": [
                {
                    "method": one.saliency.method,
                    "trusted": one.trusted,
                    "testable": one.testable,
                    "alike_when_shuffled": one.alike,
                    "effect": one.deletion.effect,
                    "gain": one.deletion.gain,
                    "gap": one.deletion.gap,
                    "as_good_by_chance": one.deletion.by_chance,
                    "evidence_in_padding": None if (shares := self.in_padding(one)) is None else shares.evidence,
                    "complete_within": one.saliency.complete_within,
                    "values": one.saliency.values.round(6).tolist(),
                }
                for one in self.maps
            ],
            "sentences": list(self.sentences()),
        }


def passes_of(subject: Subject, methods: Collection[Method]) -> int:
    """Predictions that these maps of a picture cost, about."""
    return PASSES_WITHOUT_NETWORK if subject.network is None else sum(PASSES[method] for method in methods)


def methods_for(subject: Subject, pixels: Pixels) -> tuple[Method, ...]:
    """The maps that the model has, the cheapest first; ``pixels`` is any picture of its form."""
    if subject.network is None:
        return ("occlusion",)
    has_maps = last_maps(subject.network, pixels) is not None
    return tuple(method for method in PASSES if has_maps or method != "grad-cam")


def explain_picture(
    subject: Subject,
    pixels: Pixels,
    *,
    methods: Collection[Method] = tuple(PASSES),
    output: int | None = None,
    name: str = "",
    padded: NDArray[np.bool_] | None = None,
) -> Explanation:
    """The maps of one picture and their tests.

    Parameters
    ----------
    subject : from `open_subject`
    pixels : of the model's form, uint8 ``(height, width, channels)``
    methods : maps to make, as far as the model has them
    output : column to explain; default: what the model decides for
    name : of the picture, for people
    padded : see `Explanation`
    """
    pixels = np.array(pixels)  # a copy that may be written to, as PyTorch wants it
    outputs = subject.outputs(pixels[None])[0]
    decided = subject.decided(outputs)
    output = decided if output is None else output
    network = subject.network
    gradients, cam, covered = _ways(network, pixels, subject.choose(output))
    made: list[tuple[Saliency, Explain]] = []
    if network is None:
        notices = [f"{subject.why_none} Only occlusion can be shown."]
    else:
        notices = _disagreement(subject, pixels, decided)
        asked = [way for method, way in (("integrated-gradients", gradients), ("grad-cam", cam)) if method in methods]
        made += [(found, explain) for explain in asked if (found := explain(network)) is not None]
    if network is None or "occlusion" in methods:
        made.append((occlusion(subject.scores(output), pixels), covered))
    of_number = not subject.task.predicts_probabilities
    curves = deletions(
        subject.losses(pixels, output),
        pixels,
        [saliency for saliency, _ in made],
        of_number=of_number,
        least=ROUNDING * abs(float(outputs[output])),
    )
    maps = tuple(
        CheckedMap(found, curve, None if network is None else alike_when_shuffled(network, pixels, found, explain))
        for (found, explain), curve in zip(made, curves, strict=True)
    )
    return Explanation(name, pixels, subject.task, outputs, decided, output, maps, tuple(notices), padded)


def _ways(network: nn.Module | None, pixels: Pixels, choose: Choose) -> tuple[Explain, Explain, Explain]:
    """Maps of ``network``, or of one with shuffled weights, for which a coarse path is enough: integrated gradients,
    Grad-CAM, and occlusion of the network alone, since one with shuffled weights is no saved model."""

    def gradients(one: nn.Module) -> Saliency:
        most_points = None if one is network else POINTS_WHEN_SHUFFLED
        return integrated_gradients(one, pixels, choose, most_points=most_points)

    def covered(one: nn.Module) -> Saliency:
        import torch

        def scores(pictures: Pixels) -> FloatArray:
            with torch.inference_mode():
                return np.asarray(choose(one(torch.from_numpy(pictures))).double().numpy())

        return occlusion(scores, pixels)

    return gradients, lambda one: grad_cam(one, pixels, choose), covered


def _disagreement(subject: Subject, pixels: Pixels, decided: int) -> list[str]:
    """A notice where the kept network alone decides otherwise than the model it is part of."""
    import torch

    if not subject.task.one_class_a_row or len(subject.task.classes) == 2:
        return []
    assert subject.network is not None
    with torch.inference_mode():
        alone = int(subject.network(torch.from_numpy(pixels[None]))[0].argmax())
    if alone == decided:
        return []
    said = subject.task.classes[alone]
    return [f"The network alone, from which gradients are taken, says {said}: the model averages or corrects it."]


def where_in_words(saliency: Saliency) -> str:
    """Where half of what speaks for the output lies, and how much of the picture that is; a sentence."""
    for_it = np.maximum(saliency.values, 0.0)
    if for_it.sum() <= 0:
        return "Nothing in the picture speaks for it."
    order = np.argsort(-for_it, axis=None, kind="stable")
    until = int(np.searchsorted(np.cumsum(for_it.ravel()[order]), HALF * for_it.sum())) + 1
    rows, columns = np.unravel_index(order[:until], for_it.shape)
    weights = for_it[rows, columns]
    row, column = (float(np.average(axis, weights=weights)) + 0.5 for axis in (rows, columns))
    place = PLACES[int(3 * row / for_it.shape[0])][int(3 * column / for_it.shape[1])]
    share = until / for_it.size
    return f"Half of what speaks for it lies in {share:.0%} of the picture, around the {place}."


def explain_file(subject: Subject, source: Any, *, label: str | None = None) -> Explanation:
    """The explanation of a picture given as a path, an array, bytes or a PIL image; ``label``: the class to explain.

    Raises
    ------
    DataError, RequestError
        When it cannot be read, is more than one picture, or the class is unknown.
    """
    conformed = subject.predictor.conform(source, where="the picture to explain")
    images = conformed.inputs
    assert isinstance(images, Images)
    if images.n_rows != 1:
        raise RequestError(f"One picture is explained at a time; got {images.n_rows:,}.")
    output = None if label is None else subject.output_named(label)
    explanation = explain_picture(
        subject, images.pixels()[0], output=output, name=images.names()[0], padded=images.padded(0)
    )
    return replace(explanation, notices=(*conformed.notices, *explanation.notices))
