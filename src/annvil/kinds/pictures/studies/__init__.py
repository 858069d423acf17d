"""Studies: what one kind of network has and another lacks, measured on the user's own data beside the comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.kinds.pictures.studies.dense_and_convolutional import (
        measure_the_race as measure_the_race,
        study_dense_and_convolutional as study_dense_and_convolutional,
    )
    from annvil.kinds.pictures.studies.findings import (
        DenseAndConvolutional as DenseAndConvolutional,
        Finding as Finding,
    )

__getattr__, __all__ = lazily(__name__)
