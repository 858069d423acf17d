"""Folders, archives, tables and arrays of clips → data sets; what cannot be used is told and left out."""

import io
import zipfile

import numpy as np
import pytest
import soundfile
from tests.kinds.sound.made import riff, tone, words, write_wav

import annvil
from annvil.data.storage import load_dataset, save_dataset
from annvil.errors import DataError, RequestError
from annvil.kinds.sound import clips_from_arrays
from annvil.kinds.sound.reading import decoded


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return words(tmp_path_factory.mktemp("words") / "clips")


def said(dataset):
    return " ".join(dataset.inputs.store.said)


def test_folders_are_words_and_names_say_who_speaks(folder):
    dataset = annvil.read(folder)
    assert dataset.task.classes == ("down", "up")
    assert (dataset.inputs.form.rate, dataset.n_rows, dataset.grouped) == (8000, 24, True)
    who = [name.split("/")[1].split("_")[0] for name in dataset.inputs.names()]
    assert len(set(zip(who, dataset.groups.tolist(), strict=True))) == len(set(who)) == 3
    assert dataset.inputs.store.speakers == ("ann", "bob", "cem")
    assert "says who speaks, as it seems: ann, bob and cem" in said(dataset)
    lengths = {int(0.25 * 8000), int(0.275 * 8000), int(0.3 * 8000), int(0.325 * 8000)}
    assert set(dataset.inputs.lengths.tolist()) == lengths
    row = dataset.inputs.names().index("up/bob_2.wav")
    theirs, _ = soundfile.read(folder / "up" / "bob_2.wav", dtype="float32")
    np.testing.assert_allclose(dataset.inputs.one(row), theirs - theirs.mean() * (abs(theirs.mean()) > 1e-3), atol=1e-6)


def test_the_same_in_an_archive_is_the_same(folder, tmp_path):
    path = tmp_path / "clips.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.wav")):
            archive.write(file, f"top/{file.relative_to(folder)}")
        archive.writestr("top/readme.md", "clips")
    packed, plain = annvil.read(path), annvil.read(folder)
    assert packed.inputs.digest() == plain.inputs.digest()
    assert packed.source.sha256 == plain.source.sha256
    np.testing.assert_array_equal(packed.y, plain.y)


def test_files_are_decoded_once(folder, monkeypatch):
    first = annvil.read(folder).inputs
    monkeypatch.setattr(decoded, "decode", lambda *_: pytest.fail("decoded again"))
    assert annvil.read(folder).inputs.digest() == first.digest()
    (folder / "up" / "ann_0.wav").touch()  # a file that may have changed
    with pytest.raises(pytest.fail.Exception):
        annvil.read(folder)


def test_a_table_in_an_archive_says_label_speaker_and_test(folder, tmp_path):
    path = tmp_path / "clips.zip"
    lines = ["path,label,speaker,split"]
    with zipfile.ZipFile(path, "w") as archive:
        for number, file in enumerate(sorted(folder.rglob("*.wav"))):
            archive.write(file, f"x/{number}.wav")
            part = "test" if "_0" in file.name and file.parent.name == "up" else "train"
            lines.append(f"x/{number}.wav,{file.parent.name},{file.name[:3]},{part}")
        archive.writestr("labels.csv", "\n".join(lines))
    dataset = annvil.read(path)
    assert (dataset.n_rows, dataset.official_test.n_rows, dataset.task.target) == (21, 3, "label")
    assert dataset.grouped
    assert set(dataset.groups) == set(dataset.official_test.groups)  # the speakers of the test are known
    assert "'speaker' says who speaks: 3 groups" in said(dataset)


def test_a_table_beside_its_files(folder, tmp_path):
    root = words(tmp_path / "all")
    files = sorted(root.rglob("*.wav"))
    table = tmp_path / "list.csv"
    table.write_text("file,pitch\n" + "".join(f"{f.relative_to(tmp_path)},{i / 7}\n" for i, f in enumerate(files)))
    dataset = annvil.read(table)
    assert (dataset.task.kind, dataset.n_rows, dataset.task.target) == ("regression", 24, "pitch")
    np.testing.assert_allclose(np.sort(dataset.y), np.arange(24) / 7)
    with pytest.raises(RequestError, match=r"has no column 'pich'\. Did you mean 'pitch'"):
        annvil.read(table, target="pich")


def test_paths_and_arrays_with_answers(folder):
    files = sorted(folder.rglob("*.wav"))
    labels = [file.parent.name for file in files]
    by_path = annvil.read((files, labels))
    assert by_path.n_rows == 24
    arrays = [soundfile.read(file, dtype="int16")[0] for file in files]
    dataset = annvil.read((arrays, labels), rate=8000)
    assert dataset.inputs.form.rate == 8000
    order = np.argsort([by_path.inputs.names().index(str(file)) for file in files])
    assert sorted(dataset.inputs.store.digests) == sorted(by_path.inputs.take(order).store.digests)
    faster = annvil.read((arrays, labels), rate=48_000)
    assert faster.inputs.form.rate == 16_000  # the most that is taken unless files are asked for more
    with pytest.raises(DataError, match="pass rate=16000"):
        clips_from_arrays(arrays)


def test_a_rate_may_be_asked_for(folder):
    dataset = annvil.read(folder, rate="4k")
    assert dataset.inputs.form.rate == 4000
    assert dataset.inputs.lengths.min() == 1000
    assert "24 clips are brought from 8,000 Hz to 4,000 Hz by soxr" in said(dataset)
    with pytest.raises(RequestError, match="rate is in samples a second"):
        annvil.read(folder, rate="fast")


