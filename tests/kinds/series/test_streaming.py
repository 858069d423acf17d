"""A feedback network called step by step says what the whole series up to there would get."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest

import annvil
from annvil.bundle import Predictor, export, export_step, load, save
from annvil.data.splits import Split
from annvil.errors import BundleError, DataError, RequestError
from annvil.kinds.series.contenders import registry, sequence_family
from annvil.kinds.series.contenders.recurrent_networks import RecurrentFamily, RecurrentNetworks, RecurrentSettings
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.tiny import tiny
from annvil.models.dummy import Dummy
from annvil.models.jobs import Context, Effort, Job
from annvil.run.parity import step_difference

LENGTH = 23

SETTINGS = {
    "gru": {},
    "lstm": {"cell": "lstm"},
    "rnn": {"cell": "rnn"},
    "gru over patches": {"patch": 4},
    "lstm over patches": {"cell": "lstm", "patch": 5},
}


@pytest.fixture(autouse=True)
def hardly_trained(monkeypatch):
    """What networks say after a few steps is enough to be compared."""
    monkeypatch.setattr(sequence_family, "FEWEST_STEPS", 8)


def fitted(asked="multiclass", **options):
    dataset = tiny()[asked].dataset
    rows = np.arange(dataset.n_rows)
    inner = tuple(Split(rows[rows % 2 != k], rows[rows % 2 == k]) for k in range(2))
    effort = Effort(configuration=RecurrentSettings(**({"width": 6} | options)).to_json(), scale=0.01)
    (found,) = RecurrentNetworks().fit(dataset, [Job("test", rows, inner, 0)], effort, Context(threads=1))
    return dataset, found


def saved(path, dataset, found):
    form, task = dataset.inputs.form, dataset.task
    save(path, export(found, form, task), form=form, task=task, step=export_step(found.stepper(), task))
    return load(path)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_prefix_gets_what_the_whole_series_up_to_there_gets(name, tmp_path):
    """In company, two series side by side; the models of two folds are averaged and calibrated."""
    dataset, found = fitted(**SETTINGS[name])
    model = saved(tmp_path / "model", dataset, found)
    values, _ = dataset.inputs.take(np.array([3, 4])).padded()
    stream = model.stream(2)
    for end in range(1, LENGTH):
        outputs = stream.step(values[:, :, end - 1])
        expected = model.raw(series_from_arrays(list(values[:, :, :end]), dataset.inputs.form))
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-5)
    assert stream.n_steps == LENGTH - 1


@pytest.mark.parametrize("asked", ["regression", "multilabel", "binary"])
def test_numbers_and_labels_are_streamed_as_well(asked, tmp_path):
    dataset, found = fitted(asked, patch=3)
    model = saved(tmp_path / "model.zip", dataset, found)
    stream, values = model.stream(), dataset.inputs.one(7)
    for step in values.T:
        outputs = stream.step(step)
    expected = model.outputs(dataset.inputs.take(np.array([7])))
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-5 * max(1, np.std(dataset.y)))


def test_a_state_is_all_that_is_remembered(tmp_path):
    dataset, found = fitted(patch=4)
    model = saved(tmp_path / "model", dataset, found)
    values = dataset.inputs.one(0).T
    one, other = model.stream(), model.stream()
    for step in values[:10]:
        one.step(step)
    kept = one.state
    other.state = kept
    assert [one.step(step).tolist() for step in values[10:]] == [other.step(step).tolist() for step in values[10:]]
    one.reset()
    assert one.n_steps == 0
    np.testing.assert_array_equal(one.step(values[0]), model.stream().step(values[0]))
    missing = model.stream().step([np.nan, np.nan])
    assert np.isfinite(missing).all()


def test_what_is_no_step_is_refused(tmp_path):
    dataset, found = fitted()
    model = saved(tmp_path / "model", dataset, found)
    stream = model.stream(2)
    for wrong in (np.zeros(2), np.zeros((1, 2)), np.zeros((2, 3)), np.full((2, 2), np.inf), [["a", "b"], ["c", "d"]]):
        with pytest.raises(DataError, match="step"):
            stream.step(wrong)
    with pytest.raises(RequestError, match="state"):
        stream.state = np.zeros((2, 1))
    with pytest.raises(RequestError, match="at least one"):
        model.stream(0)


@pytest.mark.parametrize("options", [{"directions": 2}, {"scaling": "series"}])
def test_models_that_look_at_whole_series_have_no_steps(options, tmp_path):
    dataset, found = fitted(**options)
    assert found.stepper() is None
    model = saved(tmp_path / "model", dataset, found)
    with pytest.raises(RequestError, match="cannot be called step by step"):
        model.stream()


def test_a_graph_of_a_step_that_fits_no_manifest_is_refused(tmp_path):
    dataset, found = fitted()
    form, task = dataset.inputs.form, dataset.task
    graph = export(found, form, task)
    save(tmp_path / "model", graph, form=form, task=task, step=graph)
    with pytest.raises(BundleError, match="step"):
        load(tmp_path / "model").stream()
    (tmp_path / "model" / "step.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match="changed, damaged"):
        load(tmp_path / "model")


@pytest.mark.slow
def test_a_fit_whose_winner_remembers_ships_its_steps_and_needs_no_torch_for_them(tmp_path, monkeypatch):
    """From a table to `model.stream()`, in a process that may not import PyTorch."""
    monkeypatch.setattr(registry, "contenders_for_series", lambda: [Dummy(), RecurrentNetworks()])
    monkeypatch.setattr(sequence_family, "STEPS", 60)
    first = RecurrentNetworks.ladder
    monkeypatch.setattr(RecurrentNetworks, "ladder", lambda *asked: first(*asked)[:1])
    monkeypatch.setattr(RecurrentFamily, "portfolio", lambda *_: [RecurrentSettings(width=6, patch=3)])
    draw = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = draw.normal(size=(60, 2, 20)) + 2.0 * y[:, None, None]
    run = annvil.fit((X, y), channels=["a", "b"], out=tmp_path / "run", budget=300)
    assert run.model.stream().n_steps == 0
    np.save(tmp_path / "values.npy", X[:3].astype(np.float32))
    script = """
        import sys
        sys.modules["torch"] = None
        import numpy as np, annvil
        model, values = annvil.load(sys.argv[1]), np.load(sys.argv[2])
        stream = model.stream(3)
        for moment in values.transpose(2, 0, 1):
            outputs = stream.step(moment)
        rows = [dict(zip("ab", one.tolist())) for one in values]
        np.testing.assert_allclose(outputs, model.predict_proba(rows), rtol=0, atol=1e-5)
    """
    given = [str(run.folder / "model"), str(tmp_path / "values.npy")]
    done = subprocess.run([sys.executable, "-c", dedent(script), *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_steps_that_differ_from_the_whole_do_not_ship(monkeypatch):
    """As a state would that forgets: what is said at each step is of that step alone."""
    dataset, found = fitted(patch=4)
    form, task = dataset.inputs.form, dataset.task
    stepper = found.stepper()

    def forgets(graph, values, state):
        return stepper.write(graph, values, graph.op("Mul", state, graph.constant(np.float32(0))))

    for one, most in ((stepper, 1e-5), (replace(stepper, write=forgets), np.inf)):
        predictor = Predictor.from_graph(export(found, form, task), form, task, export_step(one, task))
        differs = step_difference(one, predictor, dataset)
        assert differs < most
    assert differs > 1e-3
