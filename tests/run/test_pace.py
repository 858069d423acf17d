"""Which budgets are refused before any work, by what starting took and by the size of a file."""

from __future__ import annotations

import math
import re
import time

import pytest

from annvil.comparison.race.costs import MOST_SLOWNESS
from annvil.errors import RequestError
from annvil.run.pace import REST_SECONDS, STARTING_SECONDS, Pace, slowness


def named(budget, starting, source="sample:iris"):
    """The budget that a refusal names, or None where there is none."""
    try:
        Pace(budget, time.monotonic(), starting).check_source(source)
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
            Pace(10.0, time.monotonic(), starting).check_source(large)
        assert named(120.0, starting, large) is None
    assert named(5.0, STARTING_SECONDS, tmp_path) is None  # of a folder nothing is known yet


def pace(budget, spent, starting=STARTING_SECONDS):
    return Pace(budget, time.monotonic() - spent, starting)


def test_files_that_take_longer_than_the_budget_are_not_all_decoded():
    pace(10.0, 2.0).check_decoding(1.0, 100, 1000)  # a tenth says little
    pace(10.0, 3.0).check_decoding(1.0, 500, 1000)
    with pytest.raises(RequestError, match=r"decoding 1,000 files takes about 10 s. The smallest .* about 20 s"):
        pace(10.0, 3.0).check_decoding(2.0, 200, 1000)
    with pytest.raises(RequestError, match="The smallest"):
        pace(10.0, 11.0, None).check_decoding(10.0, 1, 1000)  # what is over is over
    pace(10.0, 9.0, None).check_decoding(8.0, 1000, 1000)


def test_what_reading_has_left_must_hold_a_model():
    pace(5.0, 2.5).check_read()
    pace(5.0, 4.5, None).check_read()
    pace(math.inf, 100.0).check_read()
    with pytest.raises(RequestError, match=r"about 12 s"):
        pace(5.0, 2.5).check_read(audit=4.0)
    with pytest.raises(RequestError, match=r"reading took until 3.5 s. The smallest .* about 8 s"):
        pace(5.0, 3.5).check_read()
