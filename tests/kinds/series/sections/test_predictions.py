"""What is drawn of series: medians against NumPy's, unequal lengths, gaps, and mistakes before all else."""

from types import SimpleNamespace

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.kinds.found import Stage
from annvil.kinds.series import KIND
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.sections.drawing import laid_out
from annvil.kinds.series.sections.predictions import courses, gaps, groups_of
from annvil.kinds.series.tiny import tiny
from annvil.report.figure import panels_figure
from annvil.tasks.union import make_task


def dataset(values, y, kind="binary", classes=("no", "yes")):
    return Dataset(series_from_arrays(values), np.asarray(y), make_task(kind, "answer", classes), np.arange(len(y)))


def test_the_line_of_a_class_is_the_median_of_its_series():
    values = np.random.default_rng(0).normal(size=(21, 1, 30)).astype(np.float32)
    y = np.arange(21) % 2
    together, each = courses(dataset(values, y)).charts
    for code in (0, 1):
        median = np.median(values[y == code, 0], axis=0)
        np.testing.assert_allclose(each.panels[code].lines[-1].y, median, rtol=1e-6)
        np.testing.assert_allclose(together.panels[0].lines[code].y, median, rtol=1e-6)


def test_series_of_unequal_lengths_are_laid_over_one_width():
    """The same straight line of 10 and of 40 steps is the same at every share of the length."""
    at, values = laid_out(
        series_from_arrays([np.linspace(0, 1, 10)[None], np.linspace(0, 1, 40)[None]]), np.arange(2), 0
    )
    np.testing.assert_allclose(values, [at, at], atol=1e-6)


@pytest.mark.parametrize("name", list(tiny()))
def test_every_kind_of_question_is_drawn(name, tmp_path):
    data = tiny()[name].dataset
    outputs = data.task.indicators(data.y)
    outputs[:3] = outputs[:3][::-1].copy()
    fold = SimpleNamespace(contender="linear", repeat=0, job="repeat-0-fold-0", rung=0)
    found = SimpleNamespace(
        dataset=data,
        comparison=SimpleNamespace(verdict=SimpleNamespace(recommended="linear"), folds=[fold]),
        store=SimpleNamespace(
            result=lambda *_: SimpleNamespace(threshold=None),
            predictions=lambda *_: (np.arange(data.n_rows), outputs.astype(np.float64)),
        ),
        rung=lambda name: 0,
    )
    sections = list(KIND.sections(Stage.SHIPPED, found))
    assert [section.key for section in sections] == ["series-and-predictions", "courses", "gaps-and-lengths"]
    for chart in (chart for section in sections for chart in section.charts):
        assert "NaN" not in panels_figure(chart).wide
    assert "Lengths run from 24 to 39" in " ".join(sections[-1].sentences)


def test_thirds_of_a_number_have_the_rows_in_order():
    names, members = groups_of(dataset(np.zeros((9, 1, 4)), np.arange(9.0)[::-1].copy(), "regression", ()))
    assert names == ["answer: lowest third", "answer: middle third", "answer: highest third"]
    assert [sorted(rows.tolist()) for rows in members] == [[6, 7, 8], [3, 4, 5], [0, 1, 2]]


def test_gaps_are_counted_and_their_series_judged_apart():
    values = np.ones((10, 1, 20))
    values[:3, 0, 5:9] = np.nan
    (section,) = gaps(dataset(values, np.arange(10) % 2), np.arange(10), np.r_[np.ones(3), np.zeros(7)])
    said = " ".join(section.sentences)
    assert "3 series have gaps, 6% of all values" in said
    assert "with gaps: 1.000 (3), without: 0.000 (7)" in said
