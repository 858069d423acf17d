"""Evidence in the bands that pad a picture: measured where the file's shape is known, told, and found in a report."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.kinds.pictures.explanation.conftest import UpperLeft

from annvil.bundle import export, save
from annvil.kinds.pictures.explanation.explain import explain_file
from annvil.kinds.pictures.explanation.galleries import where_it_looks
from annvil.kinds.pictures.explanation.padding import (
    InPadding,
    bands_filled,
    finding_of,
    in_padding,
    mirrored,
)
from annvil.kinds.pictures.explanation.saliency import Saliency
from annvil.kinds.pictures.explanation.subject import open_subject
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading.decoding import placed
from annvil.sections import read_sections, write_sections
from annvil.tasks.union import make_task

FORM = PictureForm(24, 24, 1)


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """A model that looks at the upper left 12 × 12 pixels alone: there are the bands of wide pictures."""
    path = tmp_path_factory.mktemp("padding") / "model"
    task = make_task("binary", "corner", ("dark", "light"))
    return open_subject(save(path, export(UpperLeft(), FORM, task), form=FORM, task=task))


def picture(height, width, light, ground=0):
    """Something light in the rows and columns given on a ground."""
    pixels = np.full((height, width), ground, np.uint8)
    pixels[light] = 250
    return pixels


@pytest.mark.parametrize("shape", [(24, 24), (48, 48), (12, 24), (24, 12), (7, 24), (100, 23), (1, 24), (50, 49)])
def test_the_bands_are_those_that_are_padded(shape, tmp_path):
    """Of a picture of noise whose border differs from all else: bands are plain, everything inside is not."""
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    images = FORM.conform(tmp_path / "a.png").inputs
    pixels = placed(Image.fromarray(noise), FORM)
    np.testing.assert_array_equal(images.pixels()[0], pixels)
    bands = images.padded(0)
    assert bands.mean() == pytest.approx(1 - min(shape) / max(shape), abs=0.07)
    if bands.any():
        assert len(np.unique(pixels[bands])) == 1
        inside = pixels[~bands]
        assert min(shape) == 1 or len(np.unique(inside)) > 1
    assert not PictureForm(24, 24, 1, "crop").conform(tmp_path / "a.png").inputs.padded(0).any()


def test_shares_by_hand():
    padded = np.zeros((28, 28), bool)
    padded[:7] = padded[-7:] = True
    values = np.zeros((28, 28))
    values[3, :] = 1  # in the band
    values[8, :] = 1  # at its edge: occlusion covers two pixels at a step
    values[14, :] = 2
    values[15, :] = -50
    found = in_padding(Saliency("occlusion", values), padded, False)
    assert found == InPadding(0.5, 18 / 28)
    assert not found.too_much
    assert in_padding(Saliency("occlusion", values), padded, True).evidence == pytest.approx(2 / 54)
    assert in_padding(Saliency("occlusion", -np.abs(values)), padded, False) is None
    assert in_padding(Saliency("occlusion", values), np.zeros_like(padded), False) is None


@pytest.mark.parametrize(
    ("evidence", "area", "too_much"),
    [(0.5, 0.2, True), (0.2, 0.2, False), (0.26, 0.2, True), (0.09, 0.01, False), (0.0, 0.0, False), (1.0, 0.5, True)],
)
def test_too_much_is_more_than_the_area_would_have(evidence, area, too_much):
    assert InPadding(evidence, area).too_much is too_much
    assert bool(finding_of([InPadding(evidence, area)] * 3, "occlusion", "y")) is too_much
    assert finding_of([InPadding(evidence, area)] * 2, "occlusion", "y") == ()


def test_a_model_that_reads_the_bands_is_told_of(subject, tmp_path):
    """The light rim of a wide picture makes the bands light, and the model looks at the band above alone."""
    pixels = np.zeros((8, 24), np.uint8)
    pixels[[0, -1]] = 250
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    found = explain_file(subject, tmp_path / "wide.png", label="light")
    assert found.padded.mean() == pytest.approx(2 / 3)
    (one,) = found.maps
    assert one.trusted, one.sentences()
    shares = found.in_padding(one)
    assert shares.evidence > 0.95
    assert shares.too_much
    assert "(75% of its area): the model reads the shape of the file." in " ".join(found.sentences())
    assert found.to_json()["maps"][0]["evidence_in_padding"] == shares.evidence


def test_one_that_looks_at_what_is_shown_is_not(subject, tmp_path):
    tall = picture(24, 20, np.s_[2:11, 4:9])
    Image.fromarray(tall).save(tmp_path / "tall.png")
    found = explain_file(subject, tmp_path / "tall.png", label="light")
    (one,) = found.maps
    assert one.trusted
    shares = found.in_padding(one)
    assert shares.evidence < shares.area
    assert "of what speaks for it lies in or at the bands that pad the picture" in " ".join(found.sentences())
    square = explain_file(subject, tall[:20], label="light")
    assert "bands" not in " ".join(square.sentences())


def test_a_report_finds_it_serious_and_keeps_it(subject, tmp_path):
    """Pictures whose first eight columns count as bands, most of the model's evidence in them."""
    pixels = np.stack([picture(24, 24, np.s_[1:12, 1:12])[..., None]] * 4)
    bands = np.zeros((24, 24), bool)
    bands[:, :8] = True
    section = where_it_looks(subject, pixels, ["light"] * 4, seen=False, padded=[bands] * 4)
    (finding,) = section.findings
    assert (finding.kind, finding.severity, finding.columns) == ("evidence in the padding", "serious", ("corner",))
    assert finding.what in section.sentences
    assert where_it_looks(subject, pixels, ["light"] * 4, seen=False).findings == ()
    write_sections(tmp_path, [section])
    assert read_sections(tmp_path)[0].findings == section.findings


