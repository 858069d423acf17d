"""What is explained: a saved model, and the network inside it where its weights were kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annvil.bundle import load, load_weights
from annvil.errors import BundleError, RequestError
from annvil.explanation.subject import ExplainedModel
from annvil.kinds.pictures.explanation.saliency import Choose, Pixels
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import images_in_memory
from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

    from annvil.networks.restoring import PictureNetwork


@dataclass(frozen=True)
class Subject(ExplainedModel):
    """A model of pictures.

    Attributes
    ----------
    network : its network, in evaluation mode, or None
    why_none : why there is no network, a sentence; empty where there is one
    """

    network: PictureNetwork | None = None
    why_none: str = ""

    @property
    def form(self) -> PictureForm:
        """Size and channels of its pictures."""
        form = self.predictor.form
        assert isinstance(form, PictureForm)
        return form

    def outputs(self, things: Pixels) -> FloatArray:
        """Probabilities or values ``(n, n_outputs)`` for pictures of `form`, uint8 ``(n, height, width, channels)``."""
        return self.predictor.raw(images_in_memory(np.ascontiguousarray(things), self.form))

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
