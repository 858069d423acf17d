"""What is explained: a saved model, and the network inside it where its weights were kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annvil.bundle import Predictor, load, load_weights
from annvil.errors import BundleError, RequestError, did_you_mean
from annvil.kinds.pictures.explanation.saliency import Choose, Pixels, Scores
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import images_in_memory
from annvil.tasks.base import FloatArray, Task

if TYPE_CHECKING:
    from torch import Tensor

    from annvil.networks.restoring import PictureNetwork

SMALLEST = 1e-12
"""Probabilities below it count as this when their logarithm is taken."""


@dataclass(frozen=True)
class Subject:
    """A model of pictures.

    Attributes
    ----------
    predictor : the model, as it predicts
    network : its network, in evaluation mode, or None
    why_none : why there is no network, a sentence; empty where there is one
    """

    predictor: Predictor
    network: PictureNetwork | None = None
    why_none: str = ""

    @property
    def task(self) -> Task:
        """The question it answers."""
        return self.predictor.task

    @property
    def form(self) -> PictureForm:
        """Size and channels of its pictures."""
        form = self.predictor.form
        assert isinstance(form, PictureForm)
        return form

    def outputs(self, pixels: Pixels) -> FloatArray:
        """Probabilities or values ``(n, n_outputs)`` for pictures of `form`, uint8 ``(n, height, width, channels)``."""
        return self.predictor.raw(images_in_memory(np.ascontiguousarray(pixels), self.form))

    def decided(self, outputs: FloatArray) -> int:
        """Which output is explained unless asked otherwise: the class that the model decides for, or the value."""
        return self.task.foremost(outputs, self.predictor.manifest.info.threshold)

    def output_named(self, label: str) -> int:
        """The output of a class.

        Raises
        ------
        RequestError
            When there is none of that name.
        """
        names = [str(one) for one in self.task.classes]
        if label in names:
            return names.index(label)
        if not names:
            raise RequestError(f"The model predicts the number {self.task.target!r} and has no classes: leave it out.")
        known = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        raise RequestError(f"The model knows no class {label!r}.{did_you_mean(label, names)} Its classes: {known}.")

    def scores(self, output: int) -> Scores:
        """Log-odds of a class, or the value: without a ceiling, so that small losses of a certain model show."""

        def log_odds(pixels: Pixels) -> FloatArray:
            return self.task.log_odds(self.outputs(pixels), output, SMALLEST)

        return log_odds

    def losses(self, pixels: Pixels, output: int) -> Callable[[Pixels], FloatArray]:
        """What other pictures lose against ``pixels``: share of a class's probability, or distance from the value."""
        whole = self.outputs(pixels[None])[0, output]
        of_class = self.task.predicts_probabilities

        def lost(others: Pixels) -> FloatArray:
            found: FloatArray = whole - self.outputs(others)[:, output]
            return found / max(whole, SMALLEST) if of_class else np.abs(found)

        return lost

    def choose(self, output: int) -> Choose:
        """The logit of a class above the mean of all, which softmax cannot tell from the logit itself; or the value."""

        def of(outputs: Tensor) -> Tensor:
            chosen = outputs[:, output]
            return chosen - outputs.mean(dim=1) if self.task.one_class_a_row else chosen

        return of


def open_subject(path: str | Path) -> Subject:
    """The model of pictures saved at ``path``: a bundle's folder or zip file.

    Raises
    ------
    BundleError
        As `annvil.bundle.load`.
    RequestError
        When it is not a model of pictures.
    """
    predictor = load(path)
    if not isinstance(predictor.form, PictureForm):
        raise RequestError(
            f"{path} is a model of a table: its report shows which columns it relies on. Only models of pictures can "
            "be asked about one picture."
        )
    architecture = predictor.manifest.info.architecture
    weights = load_weights(path) if architecture else {}
    if not weights:
        return Subject(predictor, why_none="Gradient-based maps need a neural network.")
    from annvil.networks.restoring import restore

    try:
        return Subject(predictor, restore(architecture, weights))
    except BundleError as error:
        return Subject(predictor, why_none=str(error))