def test_a_table_of_speakers(folder, tmp_path):
    table = tmp_path / "speakers.csv"
    table.write_text("path,speaker\n" + "".join(f"up/ann_{k}.wav,1\n" for k in range(4)) + "down/bob_1.wav,2\n")
    dataset = annvil.read(folder, groups=table)
    names = dataset.inputs.names()
    same = {int(dataset.groups[names.index(f"up/ann_{k}.wav")]) for k in range(4)}
    assert len(same) == 1
    assert len(set(dataset.groups.tolist())) == 21  # the others are a group each
    assert "19 clips that speakers.csv does not name make a group each" in said(dataset)
    table.write_text("path,speaker\nup/ann_0.wav,1\nup/ann_0.wav,2\nup/ann_1.wav,1\n")
    with pytest.raises(DataError, match=r"puts 'up/ann_0\.wav' into two groups"):
        annvil.read(folder, groups=table)


def test_broken_files_are_named_and_left_out(tmp_path):
    root = words(tmp_path / "clips", takes=5)
    (root / "up" / "bob_0.wav").write_bytes(b"")
    (root / "up" / "bob_1.wav").write_bytes(b"no sound at all, but a text")
    (root / "down" / "x.m4a").write_bytes(b"\0" * 100)
    dataset = annvil.read(root)
    assert dataset.n_rows == 28
    left = {one.name: one.reason for one in dataset.inputs.store.left_out}
    assert left["up/bob_0.wav"] == "is empty"
    assert left["up/bob_1.wav"].startswith("is no sound that can be decoded")
    assert left["down/x.m4a"] == "is a .m4a file, which is not decoded; convert it to wav"
    assert "3 files left out: up/bob_0.wav is empty, …." in said(dataset)


def test_a_source_of_which_most_files_are_broken_is_refused(tmp_path):
    root = words(tmp_path / "clips")
    for file in sorted(root.rglob("*.wav"))[:13]:
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(DataError, match=r"13 of the 24 sound files of clips cannot be used, more than half: down/"):
        annvil.read(root)


def test_what_was_made_of_unusual_files_is_told(tmp_path):
    root = words(tmp_path / "clips", speakers=("ann", "bob", "cem", "dee"))
    both = np.stack([tone(500, 0.3), -tone(500, 0.3)], axis=1)
    write_wav(root / "up" / "ann_0.wav", both)
    write_wav(root / "up" / "ann_1.wav", np.concatenate([np.zeros(2000), tone(500, 0.3)]))
    write_wav(root / "up" / "ann_2.wav", tone(500, 0.3) + 0.2)
    samples = (tone(500, 0.3) * 30000).astype("<i2").tobytes()
    (root / "up" / "ann_3.wav").write_bytes(riff(samples, size=0))
    told = said(annvil.read(root))
    assert "1 of 32 clips is of several channels: their mean is taken." in told
    assert "1 of 32 clips is of channels that cancel each other: the loudest is taken instead." in told
    assert "1 of 32 clips is padded with digital silence, 0.25 s on average, which is cut off." in told
    assert "1 of 32 clips is of another length than the header says: what is there is read." in told
    assert "around a value other than 0: the offset is taken away." in told


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: (root / "x.txt").write_text("x"), "holds"),
        (lambda root: write_wav(root / "a.wav", tone()), "nothing says what is heard"),
        (
            lambda root: [write_wav(root / "only" / f"{k}.wav", tone()) for k in range(25)],
            "nothing says|one class only",
        ),
        (lambda root: words(root, takes=1), "6 clips that can be used; at least 20 are needed"),
    ],
)
def test_what_cannot_be_learnt_from_is_told(tmp_path, make, said):
    root = tmp_path / "clips"
    root.mkdir()
    make(root)
    with pytest.raises(DataError, match=said):
        annvil.read(root)


def test_folders_for_training_and_testing(tmp_path):
    root = tmp_path / "set"
    words(root / "train")
    words(root / "test", takes=2)
    dataset = annvil.read(root)
    assert (dataset.n_rows, dataset.official_test.n_rows) == (24, 12)
    assert dataset.task.classes == ("down", "up")


def test_it_is_kept_and_read_back(folder, tmp_path):
    dataset = annvil.read(folder)
    save_dataset(dataset, tmp_path / "kept")
    again = load_dataset(tmp_path / "kept")
    assert again.inputs.digest() == dataset.inputs.digest()
    assert again.inputs.form == dataset.inputs.form
    assert again.inputs.store.speakers == dataset.inputs.store.speakers
    np.testing.assert_array_equal(again.inputs.facts, dataset.inputs.facts)


def test_a_mixture_of_containers_and_rates(tmp_path):
    root = words(tmp_path / "clips", takes=6)
    for kind, file in zip(("FLAC", "OGG", "MP3"), sorted(root.rglob("*_5.wav")), strict=False):
        stream = io.BytesIO()
        soundfile.write(stream, tone(500, 0.4, 44_100), 44_100, format=kind)
        file.unlink()
        file.with_suffix("." + kind.lower()).write_bytes(stream.getvalue())
    dataset = annvil.read(root)
    assert dataset.inputs.form.rate == 8000
    assert dataset.n_rows == 36
    assert sorted(set(dataset.inputs.facts["container"].tolist())) == [b"flac", b"mp3", b"ogg", b"wav"]
    assert "3 of 36 clips are brought from 44,100 Hz to 8,000 Hz" in said(dataset)
