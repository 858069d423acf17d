"""Fits one after another, and when the next is not begun."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from annvil.models.jobs import Context
from annvil.models.measurement import one_by_one


@pytest.mark.parametrize(("seconds", "done"), [(100.0, 5), (48.0, 5), (45.0, 4), (18.0, 2), (15.0, 1), (5.0, 1)])
def test_a_fit_that_cannot_end_in_time_is_not_begun(monkeypatch, seconds, done):
    """Each takes 10 s and looks at no clock: the time that is left is overrun by a fifth of one at most, but for the
    first, of which nothing is known."""
    now = [0.0]
    monkeypatch.setattr("annvil.models.jobs.time", SimpleNamespace(monotonic=lambda: now[0]))

    def fit(job: Any, running: Any) -> Any:
        now[0] += 10.0
        return job

    jobs: Any = [SimpleNamespace(rows=np.arange(9), number=k) for k in range(5)]
    dataset: Any = SimpleNamespace(inputs=SimpleNamespace(n_values=2, n_texts=0))
    fitted = list(one_by_one(dataset, jobs, Context(seconds), fit))
    assert len(fitted) == done
    assert now[0] <= max(10.0, seconds + 2.0)
