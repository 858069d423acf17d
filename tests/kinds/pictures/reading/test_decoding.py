from __future__ import annotations

import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image
from tests.pictures import drawn, encoded, header_only

from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading.decoding import FORMATS, MODES, Broken, decode_bytes, grey, scaled

COLOUR = PictureForm(12, 12, 3)
GREY = PictureForm(12, 12, 1)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_pixels_that_were_saved(form):
    pixels = drawn(1)
    found, facts = decode_bytes(encoded(pixels, form), COLOUR)
    assert np.array_equal(found, pixels)
    assert FORMATS[facts["format"]] == form
    assert (facts["height"], facts["width"], bool(facts["coloured"])) == (12, 12, True)


@pytest.mark.parametrize(("form", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"quality": 95})])
def test_lossy_formats_are_decoded_as_pillow_decodes_them(form, options):
    content = encoded(drawn(1), form, **options)
    found, _ = decode_bytes(content, COLOUR)
    assert np.array_equal(found, np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))


def test_the_first_frame_of_an_animation_counts():
    frames = [Image.fromarray(drawn(seed, channels=1)) for seed in range(3)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=100)
    found, facts = decode_bytes(stream.getvalue(), GREY)
    assert facts["animated"]
    assert np.abs(found[..., 0].astype(int) - drawn(0, channels=1)).max() <= 1  # through a palette of 256 greys


def test_palettes_with_and_without_transparency():
    picture = Image.fromarray(drawn(2)).quantize(16)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    found, facts = decode_bytes(stream.getvalue(), COLOUR)
    assert MODES[facts["mode"]] == "P"
    assert np.array_equal(found, np.asarray(picture.convert("RGB")))

    stream = io.BytesIO()
    picture.save(stream, "PNG", transparency=0)
    found, facts = decode_bytes(stream.getvalue(), COLOUR)
    assert facts["transparent"]
    assert (found[np.asarray(picture) == 0] == 255).all()
    assert np.array_equal(found[np.asarray(picture) > 0], np.asarray(picture.convert("RGB"))[np.asarray(picture) > 0])


def test_transparent_parts_are_white_and_half_transparent_ones_half():
    pixels = np.zeros((12, 12, 4), dtype=np.uint8)
    pixels[:6, :, 3] = 255
    pixels[6:9, :, 3] = 51  # a fifth of black on white: 204
    found, _ = decode_bytes(encoded(pixels), COLOUR)
    assert [int(found[row, 0, 0]) for row in (0, 7, 11)] == [0, 204, 255]


def test_grey_with_transparency_stays_grey():
    pixels = np.zeros((12, 12, 2), dtype=np.uint8)
    pixels[:, :, 0], pixels[:6, :, 1] = 100, 255
    stream = io.BytesIO()
    Image.fromarray(pixels, "LA").save(stream, "PNG")
    found, facts = decode_bytes(stream.getvalue(), GREY)
    assert [int(found[0, 0, 0]), int(found[11, 0, 0])] == [100, 255]
    assert not facts["coloured"]


def test_cmyk_becomes_colour():
    content = io.BytesIO()
    Image.fromarray(drawn(3)).convert("CMYK").save(content, "JPEG", quality=98)
    found, facts = decode_bytes(content.getvalue(), COLOUR)
    assert MODES[facts["mode"]] == "CMYK"
    assert np.abs(found.astype(int) - drawn(3)).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(drawn(4, 16, 24), "PNG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    form = PictureForm(upright.height, upright.width, 3)
    found, facts = decode_bytes(content, form)
    assert np.array_equal(found, np.asarray(upright))
    assert (facts["height"], facts["width"]) == (upright.height, upright.width)


def test_a_large_turned_jpeg_keeps_its_shape():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(drawn(4, 300, 600), "JPEG", exif=exif)
    found, facts = decode_bytes(content, PictureForm(60, 30, 3))
    expected = Image.fromarray(drawn(4, 300, 600)).transpose(Image.Transpose.ROTATE_270).resize((30, 60))
    assert (facts["height"], facts["width"]) == (600, 300)
    assert np.abs(found.astype(int) - np.asarray(expected)).mean() < 4


def test_sixteen_bits_are_scaled_by_the_range_of_the_form():
    values = np.linspace(1000, 3000, 144).reshape(12, 12).astype(np.uint16)
    content = encoded(values)
    found, facts = decode_bytes(content, PictureForm(12, 12, 1, low=1000, high=3000))
    assert facts["deep"]
    assert np.array_equal(found[..., 0], np.rint((values - 1000.0) * 255 / 2000))
    clipped, _ = decode_bytes(content, PictureForm(12, 12, 1, low=2000, high=2001))
    assert set(np.unique(clipped)) <= {0, 255}
    full, _ = decode_bytes(content, GREY)
    assert full.max() == round(3000 / 65535 * 255)


def test_scaled_knows_every_type():
    assert scaled(np.array([[True, False]]), GREY).tolist() == [[255, 0]]
    assert scaled(np.array([[np.nan, 1.0, 3.0]]), GREY).tolist() == [[0, 0, 255]]
    assert scaled(np.array([[7.0, 7.0]]), GREY).tolist() == [[0, 0]]
    assert scaled(np.array([[0, 2**16 - 1]], dtype=np.uint16), GREY).tolist() == [[0, 255]]


def test_grey_is_what_pillow_calls_grey():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 50, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(pixels).convert("L"))
    assert np.array_equal(grey(pixels)[..., 0], expected)


