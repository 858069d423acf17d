"""Clips to predict go the way of those that were learnt from, however they come; what is unlike them is told."""

import json
import subprocess
import sys
import textwrap

import jsonschema
import numpy as np
import pytest
import soundfile
from tests.kinds.sound.made import tone, words, write_wav

import annvil
from annvil.errors import DataError, RequestError
from annvil.kinds.sound.form import SoundForm
from annvil.kinds.sound.seen import form_with_seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return words(tmp_path_factory.mktemp("words") / "clips")


@pytest.fixture(scope="module")
def learnt(folder):
    return annvil.read(folder).inputs


@pytest.fixture(scope="module")
def form(learnt):
    return form_with_seen(learnt)


def test_every_way_gives_the_same_samples(folder, learnt, form):
    row = learnt.names().index("up/cem_1.wav")
    path, truth = folder / "up" / "cem_1.wav", learnt.one(row)
    array, rate = soundfile.read(path, dtype="int16")
    floats = (array / 32768).tolist()
    ways = [str(path), path, [str(path)], [array], array, array / 32768, floats]
    ways += [{"samples": floats}, {"samples": floats, "rate": rate}, [{"samples": array}], learnt.take([row])]
    for way in ways:
        found = form.conform(way)
        np.testing.assert_allclose(found.inputs.one(0), truth, atol=1e-6)
        assert found.inputs.n_rows == 1
        assert found.notices == ()


def test_folders_and_lists_of_paths(folder, form):
    both = form.conform([str(folder / "up"), str(folder / "down" / "ann_0.wav")]).inputs
    assert both.n_rows == 13
    assert form.conform(folder).inputs.n_rows == 24
    with pytest.raises(RequestError, match="There is no file or folder"):
        form.conform(str(folder / "nowhere.wav"))


def test_another_rate_is_brought_to_that_of_the_model(form, tmp_path):
    write_wav(tmp_path / "a.wav", tone(500, 0.3, 44_100), 44_100)
    found = form.conform(str(tmp_path / "a.wav"))
    assert abs(int(found.inputs.lengths[0]) - 2400) <= 1
    assert "All 1" not in found.notices[0]
    assert "brought from 44,100 Hz to 8,000 Hz" in found.notices[0]
    slow = form.conform({"samples": tone(500, 0.3, 4000).tolist(), "rate": 4000}).inputs
    assert int(slow.lengths[0]) == 2400


def test_what_is_unlike_the_training_is_told(form):
    def told(sound, rate=8000):
        return " ".join(form.conform({"samples": np.clip(sound, -1, 1).tolist(), "rate": rate}).notices)

    assert told(tone(400, 0.3)) == ""
    assert "much longer than those of the training (0.33 s at most)" in told(tone(400, 2.0))
    assert "much shorter" in told(tone(400, 0.02))
    assert "silent: what the model says of it means nothing" in told(np.zeros(2000))
    assert "much quieter" in told(0.01 * tone(400, 0.3))
    assert "much louder" in told(np.sign(tone(400, 0.3))) or form.seen.loudest > -12
    assert "much duller than those of the training (which have sound up to" in told(tone(300, 0.3, 2000), 2000)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"rate": 8000}, "has no 'samples'"),
        ({"samples": [0.1], "sound": 1}, "'sound', which means nothing"),
        ({"samples": ["a"]}, "not numbers"),
        ({"samples": [[[1.0]]]}, "3 axes"),
        ({"samples": []}, "shape"),
        ({"samples": [0.1, 0.2], "rate": -5}, "rate is from"),
        ([], "no clips"),
    ],
)
def test_what_cannot_be_predicted_is_told(form, raw, said):
    with pytest.raises(DataError, match=said):
        form.conform(raw)


def test_what_the_schema_allows_is_taken(form):
    schema = form.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for one in ({"samples": [0.1, -1, 1]}, {"samples": [0], "rate": 48000}):
        jsonschema.validate(one, schema)
        assert form.conform(json.loads(json.dumps(one))).inputs.n_rows == 1
    for one in ({"samples": []}, {"samples": [2]}, {}, {"samples": [0.1], "rate": 10}, {"samples": [0.1], "x": 1}):
        assert list(jsonschema.Draft202012Validator(schema).iter_errors(one))


def test_a_form_that_contradicts_itself_is_refused():
    assert SoundForm(8000, 10, 20).check() is None
    assert "longer than its longest" in SoundForm(8000, 30, 20).check()


def test_wave_files_need_neither_torch_nor_a_library_of_sound(folder, form, tmp_path):
    write_wav(tmp_path / "a.wav", tone(500, 0.3, 44_100), 44_100)
    script = textwrap.dedent(
        f"""
        import sys
        for name in ("torch", "soundfile", "soxr", "sklearn", "scipy", "duckdb"):
            sys.modules[name] = None
        from annvil.kinds.sound.form import SoundForm
        found = SoundForm(8000, 2000, 2600).conform({str(tmp_path / "a.wav")!r})
        print(found.inputs.lengths[0], found.notices)
        try:
            SoundForm(8000, 2000, 2600).conform({str(tmp_path / "b.flac")!r})
        except Exception as error:
            print(error)
        """
    )
    soundfile.write(tmp_path / "b.flac", tone(500, 0.3), 8000)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("2400")
    assert "to 8,000 Hz by NumPy" in done.stdout
    assert "pip install 'annvil[sound]'" in done.stdout
