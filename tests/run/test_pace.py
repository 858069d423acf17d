"""Which budgets are refused before any work, by what starting took and by the size of a file."""

from __future__ import annotations

import re

import pytest

from annvil.comparison.race.costs import MOST_SLOWNESS
from annvil.errors import RequestError
from annvil.run.pace import REST_SECONDS, STARTING_SECONDS, check_budget, slowness


def named(budget, starting, source="sample:iris"):
    """The budget that a refusal names, or None where there is none."""
    try:
        check_budget(budget, starting, source)
    except RequestError as refused:
        return int(re.fullmatch(r".* The smallest that can be kept now is about (\d+) s\.", str(refused))[1])
    return None


def test_five_seconds_are_enough_on_a_quiet_machine():
    assert named(5.0, STARTING_SECONDS) is None


@pytest.mark.parametrize("starting", [0.3, 0.9, 1.3, 2.0, 3.0, 6.0])
def test_a_budget_that_is_named_is_taken_even_if_the_machine_is_a_third_slower_then(starting):
    budget = named(1.0, starting)
    assert budget is not None
    assert named(budget, 1.3 * starting) is None


def test_a_busy_machine_refuses_what_it_cannot_keep():
    assert named(5.0, 3 * STARTING_SECONDS) > 5
    assert named(20.0, 3 * STARTING_SECONDS) is None


def test_starting_from_a_cold_disk_is_not_taken_for_a_slow_machine():
    assert slowness(100.0) == MOST_SLOWNESS
    assert named(100.0 + MOST_SLOWNESS * REST_SECONDS + 1, 100.0) is None


def test_a_call_from_python_has_no_start_to_judge_by():
    assert slowness(None) == 1.0
    assert named(0.5, None) is None


def test_a_large_file_needs_more_and_the_refusal_says_why(tmp_path):
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(400_000_000)
    for starting in (None, STARTING_SECONDS):
        with pytest.raises(RequestError, match="400 MB are to be read"):
            check_budget(10.0, starting, large)
        assert named(120.0, starting, large) is None
    assert named(5.0, STARTING_SECONDS, tmp_path) is None  # of a folder nothing is known yet
