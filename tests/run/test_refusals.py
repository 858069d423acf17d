"""What cannot be done is refused in one sentence before anything is written."""

import numpy as np
import pytest

import annvil
from annvil.errors import RequestError

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
