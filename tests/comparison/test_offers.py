"""What could be done next, and what each is worth."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import integrate, stats

from annvil.comparison.race.offers import (
    CLOSE,
    DECAY,
    MOST_OF_THE_ERROR,
    OPEN_SHARE,
    REPEAT_SHARE,
    UNKNOWN_GAIN,
    Entrant,
    View,
    best_per_second,
    expected_excess,
)

FOLDS = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
"""How folds differ, whoever is scored."""


def entrant(name: str, side: str, *means: float, **changes: Any) -> Entrant:
    """With the same differences between folds on every rung, so that what a rung adds is no chance."""
    scores = tuple(tuple((mean + FOLDS).tolist()) for mean in means)
    return replace(Entrant(name, side, scores, n_rungs=5, repeats=1, stopped=False), **changes)


def view(*entrants: Entrant, worth: float = 0.01, uncertainty: float = 0.4, most_repeats: int = 3) -> View:
    return View({one.name: one for one in entrants}, worth, uncertainty, most_repeats)


DUMMY = entrant("dummy", "dummy", 0.5, n_rungs=1)
TREES = entrant("trees", "simple", 0.9, n_rungs=1)


# -- what a rung is expected to gain -----------------------------------------------------------------------------------


def test_of_one_rung_the_gain_is_a_part_of_what_there_is_to_know() -> None:
    net = entrant("net", "network", 0.7)
    assert view(DUMMY, TREES, net).expected_gain(net) == pytest.approx(UNKNOWN_GAIN * (0.9 - 0.5))
    assert view(net).expected_gain(net) == 0.0  # nobody knows more than the worst
    assert view(DUMMY, TREES).expected_gain(DUMMY) == 0.0


def test_of_two_rungs_it_is_part_of_the_last_gain() -> None:
    net = entrant("net", "network", 0.7, 0.8)
    assert view(DUMMY, TREES, net).expected_gain(net) == pytest.approx(DECAY * 0.1)
    later = entrant("net", "network", 0.5, 0.8, 0.82)
    assert view(DUMMY, TREES, later).expected_gain(later) == pytest.approx(DECAY * 0.02)


def test_of_an_error_no_more_is_gained_than_half_of_what_is_left() -> None:
    net = entrant("net", "network", -1.0, -0.1)  # an error, turned round: more is better
    made = replace(view(entrant("dummy", "dummy", -2.0, n_rungs=1), net), ceiling=0.0)
    assert made.expected_gain(net) == pytest.approx(MOST_OF_THE_ERROR * 0.1)
    assert not replace(made, worth=0.2).improves(net)


def test_a_rung_that_made_it_worse_promises_nothing() -> None:
    net = entrant("net", "network", 0.8, 0.7)
    assert view(DUMMY, TREES, net).expected_gain(net) == 0.0


def test_a_gain_that_may_be_chance_counts_less() -> None:
    sure = entrant("net", "network", 0.7, 0.74)
    gains = 0.04 + np.array([-0.1, 0.1, 0.0, -0.1, 0.1])
    noisy = replace(sure, rung_scores=(sure.rung_scores[0], tuple((np.array(sure.rung_scores[0]) + gains).tolist())))
    assert noisy.mean == pytest.approx(sure.mean)
    found = view(DUMMY, TREES, noisy).expected_gain(noisy)
    noise = gains.var(ddof=1) / 5
    assert found == pytest.approx(DECAY * 0.04 * 0.04**2 / (0.04**2 + noise))
    assert 0 < found < 0.6 * view(DUMMY, TREES, sure).expected_gain(sure)


@pytest.mark.parametrize("changes", [{"n_rungs": 2}, {"stopped": True}])
def test_at_its_end_nobody_gains(changes: dict[str, Any]) -> None:
    net = entrant("net", "network", 0.7, 0.8, **changes)
    made = view(DUMMY, TREES, net)
    assert not net.has_more
    assert made.expected_gain(net) == 0.0
    assert made.rung_offers(net) == []
    assert made.spare_offer(net) is None
    assert made.improving() == frozenset()


def test_who_gains_more_than_half_of_worth_still_improves() -> None:
    worth = 0.01
    slow = entrant("slow", "network", 0.7, 0.7 + 0.99 * worth / 2 / DECAY)
    quick = entrant("quick", "network", 0.7, 0.7 + 1.01 * worth / 2 / DECAY)
    assert view(DUMMY, TREES, slow, quick, worth=worth).improving() == {"quick"}


@given(st.lists(st.floats(0.5, 0.99), min_size=1, max_size=4), st.integers(1, 8))
def test_several_rungs_gain_more_than_one_each_less_than_the_one_below(means: list[float], n_rungs: int) -> None:
    net = entrant("net", "network", *means, n_rungs=n_rungs)
    made = view(DUMMY, TREES, net)
    climb = made.expected_climb(net)
    assert len(climb) == (max(0, n_rungs - len(means)) if made.expected_gain(net) else 0)
    steps = np.diff([0.0, *climb])
    assert climb[:1] == ((made.expected_gain(net),) if climb else ())
    assert all(later <= before for before, later in pairwise(steps))
    assert net.mean + sum(steps) <= made.ceiling
    assert [(one.rungs, one.gain) for one in made.rung_offers(net)] == list(enumerate(climb, 1))


def test_a_small_step_does_not_hide_what_the_next_two_gain() -> None:
    """Half of worth is out of reach of one step, and not of three."""
    worth = 0.01
    trees = entrant("trees", "simple", 0.9, 0.9 + 0.8 * worth / 2 / DECAY)
    gains = [offer.gain for offer in view(DUMMY, trees, worth=worth, uncertainty=0.0).rung_offers(trees)]
    assert gains[0] < worth / 2 < gains[2]


# -- what a rung is worth ----------------------------------------------------------------------------------------------


def test_who_gains_more_and_who_is_nearer_the_top_comes_first() -> None:
    near, far = entrant("near", "network", 0.84, 0.88), entrant("far", "network", 0.74, 0.78)
    made = view(DUMMY, TREES, near, far, uncertainty=0.0)
    assert made.rung_offers(near)[0].value > made.rung_offers(far)[0].value
    steep = entrant("steep", "network", 0.82, 0.88)
    made = view(DUMMY, TREES, near, steep, uncertainty=0.0)
    assert made.rung_offers(steep)[0].value > made.rung_offers(near)[0].value


def test_of_the_best_the_value_is_its_gain_in_units_of_worth() -> None:
    net = entrant("net", "network", 0.85, 0.95)
    offer = view(DUMMY, TREES, net, uncertainty=0.0).rung_offers(net)[0]
    gain = MOST_OF_THE_ERROR * 0.05  # less than the last gain would promise: there is no more than 0.05 to gain
    assert gain < DECAY * 0.1
    assert offer.value == pytest.approx(expected_excess(gain, gain) / 0.01)
    assert (offer.contender, offer.what, offer.why) == ("net", "rung", "is the best and may still improve")


def test_while_the_answer_is_open_moving_it_counts_too() -> None:
    net = entrant("net", "network", 0.86, 0.87)
    shut, still_open = (view(DUMMY, TREES, net, uncertainty=u).rung_offers(net)[0] for u in (0.0, 0.4))
    assert shut.value < still_open.value <= shut.value + OPEN_SHARE
    assert still_open.why == "may change the answer"
    nobody_else = view(DUMMY, net).rung_offers(net)[0]
    assert nobody_else.value >= OPEN_SHARE  # a side that has nobody to be beaten by


# -- repeats -----------------------------------------------------------------------------------------------------------


def test_repeats_of_both_leaders_while_the_answer_is_open() -> None:
    net = entrant("net", "network", 0.9, n_rungs=1)
    offers = view(DUMMY, TREES, net).repeat_offers()
    assert [(one.contender, one.what) for one in offers] == [("trees", "repeat"), ("net", "repeat")]
    assert sum(one.value for one in offers) == pytest.approx(REPEAT_SHARE * 0.4)
    assert {one.why for one in offers} == {"repeat 2 narrows the answer"}


@pytest.mark.parametrize("changes", [{"uncertainty": 0.0}, {"most_repeats": 1}])
def test_no_repeats_once_it_is_certain_or_there_may_be_no_more(changes: dict[str, Any]) -> None:
    assert view(DUMMY, TREES, entrant("net", "network", 0.9), **changes).repeat_offers() == []


def test_no_repeats_of_one_side_alone() -> None:
    assert view(DUMMY, TREES).repeat_offers() == []
    assert view(DUMMY, entrant("net", "network", 0.9)).repeat_offers() == []


def test_who_has_fewer_repeats_catches_up_first() -> None:
    ahead = replace(TREES, repeats=2)
    offers = view(DUMMY, ahead, entrant("net", "network", 0.9)).repeat_offers()
    assert [one.contender for one in offers] == ["net"]
    both = view(DUMMY, ahead, entrant("net", "network", 0.9, repeats=2)).repeat_offers()
    assert sum(one.value for one in both) == pytest.approx(REPEAT_SHARE * 0.4 / 2)  # a third repeat narrows less


def test_finalists_are_those_near_the_best_of_their_side() -> None:
    net, near, far = (entrant(name, "network", mean) for name, mean in (("net", 0.95), ("near", 0.94), ("far", 0.92)))
    made = view(DUMMY, TREES, net, near, far)
    assert [one.name for one in made.finalists()] == ["trees", "net", "near"]
    assert pytest.approx(0.02) == CLOSE * made.worth


# -- arithmetic --------------------------------------------------------------------------------------------------------


@given(st.floats(-5.0, 5.0), st.floats(0.1, 3.0))
def test_the_expected_excess_is_the_integral(mean: float, spread: float) -> None:
    low, high = max(0.0, mean - 12 * spread), max(0.0, mean + 12 * spread)
    expected, _ = integrate.quad(
        lambda x: x * stats.norm.pdf(x, mean, spread), low, high, points=[max(mean, low)] if high else None
    )
    assert expected_excess(mean, spread) == pytest.approx(expected, abs=1e-7)


def test_most_value_a_second() -> None:
    made = view(DUMMY, TREES, entrant("net", "network", 0.9))
    first, second = made.repeat_offers()
    assert best_per_second([(first, 2.0), (second, 1.0)]) == (second, 1.0)
    assert best_per_second([(first, 1.0), (second, 1.0)]) == (first, 1.0)
    assert best_per_second([]) is None
