"""What memory is for: problems that a feedback network learns, and a bag of steps cannot, whatever it is told."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.series.contenders.recurrent_networks import RecurrentNetworks, RecurrentSettings
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.models.jobs import Context, Effort, Job
from annvil.tasks.union import make_task

N, STEPS = 1_000, 16


def adding(rng):
    """The adding problem (Hochreiter and Schmidhuber 1997): the sum of the two values that a second channel marks."""
    values = rng.uniform(size=(N, STEPS))
    marks = np.zeros((N, STEPS))
    for row in range(N):
        marks[row, rng.choice(STEPS, 2, replace=False)] = 1.0
    return np.stack([values, marks], axis=1), (values * marks).sum(axis=1), make_task("regression", "sum", ())


def recall(rng):
    """Delayed recall: which of two bits came first, long ago; between them, and after, nothing but noise."""
    first = rng.integers(0, 2, N)
    values = 0.1 * rng.normal(size=(N, 1, STEPS))
    early = rng.integers(0, STEPS // 4, N)
    later = rng.integers(STEPS // 2, STEPS, N)
    values[np.arange(N), 0, early] += 2 * first - 1
    values[np.arange(N), 0, later] -= 2 * first - 1
    return values, first.astype(np.int64), make_task("binary", "first", ("down", "up"))


def bag_of_steps(values):
    """What is left of series whose order nobody knows: each channel sorted."""
    return np.sort(values, axis=2).reshape(len(values), -1)


def bag_error(values, y, train, test):
    from sklearn.ensemble import ExtraTreesRegressor

    X = bag_of_steps(values)
    found = ExtraTreesRegressor(200, random_state=0).fit(X[train], y[train]).predict(X[test])
    return float(np.mean((found - y[test]) ** 2)) / float(np.var(y[test]))


def network_error(values, y, task, train, test, **settings):
    dataset = Dataset(series_from_arrays(values), y, task, np.arange(N))
    split = Split(train[: int(0.85 * len(train))], train[int(0.85 * len(train)) :])
    effort = Effort(configuration=RecurrentSettings(width=32, **settings).to_json(), scale=0.6)
    (fitted,) = RecurrentNetworks().fit(dataset, [Job("test", train, (split,), 0)], effort, Context(threads=1))
    outputs = fitted.predict(dataset.inputs.take(test))[:, -1]
    return float(np.mean((outputs - y[test]) ** 2)) / float(np.var(y[test]))


EVERY = [(problem, cell, seed) for problem in (adding, recall) for cell in ("gru", "lstm", "rnn") for seed in (0, 1)]


@pytest.mark.parametrize(
    ("problem", "cell", "seed"),
    [one if one[1:] == ("gru", 0) else pytest.param(*one, marks=pytest.mark.slow) for one in EVERY],
)
def test_a_feedback_network_learns_what_a_bag_of_steps_cannot(problem, cell, seed):
    """Shares of the variance that are left, on series that nobody has seen; seeds differ by far less than the bound."""
    values, y, task = problem(np.random.default_rng(seed))
    train, test = np.arange(800), np.arange(800, N)
    assert network_error(values, y, task, train, test, cell=cell) < 0.2
    assert bag_error(values, y, train, test) > 0.6
