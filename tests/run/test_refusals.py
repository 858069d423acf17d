"""What cannot be done is refused in one sentence before anything is written."""

import numpy as np
import pytest

import annvil
from annvil.data.plugins import kind_named
from annvil.errors import DataError, RequestError
from annvil.options import FitOptions
from annvil.run.load import kept_options
from annvil.run.request import FitRequest

X, y = np.random.default_rng(0).standard_normal((60, 3)), np.tile([0, 1], 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"worth": 5}, r"500 points\. For 5 points, say 0\.05"),
        ({"worth": "0.1"}, "worth must be a positive number"),
        ({"worth": -0.1}, "worth must be a positive number"),
        ({"metric": "roc_acu"}, "Did you mean 'roc_auc'"),
        ({"budget": None}, "is not a time"),
    ],
)
def test_bad_requests_leave_nothing_behind(tmp_path, options, message):
    with pytest.raises(RequestError, match=message):
        annvil.fit((X, y), out=tmp_path / "runs", **options)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_was_asked_for_more_than_is_known_is_refused_in_a_sentence():
    request = FitRequest(None, FitOptions(), {"zoom": 3}, "tables", None)
    with pytest.raises(DataError, match=r"more than this version of annvil knows: .*zoom"):
        kept_options(kind_named("tables"), request, "data")
