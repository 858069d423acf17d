"""The study: told rows from known losses, and a small one of real networks where the answer is known."""

from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from annvil.comparison.studies.shelf import Shelf, as_bytes
from annvil.comparison.studies.wording import Scale
from annvil.data.dataset import Dataset
from annvil.data.splits import inner_splits
from annvil.errors import OutOfTime
from annvil.kinds.series import KIND
from annvil.kinds.series.contenders import sequence_family
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.studies import curve_rows, memory_rows, score_rows
from annvil.kinds.series.studies.measuring import Study
from annvil.kinds.series.studies.planning import StudyPlan
from annvil.kinds.series.studies.sides import BAG, GRU, LSTM, MAIN, RNN, TCN, sides_for
from annvil.kinds.series.studies.trials import Trial
from annvil.models.jobs import Context, Deadline, Effort, Job
from annvil.report.figure import panels_figure
from annvil.tasks.union import make_task

STUDY = KIND.studies["feedback-vs-feedforward"].run
TASK = make_task("binary", "answer", ("no", "yes"))


def recall(n=150, n_steps=8, seed=0):
    """Delayed recall: the answer is the sign of the first step, and all others are as large and mean nothing."""
    rng = np.random.default_rng(seed)
    values = rng.choice([-1.0, 1.0], size=(n, 1, n_steps))
    return Dataset(series_from_arrays(values), (values[:, 0, 0] > 0).astype(np.int64), TASK, np.arange(n))


def found(dataset):
    return SimpleNamespace(dataset=dataset, comparison=SimpleNamespace(plan=SimpleNamespace(seed=0)))


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """Of delayed recall, with what was told, what was written, and the folder."""
    folder, told, written = tmp_path_factory.mktemp("study"), [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annvil.kinds.series.studies.planning.THOROUGH", ((1, 0.15),))
        patch.setattr(sequence_family, "FEWEST_STEPS", 60)
        patch.setattr(sequence_family, "STEPS", 400)
        table = STUDY(found(recall()), folder, 120.0, told.append, written.append)
        kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("*-0.*.json")}
        again = STUDY(found(recall()), folder, 120.0, told.append)
        assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*-0.*.json")} == kept
    return table, again, told, written


def test_only_who_knows_the_order_recalls(studied):
    """A bag of steps sees one sign among eight; the last half of a series says nothing of its first step."""
    table = studied[0]
    accuracy, last = table["accuracy"].numbers, table["history"].numbers
    assert accuracy[GRU]["value"] > 0.95
    assert accuracy[BAG]["high"] < 0.85
    assert accuracy["against_bag"]["low"] > 0.1
    assert last[GRU][0]["value"] < 0.7
    assert last["enough"] is None
    assert "All of the history counts" in table["history"].sentence


def test_a_bag_of_steps_does_not_care_for_shuffling(studied):
    row = studied[0]["shuffled"]
    assert row.numbers[BAG]["value"] == 0.0
    assert "bag of steps does not care" in row.sentence


def test_what_is_measured_is_kept_and_not_measured_again(studied):
    table, again, told, written = studied
    assert table.findings == again.findings
    assert len(told) == len(set(told)) == 10  # 3 sides twice, two more cells, two on halves
    assert [section.key for section in written[-1]] == ["feedback-and-feedforward", "feedback-and-feedforward-curves"]
    assert table.to_json()["findings"][0]["key"] == "accuracy"
    for chart in written[-1][1].charts:
        assert "<path" in panels_figure(chart).narrow


def test_every_network_stands_in_a_table(studied):
    rows = studied[0].networks.rows
    assert [row[0] for row in rows] == [
        "GRU", "LSTM", "Plain recurrent network", "Convolutional network (TCN)", "Bag of steps",
    ]  # fmt: skip


def test_streams_and_gradients_are_measured(studied):
    table = studied[0]
    assert table["streaming"].numbers["largest_difference"] <= 1e-5
    assert set(table["gradients"].numbers) == {GRU, LSTM, RNN}
    assert table["gradients"].numbers[GRU]["lag"] == 7


