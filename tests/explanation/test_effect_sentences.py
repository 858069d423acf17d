"""What is said of an effect is what its chart shows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st

from annvil.bundle.effects import Axis, Effect
from annvil.bundle.explanation import explained_names
from annvil.explanation.effect_sentences import move_of, place_of, sentences_of, told_effect
from annvil.tasks.base import Task
from annvil.tasks.union import make_task
from annvil.text.quantities import percent

TASKS = (
    make_task("binary", "ill", ("no", "yes")),
    make_task("multiclass", "size", ("s", "m", "l")),
    make_task("regression", "price"),
)


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    """Curves and bars of any shape."""
    n = draw(st.integers(2, 31))
    values = tuple(draw(st.lists(st.floats(-3, 3), min_size=n, max_size=n)))
    if draw(st.booleans()):
        axis = Axis("c", "category", (), tuple(f"level {k}" for k in range(n)), (1 / n,) * n)
    else:
        start, step = draw(st.integers(-50, 50)), draw(st.sampled_from([0.1, 1, 20]))
        shares = draw(st.lists(st.integers(0, 9), min_size=24, max_size=24))
        density = tuple(np.array(shares) / max(1, sum(shares)))
        axis = Axis("x", "number", tuple(start + step * k for k in range(n)), (), density)
    return Effect((axis,), "", "exact", values, importance=1.0)


@given(effects())
@settings(max_examples=40, deadline=None)
def test_a_move_is_one_of_the_curve(effect: Effect) -> None:
    move = move_of(effect)
    values = effect.values
    if move.one_way:
        assert move.start < move.end
        ups = np.diff(values[move.start : move.end + 1])
        assert abs(move.change) >= 0.9 * np.abs(ups).sum() - 1e-12
        return
    assert move.change >= 0
    if effect.axes[0].levels:
        assert (values[move.start], values[move.end]) == (min(values), max(values))


@given(effects(), st.sampled_from(TASKS), st.floats(-2, 2))
@settings(max_examples=40, deadline=None)
def test_directions_and_places_are_those_of_the_arrays(effect: Effect, task: Task, base: float) -> None:
    name = explained_names(task)[-1]
    effect = Effect(effect.axes, name, "exact", effect.values, importance=1.0)
    move, axis = move_of(effect), effect.axes[0]
    said = told_effect(effect, task, base)
    if "that few rows have" in said or "together with" in said:  # both ends read the same
        assert not {"rises", "falls", "highest"} & set(said.split())
        return
    for place in (move.start, move.end):
        assert place_of(axis, place) in said
    if move.one_way:
        assert ("rises" in said) == (move.change > 0)
        assert ("falls" in said) == (move.change <= 0)
        assert said.index(place_of(axis, move.start)) <= said.rindex(place_of(axis, move.end))
    else:
        assert said.index("highest") < said.index("lowest")


def test_a_change_is_told_in_the_users_units() -> None:
    axis = Axis("age", "number", tuple(map(float, range(20, 81))), (), (1 / 24,) * 24)
    line = tuple(np.linspace(-1, 1, 61))
    binary, _, number = TASKS
    rising = Effect((axis,), "log-odds of 'yes'", "exact", line, importance=1.0)
    said = told_effect(rising, binary, 0.0)
    assert said == "from 23 to 77 in 'age' the probability that 'ill' is 'yes' rises from 29% to 71%"
    price = Effect((axis,), "price", "exact", tuple(-10 * v for v in line), importance=1.0)
    assert told_effect(rising, binary, 0.0, it=True) == "from 23 to 77 in 'age' it rises from 29% to 71%"
    assert told_effect(price, number, 100.0) == "from 23 to 77 in 'age' 'price' falls from 109 to 91"


def test_three_sentences_name_what_drives_what_is_idle_and_what_is_unsure() -> None:
    density = (0.2,) * 4 + (0.0,) * 16 + (0.05,) * 4
    axis = Axis("age", "number", tuple(map(float, range(20, 81))), (), density)
    line = tuple(np.linspace(-1, 1, 61))
    strong = Effect((axis,), "price", "exact", line, low=line, high=line, importance=1.0)
    doubtful = Effect(
        (Axis("c", "category", (), ("a", "b"), (0.5, 0.5)),), "price", "exact", (0.1, -0.1), low=(-1, -1), high=(1, 1),
        importance=0.1, certain=0.0, mistrust="It may be chance.",
    )  # fmt: skip
    flat = Effect((Axis("z", "number", (0.0, 1.0), (), (1.0,)),), "price", "exact", (0.0, 0.0), importance=1e-4)
    drives, ignores, unsure = sentences_of(
        [strong, doubtful, flat], TASKS[2], ["price"], np.array([10.0]), ["age", "c", "z", "w"]
    )
    assert "'age'" in drives
    assert "'z'" not in drives
    assert ignores == "What it ignores: 'z' and 'w' move it by next to nothing."
    assert "disagree about 'c'" in unsure
    assert "only 0% of the rows have 'age' from 40 to 60" in unsure
    assert "no refits" not in unsure


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_of_several_classes_the_probability_that_moves_most_is_told(seed: int) -> None:
    """Rare classes have large log-odds; what people see is a probability."""
    random, task = np.random.default_rng(seed), TASKS[1]
    names, base = explained_names(task), random.normal(size=3) * 2
    added = random.normal(size=(3, 4)) * np.array([[3.0], [1.0], [0.5]])
    axis = Axis("c", "category", (), ("p", "q", "r", "s"), (0.25,) * 4)
    effects = [Effect((axis,), name, "exact", tuple(a), importance=1.0) for name, a in zip(names, added, strict=True)]
    drives, _, _ = sentences_of(effects, task, names, base, ("c",))
    shares = np.exp(base[:, None] + added)
    shares /= shares.sum(axis=0)
    k = int(np.ptp(shares, axis=1).argmax())
    high, low = int(shares[k].argmax()), int(shares[k].argmin())
    assert f"the probability that 'size' is '{'sml'[k]}' is highest for {'pqrs'[high]!r}" in drives
    assert f"{percent(float(shares[k, high]))})" in drives
    assert f"lowest for {'pqrs'[low]!r} ({percent(float(shares[k, low]))})" in drives


def test_projections_and_pairs_are_named_as_what_they_are() -> None:
    line = tuple(np.linspace(-1, 1, 61))
    ridge = Axis("projection of 'a' and 'b'", "projection", tuple(map(float, range(61))), (), (1 / 24,) * 24)
    short = [Axis(name, "number", (0.0, 1.0), (), (1.0,)) for name in "ab"]
    found = [
        Effect((ridge,), "price", "exact", line, weights=(0.6, 0.8), importance=2.0, mistrust="No."),
        Effect((ridge,), "price", "exact", line[::-1], weights=(0.8, -0.6), importance=1.5),
        Effect((short[0], short[1]), "price", "exact", (0.0, 1.0, 2.0, 3.0), importance=1.0, mistrust="No."),
    ]
    drives, _, unsure = sentences_of(found, TASKS[2], ["price"], np.array([10.0]), ["a", "b"])
    assert "in the projection of 'a' and 'b' it rises" in drives
    assert "in the projection of 'a' and 'b' it falls" in drives
    assert "'a' and 'b' together move it between 10 and 13" in drives
    assert "disagree about the projection of 'a' and 'b' and 'a' × 'b'" in unsure
