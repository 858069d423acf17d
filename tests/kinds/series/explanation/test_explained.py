"""From a saved model to its explanation: any model, and channels by their worth."""

from types import SimpleNamespace

import numpy as np
import pytest

from annvil.bundle import export, save
from annvil.comparison.results import FIRST_FOLD
from annvil.data.splits import inner_splits
from annvil.errors import RequestError
from annvil.kinds.found import Stage
from annvil.kinds.series import KIND
from annvil.kinds.series.explanation.channels import with_channel_of
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.tiny import tiny
from annvil.models.jobs import Context, Effort, Job
from annvil.report.figure import panels_figure

DATA = tiny()["binary"].dataset


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Rising or falling: the second channel of the tiny series says it, the first is a wave."""
    linear = next(one for one in KIND.contenders(DATA) if one.name == "summary-linear")
    rows = np.arange(60)
    job = Job(FIRST_FOLD, rows, inner_splits(DATA, rows, 1, 0), 0)
    fitted = next(iter(linear.fit(DATA, [job], Effort(), Context(30))))
    folder = tmp_path_factory.mktemp("model") / "model"
    graph = export(fitted, DATA.inputs.form, DATA.task)
    save(folder, graph, form=DATA.inputs.form, task=DATA.task)
    return fitted, graph, folder


def test_one_series_of_a_saved_model_is_explained(model):
    one = KIND.explain(model[2], [DATA.inputs.one(0), DATA.inputs.one(1)])
    said = one.sentences()
    assert said[0].startswith("The model says ")
    assert "The first of 2 series is explained" in said[1]
    assert len(one.to_json()["importance"]) == DATA.inputs.lengths[0]


def test_another_class_may_be_asked_for_and_an_unknown_one_is_refused(model):
    one = KIND.explain(model[2], [DATA.inputs.one(0)], "falls")
    other = KIND.explain(model[2], [DATA.inputs.one(0)], "rises")
    np.testing.assert_allclose(one.importance, -other.importance, atol=1e-6)
    with pytest.raises(RequestError, match=r"no class 'rise'\. Did you mean 'rises'\?"):
        KIND.explain(model[2], [DATA.inputs.one(0)], "rise")


def test_sections_of_a_run(model):
    fitted, graph, folder = model
    rows = np.arange(60, 90)
    outputs = fitted.predict(DATA.inputs.take(rows))
    fold = SimpleNamespace(contender="summary-linear", repeat=0, job=FIRST_FOLD, rung=0)
    comparison = SimpleNamespace(
        verdict=SimpleNamespace(recommended="summary-linear"),
        folds=[fold],
        metric=DATA.task.metrics[0].name,
        plan=SimpleNamespace(seed=0),
    )
    store = SimpleNamespace(
        graph=lambda *_: graph,
        result=lambda *_: SimpleNamespace(threshold=None),
        predictions=lambda *_: (rows, outputs),
    )
    clock = SimpleNamespace(passed=False, left=60.0)
    found = SimpleNamespace(
        dataset=DATA, comparison=comparison, store=store, model=folder, place="runs/1", deadline=clock, rung=lambda _: 0
    )
    parts, channels = KIND.sections(Stage.EXPLAINED, found)
    assert parts.key == "which-part-matters"
    assert "passed the test" in parts.sentences[0]
    for chart in parts.charts:
        assert "NaN" not in panels_figure(chart).wide
    assert channels.tables[0].rows[0][0] == "channel 2"
    assert "rests on channel 2" in channels.sentences[0]
    clock.left = 0.0
    parts, *_ = KIND.sections(Stage.EXPLAINED, found)
    assert "annvil explain runs/1 SERIES" in parts.sentences[0]
    clock.passed = True
    assert list(KIND.sections(Stage.EXPLAINED, found)) == []


def test_a_channel_of_another_series_is_stretched_to_the_own_length():
    series = series_from_arrays([np.stack([np.arange(5.0), np.zeros(5)]), np.stack([np.arange(9.0), np.ones(9)])])
    mixed = with_channel_of(series, 0, np.array([1, 0]))
    np.testing.assert_allclose(mixed.one(0), [[0, 2, 4, 6, 8], [0] * 5])
    np.testing.assert_allclose(mixed.one(1), [np.arange(0, 4.1, 0.5), [1] * 9])
    assert series.one(0)[0].tolist() == [0, 1, 2, 3, 4]
