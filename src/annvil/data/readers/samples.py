"""Real data sets that scikit-learn ships, and a series: always at hand, no download."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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

AIRLINE = "airline"
"""The sample that is a series: it has its time in a column "time"."""

_PASSENGERS = """
112 118 132 129 121 135 148 148 136 119 104 118 115 126 141 135 125 149 170 170 158 133 114 140
145 150 178 163 172 178 199 199 184 162 146 166 171 180 193 181 183 218 230 242 209 191 172 194
196 196 236 235 229 243 264 272 237 211 180 201 204 188 235 227 234 264 302 293 259 229 203 229
242 233 267 269 270 315 364 347 312 274 237 278 284 277 317 313 318 374 413 405 355 306 271 306
315 301 356 348 355 422 465 467 404 347 305 336 340 318 362 348 363 435 491 505 404 359 310 337
360 342 406 396 420 472 548 559 463 407 362 405 417 391 419 461 472 535 622 606 508 461 390 432
"""
"""Thousands of passengers in each month from January 1949 on."""

HANDS = "gun-point-like"
"""The sample of series: a hand draws and aims, or only points; made by arithmetic, a column for every step."""

HAND_STEPS = tuple(f"t{step}" for step in range(150))

DIGIT_IMAGES = "digit-images"
"""The sample that is read as pictures (`annvil.kinds.pictures`)."""


def sample_names() -> dict[str, str]:
    """What `read` accepts after ``"sample:"``, each with one line on what it is."""
    tables = {name: text for name, (_, text) in _SAMPLES.items()}
    others = {
        DIGIT_IMAGES: "the same 1797 digits as pictures, for networks that see",
        HANDS: f"{_ABOUT_HANDS}; annvil fit sample:{HANDS}",
        AIRLINE: f"{_ABOUT_PASSENGERS}; annvil forecast sample:airline --horizon 12",
    }
    return dict(sorted({**tables, **others}.items()))


_ABOUT_HANDS = "150 series of 150 steps, made: a hand that draws and aims, or points (as GunPoint of the UCR archive)"
_ABOUT_PASSENGERS = "144 months of airline passengers, a series to forecast (Box and Jenkins 1970)"


def sample_table(source: str) -> RawTable:
    """The sample called ``sample:NAME``; its target column is called "target"."""
    name = source.removeprefix(PREFIX)
    if name == AIRLINE:
        passengers = np.array(_PASSENGERS.split(), dtype=np.float64)
        months = (np.datetime64("1949-01") + np.arange(len(passengers))).astype("datetime64[s]").astype(np.float64)
        columns = [RawColumn("time", "date", months), RawColumn(DEFAULT_TARGET, "number", passengers)]
        return table_in_memory(columns, len(passengers), source, _ABOUT_PASSENGERS)
    if name == HANDS:
        X, y = _hands()
        columns = [column_from_array(step, X[:, place]) for place, step in enumerate(HAND_STEPS)]
        columns.append(RawColumn(DEFAULT_TARGET, "text", y, ("draws", "points")))
        return table_in_memory(columns, len(X), source, _ABOUT_HANDS)
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


def _hands() -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """How far a hand is out, ``(150, 150)``, and what it does: one that draws reaches for a holster before it rises,
    and back into it after it falls."""
    random = np.random.default_rng(0)
    y = random.permutation(150).astype(np.int32) % 2
    at = np.arange(150.0)
    rise, fall = random.normal(40, 3, (150, 1)), random.normal(110, 3, (150, 1))
    pace, height = random.uniform(2.5, 5, (150, 1)), random.normal(1, 0.08, (150, 1))
    out = height * (1 / (1 + np.exp((rise - at) / pace)) - 1 / (1 + np.exp((fall - at) / pace)))
    depth = np.where(y[:, None] == 0, random.normal(0.2, 0.06, (150, 1)), random.normal(0, 0.03, (150, 1)))
    for middle in (rise - 14, fall + 14):
        out -= depth * np.exp(-(((at - middle) / 4) ** 2))
    return out + np.cumsum(random.normal(0, 0.004, (150, 150)), axis=1), y
