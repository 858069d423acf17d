"""Each contender sees the columns that it says it sees, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from annvil.data.dataset import Source
from annvil.data.splits import inner_splits
from annvil.kinds.forecasts.contenders.columns_used import ROLES, told
from annvil.kinds.forecasts.contenders.registry import contenders_for_forecasts
from annvil.kinds.forecasts.form import Covariate, ForecastForm
from annvil.kinds.forecasts.histories import Store
from annvil.kinds.forecasts.reading.origins import dataset_of
from annvil.models.jobs import Context, Effort, Job

STEPS, SERIES = 60, 4
FORM = ForecastForm(
    "y", 2, 8, 1, known=(Covariate("price"),), past=(Covariate("rain"),), statics=(Covariate("kind", ("up", "down")),)
)


@pytest.fixture(scope="module")
def decided():
    """What comes hangs on a column of each role, by 20 or by a slope of 3, and on nothing else."""
    rng = np.random.default_rng(0)
    price, rain = (rng.random((SERIES, STEPS)) < 0.5).astype(float), (rng.random((SERIES, STEPS)) < 0.5).astype(float)
    slope = np.array([3.0, -3.0, 3.0, -3.0])
    values = 500 + slope[:, None] * np.arange(STEPS) + 20 * price
    values[:, 1:] += 20 * rain[:, :-1]
    store = Store(
        values.ravel(),
        np.arange(SERIES + 1) * STEPS,
        np.zeros(SERIES, dtype=np.int64),
        [f"series {k}" for k in range(SERIES)],
        price.reshape(-1, 1),
        rain.reshape(-1, 1),
        np.stack([slope > 0, slope < 0], axis=1).astype(float),
        FORM,
    )
    return dataset_of(store, Source("made", None, "", 0))


@pytest.mark.parametrize("name", [one.name for one in contenders_for_forecasts()])
def test_a_column_changes_what_is_said_where_it_is_declared_and_only_there(decided, name):
    contender = next(one for one in contenders_for_forecasts() if one.name == name)
    rows = np.arange(decided.n_rows)
    job = Job("all", rows, inner_splits(decided, rows, 1, 0), 0)
    (fitted,) = contender.fit(decided, [job], Effort(1, 0.02), Context(threads=1))
    store, said = decided.inputs.store, fitted.predict(decided.inputs)
    for role in ROLES:
        other = {"known": 1 - store.known, "past": 1 - store.past, "statics": store.statics[:, ::-1]}[role]
        changed = fitted.predict(replace(decided.inputs, store=replace(store, **{role: other})))
        if role in contender.uses:
            assert np.abs(changed - said).max() > 1, role
        else:
            np.testing.assert_array_equal(changed, said)


def test_it_is_told_who_sees_which_column():
    sentences = list(told(FORM, contenders_for_forecasts()))
    assert [one.split(":")[0] for one in sentences] == [
        "price (known ahead)",
        "rain (known up to the origin)",
        "kind (one value for each series)",
    ]
    assert "Boosted trees" in sentences[0]
    assert "Boosted trees" not in sentences[1]
    assert "network" in sentences[1]
    assert not list(told(ForecastForm("y", 2, 8, 1), contenders_for_forecasts()))
