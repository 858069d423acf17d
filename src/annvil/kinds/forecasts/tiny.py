"""A few small series for the tests that every contender must pass."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from annvil.data.dataset import Source
from annvil.kinds.base import Tiny
from annvil.kinds.forecasts.form import Covariate, ForecastForm
from annvil.kinds.forecasts.histories import Histories, Store
from annvil.kinds.forecasts.reading.origins import dataset_of, known_lengths
from annvil.tasks.base import FloatArray

STEPS, SEASON, HORIZON, WINDOW = 62, 6, 4, 18


def tiny() -> Mapping[str, Tiny]:
    """Two series that rise, with a season; the same with a column known ahead that moves them, and a static."""
    return {"forecast": _tiny(with_known=False), "forecast with a column known ahead": _tiny(with_known=True)}


def _tiny(*, with_known: bool) -> Tiny:
    rng = np.random.default_rng(0)
    at = np.arange(STEPS)
    form = ForecastForm(
        target="sold",
        horizon=HORIZON,
        window=WINDOW,
        season=SEASON,
        periods=(30.5,) if with_known else (),
        known=(Covariate("price"),) if with_known else (),
        statics=(Covariate("kind", ("big", "small")),) if with_known else (),
    )
    price = (rng.random((2, STEPS)) < 0.2).astype(np.float64)
    values = [
        size
        * (40 + 1.5 * at + 8 * np.sin(2 * np.pi * at / SEASON) - 5 * with_known * price[k] + rng.normal(size=STEPS))
        for k, size in enumerate((1.0, 3.0))
    ]
    store = made_store(form, values, list(price[:, :, None]) if with_known else None)
    return Tiny(dataset_of(store, Source("sold", None, "", 0)), _strange(form), candidates=1)


def made_store(form: ForecastForm, values: list[FloatArray], known: list[FloatArray] | None = None) -> Store:
    """Series of one form, beginning at moments 0, 1, 2 …; columns known ahead are 0 unless given."""
    lengths = [len(one) for one in values]
    n, width = sum(lengths), sum(one.width for one in form.known)
    statics = np.zeros((len(values), sum(one.width for one in form.statics)))
    for place, row in enumerate(statics):
        row[place % max(1, len(row)) : place % max(1, len(row)) + 1] = 1.0
    return Store(
        values=np.concatenate(values),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        first=np.arange(len(values), dtype=np.int64),
        names=[f"series {place + 1}" for place in range(len(values))],
        known=np.zeros((n, width)) if known is None else np.concatenate(known),
        past=np.empty((n, 0)),
        statics=statics,
        form=form,
    )


def _strange(form: ForecastForm) -> Histories:
    """One value, nothing but zeros, far away, below zero, ten times as long as any."""
    rng = np.random.default_rng(1)
    found = [np.array([5.0]), np.zeros(20), np.full(20, 1e6), -np.arange(20.0), rng.normal(size=10 * STEPS)]
    ahead = np.full(form.horizon, np.nan)
    store = made_store(form, [np.append(one, ahead) for one in found])
    return Histories(store, np.arange(len(found)), known_lengths(store))
