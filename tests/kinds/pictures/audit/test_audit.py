from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import drawn, encoded, folder_of

from annvil.data.storage import load_dataset, save_dataset
from annvil.kinds.registry import audit, read

needs_data = pytest.mark.skipif("ANNVIL_DATA" not in os.environ, reason="ANNVIL_DATA is not set")


def found(dataset):
    return {finding.kind: finding for finding in audit(dataset)}


def test_plain_pictures_are_only_few(tmp_path):
    assert set(found(read(folder_of(tmp_path, {"cat": 40, "dog": 40})))) == {"few pictures"}


def test_left_out_files_are_listed(tmp_path):
    folder_of(tmp_path, {"cat": 20, "dog": 20})
    (tmp_path / "cat" / "zero.png").touch()
    finding = found(read(tmp_path))["files left out"]
    assert "cat/zero.png is empty (0 bytes)" in finding.which


def test_classes_with_few_pictures_and_imbalance(tmp_path):
    kinds = found(read(folder_of(tmp_path, {"cat": 40, "dog": 5, "emu": 2})))
    assert "'dog' (5) and 'emu' (2)" in kinds["few pictures per class"].what
    assert kinds["few pictures per class"].severity == "serious"
    assert "'emu' has 2 of 47" in kinds["imbalance"].what


def test_copies_and_contradictions(tmp_path):
    folder_of(tmp_path, {"cat": 30, "dog": 30})
    copy = (tmp_path / "cat" / "0.png").read_bytes()
    (tmp_path / "cat" / "copy.png").write_bytes(copy)
    (tmp_path / "dog" / "copy.png").write_bytes(copy)
    dataset = read(tmp_path)
    kinds = found(dataset)
    assert "2 pictures are an exact copy" in kinds["near-duplicates"].what
    assert "3 pictures show the same" in kinds["contradicting pictures"].what
    assert "'dog/copy.png' is 'dog'" in kinds["contradicting pictures"].which
    at = [dataset.inputs.names().index(name) for name in ("cat/0.png", "cat/copy.png", "dog/copy.png")]
    assert len(set(dataset.groups[at].tolist())) == 1


def test_names_of_files_are_told_apart_from_what_a_report_keeps(tmp_path):
    """They are often those of persons; whoever has the pictures is told which they are."""
    for part, seed in (("train", 0), ("test", 100)):
        folder_of(tmp_path / part, {"cat": 20, "dog": 20}, seed=seed)
    for path in sorted(tmp_path.rglob("*.png")):
        path.rename(path.with_name(f"Kalomine Ruso {path.name}"))
    train = tmp_path / "train"
    copy = (train / "cat" / "Kalomine Ruso 0.png").read_bytes()
    for folder in (train / "cat", train / "dog", tmp_path / "test" / "cat"):
        (folder / "Kalomine Ruso, again.png").write_bytes(copy)
    (train / "cat" / "Kalomine Ruso, broken.png").touch()
    Image.new("RGB", (16, 16), "red").save(train / "dog" / "Kalomine Ruso, red.png")
    dataset = read(tmp_path)
    named = {kind: finding for kind, finding in found(dataset).items() if finding.which}
    assert {"files left out", "near-duplicates", "contradicting pictures", "blank pictures"} <= set(named)
    assert "test pictures seen in training" in named
    for finding in named.values():
        assert "Kalomine" in finding.which
        assert "Kalomine" not in finding.what + finding.action
    assert "Kalomine" not in repr((dataset.notes, dataset.source.details))


def test_test_pictures_seen_in_training(tmp_path):
    folder_of(tmp_path / "train", {"cat": 20, "dog": 20})
    folder_of(tmp_path / "test", {"cat": 5, "dog": 5}, seed=100)
    (tmp_path / "test" / "cat" / "seen.png").write_bytes((tmp_path / "train" / "cat" / "3.png").read_bytes())
    near = Image.open(tmp_path / "train" / "dog" / "25.png")
    near.point(lambda value: value * 0.9 + 9).save(tmp_path / "test" / "dog" / "near.png")
    finding = found(read(tmp_path))["test pictures seen in training"]
    assert finding.what.startswith("2 pictures of the official test (17%; 1 exact)")
    assert finding.severity == "serious"


