"""A class decided by one window: the map finds it and passes its test; maps of noise do not."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from annvil.explanation.subject import ExplainedModel
from annvil.kinds.series.explanation.explain import Explanation, where_in_words
from annvil.kinds.series.explanation.occlusion import (
    PARTS,
    deletions,
    occlusion,
    part_of_step,
    windows_of,
    with_line,
    with_mean,
)
from annvil.tasks.union import make_task

TASK = make_task("binary", "answer", ("no", "yes"))


class Written(ExplainedModel):
    """A model written by hand: ``evidence`` maps series ``(n, channels, steps)`` to log-odds ``(n,)``."""

    def __init__(self, evidence, task=TASK):
        object.__setattr__(self, "evidence", evidence)
        info = SimpleNamespace(threshold=None)
        object.__setattr__(self, "predictor", SimpleNamespace(task=task, manifest=SimpleNamespace(info=info)))

    def outputs(self, things):
        found = self.evidence(np.asarray(things, dtype=np.float64))
        if not self.task.predicts_probabilities:
            return found[:, None]
        yes = 1 / (1 + np.exp(-found))
        return np.stack([1 - yes, yes], axis=1)


def level(window):
    return lambda x: 4 * x[:, 0, window].mean(axis=1) - 4


def wiggles(window):
    return lambda x: 4 * np.abs(np.diff(x[:, 0, window], axis=1)).mean(axis=1) - 3


def largest(window):
    return lambda x: 3 * x[:, 0, window].max(axis=1) - 3


def a_series(rng, n_steps, window, kind):
    """Smooth noise, and in the window what speaks for "yes"."""
    values = np.convolve(rng.normal(size=n_steps + 8), np.ones(9) / 9, "valid")[None] * 1.5
    if kind is level:
        values[0, window] += 2.5
    elif kind is wiggles:
        values[0, window] += 2.0 * (-1.0) ** np.arange(window.stop - window.start)
    else:
        values[0, (window.start + window.stop) // 2] += 4.0
    return values.astype(np.float32)


def cases():
    rng = np.random.default_rng(0)
    for kind in (level, wiggles, largest):
        for n_steps in (48, 150, 400):
            for _ in range(5):
                length = max(4, int(n_steps * rng.uniform(0.08, 0.2)))
                start = int(rng.integers(0, n_steps - length))
                window = slice(start, start + length)
                yield kind, window, a_series(rng, n_steps, window, kind)


def mapped(model, values, output=1):
    importance = occlusion(model.scores(output), values)
    (deletion,) = deletions(model.losses(values, output), values, [importance])
    return importance, deletion


def test_the_map_finds_the_window_that_decides_and_passes_its_test():
    """Of 45 models each of whose answers rests on one window: the most important step lies in it or beside it."""
    inside, passed, n = 0, 0, 0
    for kind, window, values in cases():
        importance, deletion = mapped(Written(kind(window)), values)
        reach = values.shape[1] // 16
        inside += window.start - reach <= int(np.argmax(importance)) < window.stop + reach
        passed += deletion.passed
        n += 1
    assert n == 45
    assert inside >= 0.95 * n
    assert passed >= 0.93 * n


def test_maps_of_smooth_noise_pass_no_more_often_than_chance_allows():
    """At most about one of twenty; here none of them knows where the window lies."""
    rng, passed = np.random.default_rng(1), []
    for kind, window, values in cases():
        noise = [np.convolve(rng.normal(size=values.shape[1] + 14), np.ones(15), "valid") for _ in range(2)]
        passed += [one.passed for one in deletions(Written(kind(window)).losses(values, 1), values, noise)]
    assert np.mean(passed) <= 0.1


def test_what_looks_at_nothing_cannot_be_tested():
    values = np.random.default_rng(0).normal(size=(2, 60)).astype(np.float32)
    importance, deletion = mapped(Written(lambda x: np.full(len(x), 2.0)), values)
    assert not deletion.has_effect
    assert not deletion.passed
    np.testing.assert_array_equal(importance, 0)


def test_a_number_is_explained_by_what_moves_it():
    task, values = make_task("regression", "height"), np.ones((1, 64), np.float32)
    values[0, 16:24] = 3
    model = Written(lambda x: -x[:, 0, 16:24].mean(axis=1), task)
    importance = occlusion(model.scores(0), values)
    (deletion,) = deletions(model.losses(values, 0), values, [importance], of_number=True)
    assert deletion.passed
    assert 14 <= np.argmax(np.abs(importance)) < 26


@given(st.integers(1, 500))
def test_windows_and_parts_cover_every_step(n_steps):
    covered = np.zeros(n_steps, dtype=int)
    for start, stop in windows_of(n_steps):
        assert 0 <= start < stop <= n_steps
        covered[start:stop] += 1
    assert covered.min() >= 1
    part = part_of_step(n_steps)
    assert part[0] == 0
    assert part[-1] == min(PARTS, n_steps) - 1
    assert set(np.diff(part)) <= {0, 1}


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_what_is_not_covered_stays(covered):
    """A straight line stays itself, whatever is covered between its ends."""
    mask = np.array(covered)
    values = np.random.default_rng(0).normal(size=(2, len(mask))).astype(np.float32)
    for cover in (with_line, with_mean):
        changed = cover(values, mask)
        np.testing.assert_array_equal(changed[:, ~mask], values[:, ~mask])
        assert np.isfinite(changed).all()
    straight = np.arange(len(mask), dtype=np.float32)[None]
    mask[[0, -1]] = False
    np.testing.assert_allclose(with_line(straight, mask), straight, rtol=1e-6)


def test_places_in_words():
    importance = np.zeros(100)
    importance[40:50], importance[80] = 1.0, 2.0
    assert where_in_words(importance) == (
        "Half of what speaks for it lies in 5% of the series: steps 40 to 43 and 80 (from 0)."
    )
    assert where_in_words(-importance) == "Nothing in the series speaks for it."


@pytest.mark.parametrize("right", [True, False])
def test_what_is_said_and_shown(right):
    kind, window, values = next(iter(cases()))
    model = Written(kind(window))
    importance, _ = mapped(model, values)
    shown = importance if right else importance[::-1] * -1
    (deletion,) = deletions(model.losses(values, 1), values, [shown])
    outputs = model.outputs(values[None])[0]
    one = Explanation("first", values, ("x",), TASK, outputs, 1, 1, shown, deletion, ("A notice.",))
    said = " ".join(one.sentences())
    assert ("passed its test" in said) is right
    assert ("Do not trust" in said) is not right
    assert one.to_json()["trusted"] is right
    assert one.png()[:4] == b"\x89PNG"
    assert one.chart().panels[-1].flagged is not right
