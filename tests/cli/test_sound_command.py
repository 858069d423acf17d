"""From a folder of clips to words of new ones: fit, bundle, predict, on the command line and from Python."""

import csv
import io
import json

import numpy as np
import onnxruntime as ort
import pytest
from tests.budgets import fit_briefly
from tests.kinds.sound.made import tone, words, write_wav
from typer.testing import CliRunner

import annvil
from annvil.cli.app import app

RUN = CliRunner()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    clips = words(folder / "clips", speakers=("ann", "bob", "cem"), takes=5, rate=4000)
    run = fit_briefly(clips, out=str(folder / "runs"), least=20.0)
    return run, clips


def test_predicting_names_files_and_tells_of_strange_ones(fitted, tmp_path):
    run, clips = fitted
    write_wav(tmp_path / "long.wav", tone(400, 3.0, 8000), 8000)
    found = RUN.invoke(app, ["predict", str(run.folder), str(clips / "up" / "ann_0.wav"), str(tmp_path / "long.wav")])
    assert found.exit_code == 0, found.output
    lines = list(csv.DictReader(io.StringIO(found.stdout)))
    assert [line["clip"].rsplit("/", 1)[-1] for line in lines] == ["ann_0.wav", "long.wav"]
    for line in lines:
        assert float(line["probability_up"]) + float(line["probability_down"]) == pytest.approx(1, abs=1e-6)
    assert "much longer than those of the training" in " ".join(found.stderr.split())
    keep = RUN.invoke(app, ["predict", str(run.folder), str(clips), "--keep"])
    assert keep.exit_code == 2
    assert "Clips have no columns to keep" in " ".join(keep.output.split())


def test_a_file_that_cannot_be_read_is_a_sentence(fitted, tmp_path):
    run, _ = fitted
    (tmp_path / "x.wav").write_bytes(b"RIFF....WAVEfmt ")
    found = RUN.invoke(app, ["predict", str(run.folder), str(tmp_path / "x.wav")])
    assert found.exit_code == 2
    assert "x.wav is a wave file without a header" in " ".join(found.output.split())


def test_the_graph_takes_samples_and_lengths_and_says_what_the_run_says(fitted):
    run, clips = fitted
    predictor = annvil.load(run.folder / "model")
    inputs = predictor.conform(clips).inputs
    session = ort.InferenceSession(next((run.folder / "model").glob("*.onnx")).read_bytes())
    assert [one.name for one in session.get_inputs()] == ["samples", "lengths"]
    for row in (0, 7, 29):
        one = session.run(None, inputs.take(np.array([row])).feeds())[0]
        np.testing.assert_allclose(one, predictor.predict_proba(clips)[row : row + 1], atol=1e-4)


def test_the_run_keeps_who_speaks_and_what_was_asked(fitted):
    run, _ = fitted
    told = json.dumps(run.to_json())
    assert "sound" in told
    request = json.loads((run.folder / "request.json").read_text())
    assert request["kind"] == "sound"
