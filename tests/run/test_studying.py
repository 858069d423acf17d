"""A study of a finished run: asked from Python and from the command line, and seen in the report."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.budgets import fit_briefly
from typer.testing import CliRunner

from annvil.cli.app import app
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.studies import dense_and_convolutional
from annvil.kinds.pictures.studies.findings import DenseAndConvolutional, Finding
from annvil.run import studying
from annvil.run.folder import RunFolder, RunState
from annvil.run.request import FitRequest

FOUND = DenseAndConvolutional((Finding("structure", "Shuffled", "90% → 90%", "98% → 88%", "As theory has it."),))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    path, bunch = tmp_path_factory.mktemp("data") / "digits.npz", load_digits(n_class=2)
    np.savez(path, X=np.rint(bunch.images[:60] * 15).astype(np.uint8), y=bunch.target[:60])
    return path


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return fit_briefly(pictures, out=out)


@pytest.fixture
def asked(monkeypatch):
    """What the study was asked; it finds `FOUND`."""
    calls = []

    def study(found, folder, budget_seconds, tell, written):
        calls.append((found.dataset.n_rows, folder, budget_seconds))
        tell("Dense network on all pictures")
        written(FOUND.sections())
        return FOUND

    monkeypatch.setattr(dense_and_convolutional, "study_dense_and_convolutional", study)
    return calls


def test_the_report_shows_the_table_from_then_on(run, asked):
    found = run.study("dense-vs-cnn", budget="45s")
    assert found is FOUND
    assert asked == [(60, run.folder / "studies" / "dense-vs-cnn", 45.0)]
    assert "As theory has it." in run.report_path.read_text()


def test_the_command_prints_rows_or_json(run, asked):
    shown = CliRunner().invoke(app, ["compare", str(run.folder), "--study", "dense-vs-cnn", "--budget", "20s"])
    assert shown.exit_code == 0
    assert "As theory has it." in shown.output
    assert "98% → 88%" in shown.output
    machine = CliRunner().invoke(app, ["compare", str(run.folder), "--study", "dense-vs-cnn", "--json", "-q"])
    assert json.loads(machine.stdout)["findings"][0]["key"] == "structure"


def test_what_cannot_be_compared_is_refused(run, pictures, asked):
    refused = CliRunner().invoke(app, ["compare", str(run.folder)])
    assert refused.exit_code == 2
    assert "--study dense-vs-cnn" in refused.output
    with pytest.raises(RequestError, match="at least 10 s"):
        run.study("dense-vs-cnn", "3s")
    kept = pictures.read_bytes()
    try:
        np.savez(pictures, X=np.zeros((60, 8, 8), np.uint8), y=np.arange(60) % 2)
        with pytest.raises(DataError, match="has changed since"):
            run.study("dense-vs-cnn", "20s")
    finally:
        pictures.write_bytes(kept)


def test_a_run_of_a_table_and_one_that_is_not_finished_are_refused(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_request(FitRequest(data="sample:iris"))
    folder.write_state(RunState("finished", "finished", 1.0, 0.0))
    with pytest.raises(RequestError, match="is about a table"):
        studying.study(tmp_path, "dense-vs-cnn", "20s")
    folder.write_state(RunState("interrupted", "stopped", 1.0, 0.0))
    with pytest.raises(RequestError, match="annvil resume"):
        studying.study(tmp_path, "dense-vs-cnn", "20s")


def test_an_unknown_study_is_refused_before_the_data_are_read(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_request(FitRequest(data=str(tmp_path / "gone.npz"), kind="pictures"))
    folder.write_state(RunState("finished", "finished", 1.0, 0.0))
    with pytest.raises(RequestError, match=r"no study 'dense-vs-cn'.* Did you mean 'dense-vs-cnn'"):
        studying.study(tmp_path, "dense-vs-cn", "20s")
    with pytest.raises(RequestError, match="at least 10 s"):
        studying.study(tmp_path, "dense-vs-cnn", "3s")