def test_padding_keeps_the_aspect_and_takes_the_colour_of_the_border():
    pixels = np.full((10, 20, 3), 200, dtype=np.uint8)
    pixels[4:6, 8:12] = 0
    found, _ = decode_bytes(encoded(pixels), PictureForm(20, 20, 3))
    assert (found[:5] == 200).all()
    assert (found[15:] == 200).all()
    assert np.array_equal(found[5:15], pixels)


def test_cropping_takes_the_middle():
    pixels = np.zeros((10, 20, 3), dtype=np.uint8)
    pixels[:, 5:15] = 255
    found, _ = decode_bytes(encoded(pixels), PictureForm(10, 10, 3, "crop"))
    assert (found == 255).all()


def test_one_pixel_is_enlarged():
    found, facts = decode_bytes(encoded(np.array([[[9, 99, 199]]], dtype=np.uint8)), COLOUR)
    assert (found == [9, 99, 199]).all()
    assert (facts["height"], facts["width"]) == (1, 1)


def broken_files():
    whole = encoded(drawn(5, 64, 64), "PNG")
    yield b"", "is empty (0 bytes)"
    yield whole[: len(whole) // 2], "is damaged: image file is truncated"
    yield b"Dear diary,\nno picture today.\n", "holds text, not a picture"
    yield b"\x00\x01\x02\x03" * 50, "is not a PNG, JPEG"
    yield b"\x89PNG\r\n\x1a\n", ""
    yield header_only(20_000, 20_000), "has 400 million pixels by its header"
    yield header_only(10_000, 10_000), "has 100 million pixels by its header"
    yield encoded(drawn(5, 64, 64), "JPEG")[:600], ""
    yield b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "holds text"  # would start Ghostscript


@pytest.mark.parametrize(("content", "reason"), list(broken_files()))
def test_what_is_no_picture_is_named_so(content, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Broken) as caught:
            decode_bytes(content, COLOUR)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pillow_prints_nothing(tmp_path):
    """Its log goes to the error stream where nobody has set up logging, so this is tried in a process of its own."""
    content = bytearray(encoded(drawn(1), "TIFF"))
    at = content.index(b"\x15\x01\x03\x00")  # SamplesPerPixel
    content[at + 8] = 236
    (tmp_path / "odd.tif").write_bytes(content)
    program = (
        "import sys\nfrom annvil.kinds.pictures import form\nfrom annvil.kinds.pictures.reading import decoding\n"
        "try: decoding.decode_bytes(open(sys.argv[1], 'rb').read(), form.PictureForm(9, 9, 3))\n"
        "except decoding.Broken: print('broken')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "odd.tif")], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("broken\n", "")


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(Broken):
        decode_bytes(header_only(20_000, 20_000), COLOUR)


def test_equal_pixels_have_equal_digests():
    pixels = drawn(6)
    _, png = decode_bytes(encoded(pixels, "PNG"), COLOUR)
    _, bmp = decode_bytes(encoded(pixels, "BMP"), COLOUR)
    _, other = decode_bytes(encoded(drawn(7), "PNG"), COLOUR)
    assert png["digest"] == bmp["digest"] != other["digest"]
