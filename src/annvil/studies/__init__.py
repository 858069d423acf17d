"""Studies: what one kind of network has and another lacks, measured on the user's own data beside the comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.studies.dense_and_convolutional import measure_the_race, study_dense_and_convolutional
    from annvil.studies.findings import DenseAndConvolutional, Finding

__all__ = ["DenseAndConvolutional", "Finding", "measure_the_race", "study_dense_and_convolutional"]

_HOMES = {
    "DenseAndConvolutional": "annvil.studies.findings",
    "Finding": "annvil.studies.findings",
    "measure_the_race": "annvil.studies.dense_and_convolutional",
    "study_dense_and_convolutional": "annvil.studies.dense_and_convolutional",
}

__getattr__ = lazy_names(__name__, _HOMES)
