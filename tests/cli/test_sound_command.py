"""From a folder of clips to words of new ones: fit, bundle, predict, on the command line and from Python."""

import csv
import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest
from tests.budgets import fit_briefly
from tests.kinds.sound.made import tone, words, write_wav
from typer.testing import CliRunner

import annvil
from annvil.cli.app import app
from annvil.comparison import Store
from annvil.kinds.sound.listening import calibration, detecting, listen
from annvil.kinds.sound.listening.held_out import held_out_of, keep_held_out
from annvil.kinds.sound.reading.decoding import decode

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


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory):
    """A tone that rises, one that falls and one that rises, at 1.0, 2.5 and 4.0 s, in quiet noise."""
    samples = 0.001 * np.random.default_rng(0).normal(size=6 * 8000)
    for at, slope in ((1.0, 1.0), (2.5, -1.0), (4.0, 1.0)):
        sound = tone(450, 0.3, 8000, slope=slope)
        samples[int(at * 8000) :][: len(sound)] += sound
    path = tmp_path_factory.mktemp("long") / "long.wav"
    write_wav(path, samples, 8000)
    return path


def test_listening_writes_where_which_word_is_said(fitted, long_recording, tmp_path):
    run, _ = fitted
    out = tmp_path / "found.csv"
    told = RUN.invoke(app, ["listen", str(run.folder), str(long_recording), "-o", str(out), "--threshold", "0"])
    assert told.exit_code == 0, told.output
    lines = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [float(line["start"]) for line in lines] == pytest.approx([1.0, 2.5, 4.0], abs=0.1)
    assert [float(line["end"]) for line in lines] == pytest.approx([1.3, 2.8, 4.3], abs=0.1)
    model = annvil.load(run.folder / "model")
    cut = [tone(450, 0.3, 8000, slope=slope) for slope in (1.0, -1.0, 1.0)]
    alone = model.predict([{"samples": one.tolist(), "rate": 8000} for one in cut])
    assert [line["word"] for line in lines] == [str(word) for word in alone]
    assert "long.wav (0:06.00): 3 words found" in " ".join(told.stdout.split())


def test_the_threshold_comes_from_clips_that_the_first_fold_had_not_heard(fitted, long_recording, monkeypatch):
    run, clips = fitted
    kept = held_out_of(run.folder / "listening")
    assert kept is not None
    assert kept.grouped
    dataset = annvil.read(clips)
    contender = run.comparison.verdict.recommended
    rung = next(one.rung for one in run.comparison.standings if one.contender == contender) or 0
    rows, _ = Store(run.folder / "race").predictions(contender, "repeat-0-fold-0", rung)
    for one, row in zip(kept.clips, rows.tolist(), strict=True):
        np.testing.assert_allclose(one, dataset.inputs.one(row), atol=1e-4)
    np.testing.assert_array_equal(kept.y, dataset.y[rows])
    monkeypatch.setattr(calibration, "MADE_HOURS", 0.02)
    asked = ["listen", str(run.folder), str(long_recording), "--json", "--false-alarms-per-hour", "200"]
    first = RUN.invoke(app, asked)
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    peaks = json.loads(next((run.folder / "listening").glob("background-*.json")).read_text())
    assert sum(one >= told["threshold"] for one in peaks["peaks"]) <= 200 * peaks["seconds"] / 3600
    assert all(word["probability"] >= told["threshold"] for word in told["words"])
    said = " ".join(told["why"])
    assert "speakers whom that model had not heard" in said
    assert f"of {peaks['sounds']} made sounds" in said
    again = RUN.invoke(app, asked)
    assert json.loads(again.stdout) == told
    assert "measured once" not in again.stderr