def test_without_time_for_one_training_of_each_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("annvil.kinds.series.studies.measuring.LEAST_SECONDS", 0.0)
    with pytest.raises(OutOfTime, match="longer --budget"):
        STUDY(found(recall(60)), tmp_path, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("side", [GRU, BAG])
def test_the_adding_problem_needs_memory_of_a_sum_and_no_order(side):
    """Two of twelve numbers are marked, and their sum is asked for (Hochreiter and Schmidhuber 1997): feedback learns
    it, and so does a bag of steps, which is a sum over steps by construction."""
    rng = np.random.default_rng(0)
    values, marks = rng.uniform(size=(500, 12)), np.zeros((500, 12))
    for half in (0, 6):
        marks[np.arange(500), half + rng.integers(0, 6, 500)] = 1
    series = series_from_arrays(np.stack([values, marks], axis=1))
    data = Dataset(series, (values * marks).sum(axis=1), make_task("regression", "sum"), np.arange(500))
    one, rows = sides_for(series.form, 1)[side], np.arange(400)
    effort = Effort(scale=0.4, configuration=one.configuration)
    job = Job("adding", rows, inner_splits(data, rows, 1, 0), 0)
    fitted = next(iter(one.contender.fit(data, [job], effort, Context(120))))
    wrong = data.task.shares_wrong(data.y[400:], fitted.predict(series.take(np.arange(400, 500))))
    assert 1 - wrong.mean() > 0.95


def study_of(folder, losses, n_test=100, curve=(), shares=(), **more):
    """A study whose losses are given: (side, key) → share of mistakes."""
    shelf = Shelf(folder, Trial)
    for (side, key), share in losses.items():
        wrong = (np.arange(n_test) < round(share * n_test)).astype(float)
        shelf.keep(Trial(side, key, 100, 1000, "summary", 2.0, as_bytes(wrong), **more.get(side, {})))
    data = recall(n_test)
    plan = StudyPlan("", 60.0, 0, 100, n_test, 8, 3, 1.0, shares, curve, {})
    return Study(data, data, sides_for(data.inputs.form, 2), plan, shelf, Deadline(1.0), print)


def both(trainings=2, **shares):
    """``gru_whole=0.1`` → of each training."""
    names = {name: tuple(name.split("__")) for name in shares}
    return {(side, f"{family.replace('_', '-')}-{k}"): shares[name]
            for name, (side, family) in names.items() for k in range(trainings)}  # fmt: skip


SCALE = Scale(TASK)


@pytest.mark.parametrize(
    ("gru", "tcn", "said"),
    [(0.05, 0.3, "feedback is right more often"), (0.3, 0.05, "convolution is right more often"),
     (0.1, 0.1, "cannot be told apart")],
)  # fmt: skip
def test_who_is_better_is_said_as_it_is(tmp_path, gru, tcn, said):
    study = study_of(tmp_path, both(gru__whole=gru, tcn__whole=tcn, bag__whole=0.5))
    row = score_rows.accuracy(study, SCALE)
    assert said in row.sentence
    np.testing.assert_allclose(row.numbers["against_convolution"]["value"], tcn - gru)


@pytest.mark.parametrize(("shuffled", "said"), [(0.4, "the GRU loses 35.0"), (0.05, "cannot be told to lose")])
def test_what_order_is_worth(tmp_path, shuffled, said):
    losses = both(gru__whole=0.05, tcn__whole=0.05, bag__whole=0.4, gru__shuffled=shuffled, bag__shuffled=0.4)
    row = score_rows.order_of_steps(study_of(tmp_path, losses), SCALE)
    assert said.lower() in row.sentence.lower()
    assert row.cells[1] == "–"  # of the convolution there was no time
    assert "does not care" in row.sentence


@pytest.mark.parametrize(("quarter", "half", "enough"), [(0.1, 0.1, 0.25), (0.5, 0.1, 0.5), (0.5, 0.5, None)])
def test_the_smallest_part_of_the_history_that_is_enough(tmp_path, quarter, half, enough):
    parts = {"gru__whole": 0.1, "tcn__whole": 0.1, "gru__last_4": quarter, "tcn__last_4": quarter}
    study = study_of(tmp_path, both(**parts, gru__last_2=half, tcn__last_2=half), shares=(0.5, 0.25))
    row, chart = curve_rows.history(study, SCALE)
    assert row.numbers["enough"] == enough
    assert chart.panels[0].lines[0].x == (0.25, 0.5, 1.0)


def test_series_needed_are_read_off_the_curve_of_the_better(tmp_path):
    """The GRU has with 25 series what the TCN has with 100."""
    curve = {"gru__curve_25": 0.3, "gru__curve_50": 0.2, "tcn__curve_25": 0.5, "tcn__curve_50": 0.4}
    study = study_of(tmp_path, both(**curve, gru__whole=0.1, tcn__whole=0.3), curve=(25, 50))
    row, chart = curve_rows.data_needed(study, SCALE)
    assert row.numbers["behind"] == TCN
    assert row.numbers["series_the_other_needs"] == pytest.approx(0.0)
    assert chart.log_x
    assert "25 or fewer" in row.sentence


def test_who_has_enough_with_the_fewest_is_not_said_to_need_more(tmp_path):
    same = {f"{side}__{part}": 0.1 for side in ("gru", "tcn") for part in ("curve_25", "curve_50", "whole")}
    row, _ = curve_rows.data_needed(study_of(tmp_path, both(**same), curve=(25, 50)), SCALE)
    assert row.sentence.startswith("Both reach with 25 series or fewer")


@pytest.mark.parametrize(
    ("factor", "fate"),
    [(0.5, "vanish in the GRU"), (1.0, "neither vanish nor explode in"), (2.0, "explode in the GRU")],
)
def test_gradients_are_called_what_they_are(tmp_path, factor, fate):
    reach = {"reach": tuple((factor ** np.arange(12.0)).tolist()), "patch": 2}
    study = study_of(tmp_path, both(3, gru__whole=0.1), gru=reach)
    row, chart = memory_rows.gradients(study)
    assert fate in row.sentence
    assert row.numbers[GRU]["lag"] == 22
    assert row.numbers[GRU]["value"] == pytest.approx(11 * np.log(factor))
    assert chart.panels[0].lines[0].x[-1] == 22


def test_of_trainings_that_differ_no_fate_is_told(tmp_path):
    """One fades, one grows: the mean of both says nothing."""
    study = study_of(tmp_path, {("gru", "whole-0"): 0.1}, gru={"reach": tuple((0.5 ** np.arange(12.0)).tolist())})
    study_of(tmp_path, {("gru", "whole-1"): 0.1}, gru={"reach": tuple((1.5 ** np.arange(12.0)).tolist())})
    row, _ = memory_rows.gradients(study)
    assert "differ too much between trainings to tell in the GRU" in row.sentence


@pytest.mark.parametrize(("n_test", "said"), [(40, "cannot be told"), (2_000, "are as good for the GRU as all")])
def test_what_is_not_told_apart_is_not_called_equal(tmp_path, n_test, said):
    parts = both(gru__whole=0.1, tcn__whole=0.1, gru__last_2=0.1, tcn__last_2=0.1)
    row, _ = curve_rows.history(study_of(tmp_path, parts, n_test, shares=(0.5,)), SCALE)
    assert said in row.sentence


def test_time_by_length_is_a_power(tmp_path):
    """Twice the time for twice the length, but for the bag, whose time is the same for all."""
    linear = {"seconds": {n: (n * 1e-5,) * 5 for n in (10, 20, 40)}}
    flat = {"seconds": dict.fromkeys((10, 20, 40), (0.001,) * 5)}
    losses = both(gru__whole=0.1, tcn__whole=0.1, bag__whole=0.1)
    row, _ = memory_rows.weights_and_time(study_of(tmp_path, losses, gru=linear, tcn=linear, bag=flat))
    growth = [row.numbers[side]["growth"]["value"] for side in MAIN]
    np.testing.assert_allclose(growth, [2, 2, 1], rtol=1e-6)


def test_a_table_is_kept_and_read_again(studied):
    table = studied[0]
    assert msgspec.json.decode(msgspec.json.encode(table), type=type(table)) == table


def test_intervals_over_trainings_are_student_s():
    from scipy.stats import t as student

    values = [1.0, 2.0, 4.0, 4.5]
    low, high = student.interval(0.95, 3, np.mean(values), np.std(values, ddof=1) / 2)
    found = memory_rows.over_trainings(values)
    np.testing.assert_allclose([found.value, found.low, found.high], [np.mean(values), low, high])
    assert not np.isfinite(memory_rows.over_trainings([1.0]).low)
