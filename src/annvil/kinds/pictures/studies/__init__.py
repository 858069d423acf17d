"""Studies: what one kind of network has and another lacks, measured on the user's own data beside the comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.kinds.pictures.studies.dense_and_convolutional import measure_the_race, study_dense_and_convolutional
    from annvil.kinds.pictures.studies.findings import DenseAndConvolutional, Finding

__all__ = ["DenseAndConvolutional", "Finding", "measure_the_race", "study_dense_and_convolutional"]

_HOMES = {
    "DenseAndConvolutional": "annvil.kinds.pictures.studies.findings",
    "Finding": "annvil.kinds.pictures.studies.findings",
    "measure_the_race": "annvil.kinds.pictures.studies.dense_and_convolutional",
    "study_dense_and_convolutional": "annvil.kinds.pictures.studies.dense_and_convolutional",
}

__getattr__ = lazy_names(__name__, _HOMES)
