"""Scores of forecasts, worked by hand and by scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_percentage_error, mean_pinball_loss

from annvil.tasks.forecast import Forecast
from annvil.tasks.forecast_metrics import FORECAST_METRICS, SCALE, pinball
from annvil.tasks.targets import Targets

Y = np.array([[10.0, 20.0], [0.0, -4.0]])
SAID = np.array([[12.0, 15.0], [0.0, 4.0]])
TARGETS = Targets(Y, {SCALE: np.array([2.0, 4.0])})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mase", np.mean([2 / 2, 5 / 2, 0 / 4, 8 / 4])),
        ("mae", np.mean([2, 5, 0, 8])),
        ("rmse", np.sqrt(np.mean([4, 25, 0, 64]))),
        ("smape", np.mean([200 * 2 / 22, 200 * 5 / 35, 0, 200 * 8 / 8])),
    ],
)
def test_scores_by_hand(name, expected):
    metric = next(one for one in FORECAST_METRICS if one.name == name)
    assert metric.score(TARGETS, SAID, None) == pytest.approx(expected)


def test_smape_of_a_truth_in_the_middle_is_the_percentage_error():
    """A forecast as far above the mean as the truth lies below it: |a - b| over the mean, as defined by Makridakis."""
    metric = next(one for one in FORECAST_METRICS if one.name == "smape")
    mean = np.array([[50.0, 80.0]])
    half = np.array([[5.0, 4.0]])
    expected = 100 * mean_absolute_percentage_error(mean[0], (mean + 2 * half)[0])
    assert metric.score(Targets.of(mean - half), mean + half, None) == pytest.approx(expected)


def test_quantile_loss_is_scikit_learns():
    rng = np.random.default_rng(0)
    y, ends = rng.normal(size=(7, 3)), rng.normal(size=(7, 3, 2))
    both = [mean_pinball_loss(y.ravel(), ends[..., k].ravel(), alpha=level) for k, level in enumerate((0.1, 0.9))]
    assert pinball(y, ends, np.array([0.1, 0.9])) == pytest.approx(np.mean(both))


def test_losses_of_rows_are_squares_in_units_of_their_scale():
    losses = Forecast("y", horizon=2).row_losses(TARGETS, SAID)
    np.testing.assert_allclose(losses, [(1 + 6.25) / 2, (0 + 4) / 2])
