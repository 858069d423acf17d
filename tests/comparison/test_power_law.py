"""Laws recover what made the curve, bands hold the truth, and bad curves are refused."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.comparison.power_law import as_power_law, fit_law, law_values, why_ill_behaved
from annvil.comparison.results import Anchor

SIZES = np.round(800 / np.sqrt(2) ** np.arange(7)[::-1])


def anchors(a: float, b: float, c: float, noise: float, seed: int = 0, repeats: int = 3) -> list[Anchor]:
    rng = np.random.default_rng(seed)
    fold = noise * rng.normal(size=repeats)  # common to a fold at every size
    made = []
    for size in SIZES:
        errors = a + b * size**-c + fold + noise * rng.normal(size=repeats)
        made.append(Anchor(int(size), tuple(errors), float(errors.mean()), float(errors.std(ddof=1))))
    return made


def test_an_exact_curve_is_recovered() -> None:
    law = fit_law(anchors(0.1, 2.0, 0.5, 0.0), seed=0)
    assert law.parameters == pytest.approx((0.1, 2.0, 0.5), rel=1e-6)
    assert why_ill_behaved(anchors(0.1, 2.0, 0.5, 0.0), law) == ""
    assert law.at(np.array([3200.0]))[0] == pytest.approx(0.1 + 2.0 * 3200**-0.5)


def test_parameters_stay_in_bounds() -> None:
    rising = [Anchor(n, (0.1 * n, 0.1 * n), 0.1 * n, 0.0) for n in (1, 2, 4, 8, 16)]
    law = fit_law(rising, seed=0)
    assert law.parameters[1] == 0.0
    falling = [Anchor(n, (5 - 0.3 * n,) * 2, 5 - 0.3 * n, 0.0) for n in (1, 2, 4, 8, 16)]
    assert fit_law(falling, seed=0).parameters[0] >= 0.0
    assert np.all(fit_law(falling, seed=0).draws >= 0.0)


@pytest.mark.parametrize(("a", "b", "c"), [(0.1, 2.0, 0.5), (0.0, 1.0, 0.3), (0.2, 5.0, 1.0), (0.3, 0.0, 1.0)])
def test_the_band_holds_the_truth_nine_times_out_of_ten(a: float, b: float, c: float) -> None:
    held = 0
    for seed in range(60):
        law = fit_law(anchors(a, b, c, 0.004, seed), seed)
        low, high = np.quantile(law.draws_at(np.array([3200.0])), [0.05, 0.95])
        shift = float(np.mean(np.random.default_rng(seed).normal(size=3)) * 0.004)  # these folds' own level
        held += low <= law_values(np.array([[a, b, c]]), np.array([3200.0]))[0, 0] + shift <= high
    assert held >= 0.85 * 60


def test_a_rise_beyond_noise_is_refused_with_its_place() -> None:
    curve = anchors(0.1, 2.0, 0.5, 0.001)
    bad = list(curve)
    bad[4] = Anchor(curve[4].n_train, tuple(e + 0.1 for e in curve[4].errors), curve[4].mean + 0.1, curve[4].spread)
    reason = why_ill_behaved(bad, fit_law(bad, 0))
    assert reason.startswith("the error rises between 283 and 400 rows")


def test_a_step_is_no_power_law() -> None:
    rng = np.random.default_rng(0)
    curve = []
    for size in SIZES:
        errors = (0.4 if size < 300 else 0.1) + 0.001 * rng.normal(size=3)
        curve.append(Anchor(int(size), tuple(errors), float(errors.mean()), 0.001))
    assert why_ill_behaved(curve, fit_law(curve, 0)) == "the errors lie further from a power law than their noise"


def test_noise_alone_is_seldom_refused() -> None:
    refused = sum(
        bool(why_ill_behaved(curve := anchors(0.1, 2.0, 0.5, 0.01, seed), fit_law(curve, seed))) for seed in range(60)
    )
    assert refused <= 6


def test_the_record_reaches_four_times_the_largest_anchor() -> None:
    record = as_power_law(fit_law(anchors(0.1, 2.0, 0.5, 0.01), 0))
    assert record.sizes[-1] == pytest.approx(3200)
    assert all(low <= mid <= high for low, mid, high in zip(record.low, record.median, record.high, strict=True))


def test_the_same_seed_gives_the_same_band() -> None:
    curve = anchors(0.1, 2.0, 0.5, 0.01)
    assert as_power_law(fit_law(curve, 3)) == as_power_law(fit_law(curve, 3))
    assert as_power_law(fit_law(curve, 3)) != as_power_law(fit_law(curve, 4))
