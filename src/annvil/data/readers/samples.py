"""Real data sets that scikit-learn ships: always at hand, no download."""

from __future__ import annotations

from typing import Any

import numpy as np

from annvil.data.readers.raw import RawColumn, RawTable, column_from_array, table_in_memory
from annvil.errors import RequestError, did_you_mean

PREFIX = "sample:"
DEFAULT_TARGET = "target"

_SAMPLES = {
    "breast-cancer": ("load_breast_cancer", "569 tumours, 30 measurements: malignant or benign (Wisconsin, 1995)"),
    "diabetes": ("load_diabetes", "442 patients, 10 measurements: progression after a year (Efron et al. 2004)"),
    "digits": ("load_digits", "1797 handwritten digits of 8 × 8 pixels: which digit (UCI, 1998)"),
    "iris": ("load_iris", "150 flowers, 4 measurements: which of three species (Fisher 1936)"),
    "wine": ("load_wine", "178 wines, 13 analyses: which of three growers (UCI, 1991)"),
}

DIGIT_IMAGES = "digit-images"
"""The sample that is read as pictures (`annvil.kinds.pictures`)."""


def sample_names() -> dict[str, str]:
    """What `read` accepts after ``"sample:"``, each with one line on what it is."""
    tables = {name: text for name, (_, text) in _SAMPLES.items()}
    return dict(sorted({**tables, DIGIT_IMAGES: "the same 1797 digits as pictures, for networks that see"}.items()))


def sample_table(source: str) -> RawTable:
    """The sample called ``sample:NAME``; its target column is called "target"."""
    name = source.removeprefix(PREFIX)
    if name not in _SAMPLES:
        known = sample_names()
        raise RequestError(f"There is no sample {name!r}; samples are {', '.join(known)}.{did_you_mean(name, known)}")
    from sklearn import datasets

    bunch: Any = getattr(datasets, _SAMPLES[name][0])()
    columns = [column_from_array(str(c), bunch.data[:, i]) for i, c in enumerate(bunch.feature_names)]
    if name in ("digits", "diabetes"):  # the answer is a number
        columns.append(column_from_array(DEFAULT_TARGET, np.asarray(bunch.target)))
    else:
        names = tuple(str(text) for text in bunch.target_names)
        columns.append(RawColumn(DEFAULT_TARGET, "text", bunch.target.astype(np.int32), names))
    return table_in_memory(columns, len(bunch.data), source, _SAMPLES[name][1])
