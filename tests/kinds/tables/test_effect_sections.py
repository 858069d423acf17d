"""What the report shows of a model's effects is what they are, and what failed is said."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from annvil.bundle.effects import Axis, Check, Effect
from annvil.data.dataset import Dataset
from annvil.data.splits import Split, inner_splits
from annvil.data.table import table_from_columns
from annvil.explanation.whole_model import WholeModel, explain_model
from annvil.kinds.tables.sections.effects import FIRST, section, shape_of
from annvil.kinds.tables.tiny import tiny_table
from annvil.models.jobs import Context, Deadline, Effort, Job
from annvil.models.linear import Linear
from annvil.models.neighbours import Neighbours
from annvil.plots.charts.shapes import shapes
from annvil.tasks.calibration import VectorScaling
from annvil.tasks.union import make_task


def explained(asked: str, contender: Linear | Neighbours, seconds: float = 60.0) -> WholeModel:
    dataset = tiny_table(asked)
    rows = np.arange(dataset.n_rows)
    job = Job("final", rows, inner_splits(dataset, rows, 1, 0), 0)
    (fitted,) = contender.fit(dataset, [job], Effort(), Context())
    return explain_model(dataset, contender, fitted, Deadline(seconds), title=contender.title)


@pytest.mark.parametrize("asked", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("contender", [Linear(), Neighbours()])
def test_every_column_has_its_effect_in_words_and_drawn(asked: str, contender: Linear | Neighbours) -> None:
    model = explained(asked, contender)
    shown = section(model, "effects", "Title", 1)
    titles = [shape.title for chart in shown.shapes for shape in chart.shapes]
    assert {*titles, *model.idle} == {"length", "price", "when", "colour", "flag"}
    assert len(shown.sentences) >= 3
    for beginning, sentence in zip(("What drives it", "What it ignores", "Where it is unsure"), shown.sentences[:3], strict=True):  # fmt: skip  # noqa: E501
        assert sentence.startswith(beginning)
    assert (shown.shapes[0].base is not None) == (asked == "binary")
    assert model.is_sum == (contender.name == "linear")
    assert model.n_refits == 12
    for chart in shown.shapes:
        assert shapes(chart, 342.0, "n").startswith("<svg")
    assert msgspec.json.decode(msgspec.json.encode(shown), type=type(shown)) == shown


def test_without_time_there_are_no_bands_and_that_is_said() -> None:
    model = explained("binary", Linear(), 0.0)
    assert model.n_refits == 0
    assert not any(effect.low for effect in model.effects)
    assert "no bands" in section(model, "effects", "Title", 1).shapes[0].caption
    assert "no refits" in model.sentences[2]


def test_what_failed_stands_with_what_to_do_and_doubtful_curves_are_marked() -> None:
    axis = Axis("x", "number", (0.0, 1.0), (), (1.0,))
    doubtful = Effect(
        (axis,), "y", "exact", (-1.0, 1.0), (-3.0, -2.0), (1.0, 3.0), certain=0.1, importance=1.0, mistrust="No."
    )
    failed = Check("stability", 0.1, 0.7, False, "Do not rely on the order of importance.")
    model = WholeModel("Linear model", "linear", ("y",), (0.0,), (doubtful,), (), (failed,), ("a", "b", "c"), 12, True)
    shown = section(model, "effects", "Title", 1)
    assert shown.sentences[-1] == failed.said
    assert shown.tables[0].rows[0][1] == "failed"
    assert shown.shapes[0].shapes[0].flagged
    assert shape_of([doubtful]).note == "sign certain: 10%"


def test_only_the_first_effects_are_shown_at_once() -> None:
    effects = tuple(
        Effect((Axis(f"x{k}", "number", (0.0, 1.0), (), (1.0,)),), "y", "exact", (-1.0, 1.0), importance=1.0 + k)
        for k in range(FIRST + 3)
    )
    model = WholeModel("Linear model", "linear", ("y",), (0.0,), effects, (), (), ("a", "b", "c"), 0, True)
    first, more = section(model, "effects", "Title", 1).shapes
    assert len(first.shapes) == FIRST
    assert (len(more.shapes), more.folded) == (3, "3 more effects")


@pytest.mark.parametrize("calibrated", [False, True])
def test_certain_predictions_are_no_defect_of_a_sum(calibrated: bool) -> None:
    """A value far out makes a probability of 1, whose log-odds end where floating point does."""
    dataset = far_out()
    rows = np.arange(dataset.n_rows)
    (one,) = Linear().fit(dataset, [Job("a", rows[1:], (Split(rows[20:], rows[1:20]),), 0)], Effort(), Context())
    one.job = Job("a", rows, (), 0)
    one.calibration = VectorScaling(0.7, (0.0, 0.0)) if calibrated else None
    additive, said = one.additive(), dataset.task.link.explained(one.predict(dataset.inputs))
    assert additive is not None
    assert np.abs(additive.scores(dataset.inputs) - said).max() > 0.01 * np.ptp(said)
    (check,) = (c for c in explain_model(dataset, None, one, Deadline(60)).checks if c.name == "additivity")
    assert check.passed, check.said


def far_out() -> Dataset:
    random = np.random.default_rng(0)
    x = random.normal(size=200)
    x[0] = 1000.0
    y = (x + 0.02 * random.normal(size=200) > 0).astype(np.int64)
    return Dataset(table_from_columns([("x", "number", x)]), y, make_task("binary", "y", ("no", "yes")), np.arange(200))


def test_of_many_categories_those_are_drawn_in_which_most_is_done() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=40)
    axis = Axis("c", "category", (), tuple(f"level {k}" for k in range(40)), (1 / 40,) * 40)
    effect = Effect((axis,), "y", "exact", tuple(values), tuple(values - 1), tuple(values + 1), certain=1.0)
    shape = shape_of([effect])
    assert len(shape.axes[0].levels) == len(shape.traces[0].y) == len(shape.traces[0].low) == 12
    assert {f"level {values.argmax()}", f"level {values.argmin()}"} <= set(shape.axes[0].levels)
    for level, value in zip(shape.axes[0].levels, shape.traces[0].y, strict=True):
        assert value == values[int(level.removeprefix("level "))]
