"""Pictures from a folder to a verdict, a report and a model, with 8 × 8 digits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from tests.budgets import fit_briefly

import annvil
from annvil.comparison import Store
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.sections.predictions import _shrunk
from annvil.options import FitOptions, cleaned
from annvil.run.load import Decoding
from annvil.sections import read_sections


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.stages, self.notices, self.seen = [], [], None

    def read(self, dataset, findings):
        self.seen = dataset

    def stage(self, text):
        self.stages.append(text)

    def standings(self, standings, spent_seconds):
        pass

    def moment(self, moment):
        pass

    def notice(self, text):
        self.notices.append(text)

    def finished(self, run):
        pass


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Zeros, ones and sevens to learn from, and some more to test with."""
    root, bunch = tmp_path_factory.mktemp("pictures") / "photos", load_digits()
    for row in np.flatnonzero(np.isin(bunch.target[:500], (0, 1, 7))):
        folder = root / ("train" if row < 400 else "test") / f"digit {bunch.target[row]}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((bunch.images[row] * 15.9).astype(np.uint8)).save(folder / f"{row}.png")
    return root


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def run(photos, heard, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return fit_briefly(photos, least=16.0, size=8, out=out, listener=heard)


def test_a_folder_becomes_a_verdict_and_a_model(run, photos):
    assert run.verdict.recommended != "dummy"
    assert run.request.given == {"size": [8, 8]}  # as request.json holds it
    assert "--size 8x8" in run.request.command()
    sevens = sorted((photos / "test" / "digit 7").iterdir())
    assert np.mean(run.model.predict(sevens) == "digit 7") > 0.8


def test_the_test_pictures_of_the_source_are_scored_by_the_shipped_model(run, heard):
    test = heard.seen.official_test
    share = np.mean(run.model.predict(test.inputs) == np.array(test.task.classes)[test.y])
    (said,) = [notice for notice in run.comparison.notices if "kept apart" in notice]
    assert said in heard.notices
    assert said.startswith(f"On the {test.n_rows} test pictures kept apart by the source: accuracy {share:.3f} (95% ")
    assert said in run.report_path.read_text().replace("&#39;", "'")


def test_held_out_pictures_are_shown_with_what_was_said_of_them(run, heard):
    section = next(one for one in read_sections(run.folder / "sections") if one.key == "pictures-and-predictions")
    assert section.title == "Pictures and predictions"
    assert len(section.pictures) == 24
    rung = next(s.rung for s in run.comparison.standings if s.contender == run.verdict.recommended)
    rows, outputs = Store(run.folder / "race").predictions(run.verdict.recommended, "repeat-0-fold-0", rung)
    n_wrong = int((outputs.argmax(axis=1) != heard.seen.y[rows]).sum())
    assert sum(picture.flagged for picture in section.pictures) == min(n_wrong, 16)
    assert (f", {n_wrong} w" if n_wrong else "classified correctly") in section.sentences[0]
    assert 'class="picture' in run.report_path.read_text()
    assert str(run.folder.parent) not in run.report_path.read_text()  # nor any other section: whose machine it is


def test_what_the_model_looks_at_is_shown_and_can_be_asked(run, photos):
    keys = [one.key for one in read_sections(run.folder / "sections")]
    assert {"where-it-looks", "typical-pictures"} <= set(keys)
    assert "Where the model looks" in run.report_path.read_text()
    explanation = run.explain(next((photos / "test" / "digit 0").iterdir()), label="digit 7")
    assert explanation.label == "digit 7"
    assert explanation.maps[-1].saliency.title == "Occlusion"


def test_a_run_of_pictures_is_found_again(run, photos, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert annvil.open_run(run.folder).request.data == str(photos)
    assert annvil.resume(run.folder).verdict == run.verdict


def test_large_pictures_are_shrunk_to_be_shown():
    pixels = np.arange(300 * 200 * 3, dtype=np.uint32).reshape(300, 200, 3).astype(np.uint8)
    shown = _shrunk(pixels)
    assert shown.shape == (100, 66, 3)
    assert shown[0, 0, 0] == round(pixels[:3, :3, 0].mean())
    assert _shrunk(pixels[:50, :50]) is not None


def test_decoding_is_told_by_tenths_and_not_too_often(monkeypatch):
    clock = iter(np.arange(0.0, 100.0, 0.5))
    monkeypatch.setattr("annvil.run.load.time.monotonic", lambda: float(next(clock)))
    listener = Heard()
    progress = Decoding("pictures", listener)
    for done in range(100, 1001, 100):
        progress(done, 1000)
    assert listener.stages == [f"Decoding pictures: {n:,} of 1,000" for n in (200, 400, 600, 800, 1000)]


def test_groups_of_pictures_are_found_from_any_folder(photos, tmp_path, monkeypatch):
    def kept(groups):
        return cleaned(FitOptions, {"groups": groups}, "fit()").groups

    monkeypatch.chdir(tmp_path)
    Path("groups.csv").write_text("path,group\n")
    assert kept("groups.csv") == str(tmp_path / "groups.csv")
    assert kept("gone.csv") == "gone.csv"
    assert kept("patient") == "patient"


X = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        (
            (X, np.tile([[0, 1, 1], [1, 1, 0], [1, 0, 1], [0, 0, 0]], (10, 1))),
            {"metric": "accuracy"},
            RequestError,
            "does not score several labels at once",
        ),
        ((X, np.tile([0, 1], 20)), {"columns": ["a"]}, RequestError, "Pictures have no columns"),
        ((X, np.tile([0, 1], 20)), {"size": 0}, RequestError, "from 1 to 4096"),
        ("sample:iris", {"size": 8}, RequestError, "is a table"),
        ("nowhere/photos", {"target": "y"}, (RequestError, DataError), "photos"),
    ],
)
def test_what_cannot_be_done_with_pictures_leaves_nothing_behind(tmp_path, data, options, error, message):
    with pytest.raises(error, match=message):
        annvil.fit(data, out=tmp_path / "runs", budget="10s", **options)
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def tagged(tmp_path_factory) -> Path:
    """Two digits side by side, with a table that lists which are there."""
    root, bunch = tmp_path_factory.mktemp("tagged"), load_digits()
    rng = np.random.default_rng(0)
    zeros, ones = (np.flatnonzero(bunch.target == digit) for digit in (0, 1))
    lines = ["path,what,split"]
    for number in range(150):
        there = rng.random(2) < (0.5, 0.3)
        halves = [
            bunch.images[rng.choice(rows)] if is_there else np.zeros((8, 8))
            for rows, is_there in zip((zeros, ones), there, strict=True)
        ]
        pixels = np.concatenate(halves, axis=1) + rng.uniform(0, 0.9, (8, 16))
        Image.fromarray((pixels * 15).astype(np.uint8)).save(root / f"{number}.png")
        names = "|".join(name for name, is_there in zip(("zero", "one"), there, strict=True) if is_there)
        if names:
            lines.append(f"{number}.png,{names},{'test' if number % 5 == 0 else 'train'}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def run_of_labels(tagged, tmp_path_factory):
    out, labels = tmp_path_factory.mktemp("runs"), tagged / "labels.csv"
    return fit_briefly(labels, target="what", least=9.0, out=out)


def test_several_labels_become_a_verdict_and_a_model(run_of_labels, tagged):
    run = run_of_labels
    assert run.comparison.metric == "average_precision"
    best = run.scores[0]
    assert best["average_precision"] > 0.9
    assert {"roc_auc", "micro_f1", "subset_accuracy", "hamming_loss"} <= best.keys()
    task, threshold = run.model.task, run.model.manifest.info.threshold
    assert (task.kind, task.classes) == ("multilabel", ("one", "zero"))
    assert len(threshold) == 2
    said = run.model.predict([tagged / f"{number}.png" for number in range(20)])
    assert said.shape == (20, 2)
    page = run.report_path.read_text()
    assert "All labels are right for" in page
    assert "Errors of the recommended model" in page


def test_labels_of_held_out_pictures_are_shown(run_of_labels):
    sections = read_sections(run_of_labels.folder / "sections")
    (section,) = [one for one in sections if one.key == "pictures-and-predictions"]
    captions = [picture.caption for picture in section.pictures]
    assert all(
        ("missed" in c or "wrongly said" in c) == p.flagged for c, p in zip(captions, section.pictures, strict=True)
    )
    assert any(caption.startswith("one, zero") for caption in captions) or len(captions) < 24
