"""What was asked, in seconds and as a command that repeats it."""

import shlex
from itertools import pairwise

import pytest

from annvil.errors import RequestError
from annvil.kinds.pictures.options import size_in_pixels
from annvil.options import FitOptions, budget_in_seconds
from annvil.run.request import FitRequest, decode_request


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("60s", 60), ("2m", 120), ("1h30m", 5400), ("1.5m", 90), (" 2M ", 120), ("1h 5s", 3605), (45, 45)],
)
def test_budgets_are_read_as_people_write_them(written, seconds):
    assert budget_in_seconds(written) == seconds


@pytest.mark.parametrize("written", ["soon", "2 minutes", "m2", "", "1d", "2m!", "-60s", "1m nonsense"])
def test_what_is_no_time_is_refused_with_examples(written):
    with pytest.raises(RequestError, match="60s, 2m, 1h30m"):
        budget_in_seconds(written)


@pytest.mark.parametrize("written", ["1s", 0, -5, float("nan")])
def test_budgets_too_short_to_do_anything_are_refused(written):
    with pytest.raises(RequestError, match="too short"):
        budget_in_seconds(written)


def test_several_targets_are_repeated_one_by_one():
    request = FitRequest("labels.csv", FitOptions(target=("cat", "big dog")))
    assert request.command().startswith("annvil fit labels.csv --target cat --target 'big dog' --budget 120s")
    memory = FitRequest(None, FitOptions(target=("cat", "dog")))
    assert memory.command().startswith("annvil.fit(data, target=('cat', 'dog'), ")


def test_the_command_repeats_the_request_word_for_word():
    asked = FitOptions(
        target="it's",
        budget=60.0,
        metric="rmse",
        worth=500,
        groups="patient",
        columns=("a", "b c"),
        drop=("x",),
        kinds={"zip": "category"},
        missing=("n/a",),
        drop_missing_target=True,
        seed=3,
    )
    request = FitRequest("my data.csv", asked, {"size": (48, 64)})
    words = shlex.split(request.command())
    assert words[:3] == ["annvil", "fit", "my data.csv"]
    following = dict(pairwise(words))
    assert following["--target"] == "it's"
    assert following["--budget"] == "60s"
    assert following["--worth"] == "500"
    assert following["--columns"] == "a,b c"
    assert following["--as"] == "zip=category"
    assert following["--missing"] == "n/a"
    assert following["--size"] == "48x64"
    assert "--drop-missing-target" in words
    assert following["--seed"] == "3"


def test_data_from_memory_are_repeated_from_python():
    assert FitRequest(None, FitOptions(target="y")).command() == "annvil.fit(data, target='y', budget=120.0, seed=0)"


def test_the_python_call_keeps_every_option():
    request = FitRequest(None, FitOptions(target="y", groups="g", drop=("c",), kinds={"z": "category"}))
    command = request.command()
    assert "groups='g'" in command
    assert "drop=('c',)" in command
    assert "kinds={'z': 'category'}" in command


def test_budgets_of_other_types_and_without_end_are_refused():
    with pytest.raises(RequestError, match="is not a time"):
        budget_in_seconds(None)
    with pytest.raises(RequestError, match="too long"):
        budget_in_seconds(1e9)


@pytest.mark.parametrize(
    ("written", "size"), [(32, (32, 32)), ("32", (32, 32)), ("48x64", (48, 64)), ([48, 64], (48, 64)), (None, None)]
)
def test_sizes_are_a_side_or_height_and_width(written, size):
    assert size_in_pixels(written) == size


@pytest.mark.parametrize("written", ["large", "", "1x2x3", [1, 2, 3], 0.5j])
def test_what_is_no_size_is_refused(written):
    with pytest.raises(RequestError, match="such as 64"):
        size_in_pixels(written)


def test_requests_of_earlier_versions_are_read():
    """As `annvil fit` wrote them before kinds had options of their own."""
    kept = b"""{"data": "/photos", "target": null, "budget_seconds": 60.0, "metric": null, "columns": null, "drop": [],
    "kinds": {}, "missing": ["n/a"], "drop_missing_target": false, "size": [8, 8], "seed": 3, "start": "/nets/tiny",
    "backbone": null, "start_digest": "ab"}"""
    request = decode_request(kept)
    assert request.asked == FitOptions(budget=60.0, missing=("n/a",), seed=3)
    assert request.given == {"size": [8, 8], "start": "/nets/tiny"}
    assert (request.data, request.kind, request.start_digest) == ("/photos", "", "ab")