def test_what_was_measured_of_an_earlier_model_goes_when_a_run_goes_on(tmp_path):
    (tmp_path / "listening").mkdir()
    (tmp_path / "listening" / "background-400.json").write_text("{}")
    task, verdict = SimpleNamespace(one_class_a_row=False), SimpleNamespace(recommended="dummy")
    store = SimpleNamespace(graph=lambda contender, rung: b"")
    keep_held_out(
        SimpleNamespace(
            folder=tmp_path,
            dataset=SimpleNamespace(task=task),
            comparison=SimpleNamespace(verdict=verdict),
            rung=lambda contender: 0,
            store=store,
        )
    )
    assert not (tmp_path / "listening").exists()


def test_what_cannot_be_listened_to_is_a_sentence(fitted, long_recording, tmp_path):
    run, _ = fitted
    (tmp_path / "text.wav").write_text("hello")
    write_wav(tmp_path / "short.wav", tone(400, 0.02, 8000), 8000)
    write_wav(tmp_path / "still.wav", np.zeros(80_000), 8000)
    alone = tmp_path / "alone"
    shutil.copytree(run.folder / "model", alone)
    model, long = str(run.folder), str(long_recording)
    cases = {
        ("runs/nothing-9", long): "There is no run or saved model 'runs/nothing-9'.",
        (str(alone), long): "no held-out clips beside it. Give --threshold",
        (model, str(tmp_path / "no.wav")): "There is no recording",
        (model, str(tmp_path / "text.wav")): "text.wav is no sound that can be decoded",
        (model, str(tmp_path / "short.wav"), "--threshold", "0.5"): "less than a clip",
        (model, long, "--threshold", "2"): "threshold is a probability from 0 to 1; got 2.",
        (model, long, "--false-alarms-per-hour", "-1"): "false_alarms_per_hour is 0 or more; got -1.",
        (model, long, "--hop", "soon"): "hop is a time, such as 100ms or 0.05s; got 'soon'.",
        (model, long, "--hop", "9s"): "hop is a time up to a usual clip's",
        (model, long, "--background", str(tmp_path / "still.wav")): "Nothing stands out in the background",
        (model, long, "-o", long): "would be overwritten",
        (model, long, "--microphone"): "not both",
        (model,): "Name a recording to listen to, or give --microphone",
        (model, long, "--seconds", "3"): "recordings are heard whole",
    }
    for asked, said in cases.items():
        told = RUN.invoke(app, ["listen", *asked])
        assert told.exit_code == 2, (asked, told.output)
        assert said in " ".join(told.output.split()), asked
        assert "Traceback" not in told.output
    assert RUN.invoke(app, ["listen", str(alone), long, "--threshold", "0.5"]).exit_code == 0


def test_listening_from_python_takes_an_array_and_says_what_the_command_says(fitted, long_recording):
    run, _ = fitted
    by_path = listen(run.folder, long_recording, threshold=0.0)
    samples = decode(long_recording.read_bytes()).samples[:, 0]
    by_array = listen(run.folder / "model", samples, rate=8000, threshold=0.0)
    assert by_array.words == by_path.words
    assert by_array.seconds == 6
    with pytest.raises(annvil.errors.RequestError, match="needs its rate"):
        listen(run.folder, samples, threshold=0.0)
    with pytest.raises(annvil.errors.RequestError, match="from -1 to 1"):
        listen(run.folder, samples * 99, rate=8000, threshold=0.0)


@pytest.mark.parametrize(
    ("kind", "one_class", "said"),
    [("table", True, "is not about sound"), ("sound", False, "does not say a word, or one class, of each clip")],
)
def test_a_model_of_something_else_hears_nothing(kind, one_class, said, tmp_path, long_recording, monkeypatch):
    other = SimpleNamespace(form=SimpleNamespace(kind=kind), task=SimpleNamespace(one_class_a_row=one_class))
    monkeypatch.setattr(detecting, "load", lambda path: other)
    told = RUN.invoke(app, ["listen", str(tmp_path), str(long_recording)])
    assert told.exit_code == 2
    assert said in " ".join(told.output.split())