def test_groups_on_both_sides_of_the_official_test(tmp_path):
    rows = ["path,label,split,patient"]
    for row in range(40):
        (tmp_path / f"{row}.png").write_bytes(encoded(drawn(row)))
        rows.append(f"{row}.png,{'ab'[row % 2]},{'test' if row < 6 else 'train'},{row % 10}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    assert (
        "6 test pictures" in found(read(tmp_path, groups="patient"))["groups on both sides of the official test"].what
    )


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("size", "the median width is 36 for 'b' and 30 for 'a'"),
        ("format", "the format is 'BMP' for 100% of 'b' and 0% of 'a'"),
        ("mode", "the colour mode is 'L' for 100% of 'b' and 0% of 'a'"),
        ("exif", "the camera data is 'no' for 100% of 'a' and 0% of 'b'"),
        ("quality", "the median step of JPEG quantisation is"),
    ],
)
def test_files_that_give_the_answer_away(tmp_path, mark, said):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    for row in range(120):
        label = row % 2
        folder = tmp_path / "ab"[label]
        folder.mkdir(exist_ok=True)
        side = 30 + 6 * label * (mark == "size")
        picture = Image.fromarray(drawn(row, 30, side))
        kind = ("PNG", "BMP")[label] if mark == "format" else "JPEG" if mark == "quality" else "PNG"
        if mark == "mode" and label:
            picture = picture.convert("L")
        options = {"exif": exif} if mark == "exif" and label else {}
        options |= {"quality": 90 - 20 * label} if mark == "quality" else {}
        picture.save(folder / f"{row}.{kind.lower()}", kind, **options)
    finding = found(read(tmp_path))["the file gives the answer away"]
    assert finding.severity == "serious"
    assert "ROC AUC of 1.00" in finding.what or "ROC AUC of 0.99" in finding.what
    assert said in finding.what


def test_files_that_tell_some_of_it_are_serious_too(tmp_path):
    """Two scanners, one of which took most pictures of one class: the files alone reach an area of 0.75."""
    for row in range(240):
        label, folder = row % 2, tmp_path / "ab"[row % 2]
        folder.mkdir(exist_ok=True)
        wide = (row // 2) % 4 != 0 if label else (row // 2) % 4 == 0
        Image.fromarray(drawn(row, 20, 30 if wide else 24)).save(folder / f"{row}.png")
    finding = found(read(tmp_path))["the file gives the answer away"]
    assert finding.severity == "serious"
    assert "ROC AUC of 0.7" in finding.what


def test_drawings_whose_files_are_larger_are_no_finding(tmp_path):
    """A busy picture needs more bytes than a plain one: that is content."""
    for row in range(120):
        (tmp_path / "ab"[row % 2]).mkdir(exist_ok=True)
        pixels = drawn(row, 20, 20) if row % 2 else drawn(row, 20, 20) // 100 * 100
        (tmp_path / "ab"[row % 2] / f"{row}.png").write_bytes(encoded(pixels))
    assert "the file gives the answer away" not in found(read(tmp_path))


def test_files_that_differ_by_chance_are_no_finding(tmp_path):
    """Few pictures may look as if their sizes told the class; then it takes more than the look of it."""
    for seed in range(4):
        generator = np.random.default_rng(seed)
        n, root = (120, 40)[seed % 2], tmp_path / str(seed)
        for row in range(n):
            folder = root / "ab"[row % 2]
            folder.mkdir(exist_ok=True, parents=True)
            height, width = generator.integers(20, 60, 2)
            (folder / f"{row}.png").write_bytes(encoded(drawn(row, height, width)))
        assert "the file gives the answer away" not in found(read(root, size=4)), seed


def test_pictures_that_are_all_the_same_can_be_audited():
    kinds = found(read((np.zeros((60, 5, 5), dtype=np.uint8), np.arange(60) % 2)))
    assert {"near-duplicates", "contradicting pictures", "blank pictures"} <= set(kinds)


def test_brightness_that_tells_the_answer():
    X = np.stack([drawn(row, 20, 20) // (1 + row % 2) for row in range(200)])
    finding = found(read((X, np.arange(200) % 2)))["brightness and border tell the answer"]
    assert finding.severity == "info"


def test_blank_pictures(tmp_path):
    folder_of(tmp_path, {"cat": 30, "dog": 30})
    (tmp_path / "cat" / "black.png").write_bytes(encoded(np.zeros((12, 12, 3), dtype=np.uint8)))
    assert "1 picture show" in found(read(tmp_path))["blank pictures"].what.replace("shows", "show")


@pytest.mark.parametrize("kind", ["regression", "multilabel"])
def test_other_tasks_are_audited(kind):
    X = np.stack([drawn(row) for row in range(60)])
    y = X.mean(axis=(1, 2, 3)) if kind == "regression" else np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]] * 20)
    dataset = read((X, y))
    assert dataset.task.kind == kind
    assert "few pictures" in found(dataset)


def test_pictures_from_memory_are_kept_for_a_resumed_run(tmp_path):
    X = np.stack([drawn(row) for row in range(40)])
    dataset = read((X, np.arange(40) % 2))
    save_dataset(dataset, tmp_path / "data.safetensors")
    again = load_dataset(tmp_path / "data.safetensors")
    assert again.inputs.digest() == dataset.inputs.digest()
    assert again.inputs.names() == dataset.inputs.names()
    assert (again.source, again.task, again.notes) == (dataset.source, dataset.task, dataset.notes)
    assert np.array_equal(again.groups, dataset.groups)
    assert audit(again) == audit(dataset)


@needs_data
@pytest.mark.realdata
@pytest.mark.slow
def test_the_warnings_of_the_catalogue_are_found_again():
    dataset = read(Path(os.environ["ANNVIL_DATA"]) / "images" / "brain_mri_tumor.zip")
    kinds = found(dataset)
    assert kinds["near-duplicates"].what.startswith("25 pictures are an exact copy of another and 18 more")
    assert "the file gives the answer away" in kinds