def padded_pictures(seed, n=12, wide=True, tall=True):
    """Pictures of noise in a form that pads: of each the pixels and its bands."""
    rng, made = np.random.default_rng(seed), []
    for number in range(n):
        is_wide = wide and (number % 2 == 0 or not tall)
        size = (24 - int(rng.integers(4, 16)), 24)
        noise = rng.integers(40, 216, size if is_wide else size[::-1], dtype=np.uint8)
        bands = np.ones((24, 24), bool)
        first = (24 - size[0]) // 2
        place = (slice(first, first + size[0]), slice(None))
        bands[place if is_wide else place[::-1]] = False
        made.append((placed(Image.fromarray(noise), FORM), bands))
    return np.stack([one for one, _ in made]), [bands for _, bands in made]


@pytest.mark.parametrize("seed", range(5))
def test_bands_are_filled_with_the_picture_and_nothing_else_is(seed):
    pixels, bands = padded_pictures(seed)
    for one, band in zip(pixels, bands, strict=True):
        rows, columns = (np.flatnonzero(~band.all(axis=axis)) for axis in (1, 0))
        inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        filled = mirrored(one, *inside, band)
        np.testing.assert_array_equal(filled[inside], one[inside])
        widths = [(part.start, 24 - part.stop) for part in inside]
        expected = np.pad(one[inside], [*widths, (0, 0)], mode="symmetric")  # NumPy mirrors more than once, too
        np.testing.assert_array_equal(filled, expected)


def flat(values):
    """Of each picture how little it varies there: 1 where it is plain."""
    return 1 / (1 + values.reshape(len(values), -1).std(axis=1) / 8)


KNOWN = np.concatenate([padded_pictures(seed)[0][..., 0] for seed in range(3)])

READ = {
    "the corners": lambda x: flat(x[:, :3, :3].astype(float)),  # which are in the bands of all
    "whether it is wide": lambda x: 0.5 + 0.5 * (flat(x[:, :2].astype(float)) - flat(x[:, :, :2].astype(float))),
    "the middle": lambda x: flat(x[:, 9:15, 9:15].astype(float) / 40),
    "everything": lambda x: x.reshape(len(x), -1).mean(axis=1) / 255,
    "nothing": lambda x: np.full(len(x), 0.7),
    "whether it was changed": lambda x: np.where([(one == KNOWN).all(axis=(1, 2)).any() for one in x], 0.9, 0.1),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("what", list(READ))
def test_models_that_read_the_bands_are_found_and_no_others(what, seed):
    pixels, bands = padded_pictures(seed)

    def outputs(some):
        share = READ[what](some[..., 0])
        return np.column_stack([1 - share, share])

    found = bands_filled(pixels, bands, outputs, "y")
    assert bool(found) is (what in ("the corners", "whether it is wide"))
    assert not bands_filled(pixels, [np.zeros_like(band) for band in bands], outputs, "y")
    assert not bands_filled(pixels[:2], bands[:2], outputs, "y")
    if found:
        assert (found[0].kind, found[0].severity, found[0].columns) == ("evidence in the padding", "serious", ("y",))
        assert found[0].what.endswith("(mean of 12 pictures).")
