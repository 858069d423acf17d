"""Pictures unlike the training pictures are told of, by the saved model alone; pictures like them are not."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from tests.pictures import drawn

from annvil.bundle import InputNotice, export, load, save
from annvil.data.dataset import Dataset
from annvil.kinds.pictures.explanation.explain import explain_file
from annvil.kinds.pictures.explanation.subject import open_subject
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import images_in_memory
from annvil.kinds.pictures.kind import KIND
from annvil.kinds.pictures.seen import FEWEST, STATISTICS, SeenPictures
from annvil.kinds.pictures.unlike import seen_in, statistics_of, unlike
from annvil.tasks.union import make_task

SIDE = 24
FORM = PictureForm(SIDE, SIDE, 1)
TASK = make_task("regression", "light")


def shapes(n, seed):
    """Bright bars and rectangles on a dark ground with some noise."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(5, 25, (n, SIDE, SIDE, 1), dtype=np.uint8)
    for one in pixels:
        top, left = rng.integers(2, 12, 2)
        one[top : top + rng.integers(3, 10), left : left + rng.integers(3, 10)] = rng.integers(170, 250)
    return pixels


def photographs(n, seed):
    return np.stack([drawn(1000 * seed + i, SIDE, SIDE, 1) for i in range(n)])[..., None]


def told(form, pixels):
    return form.conform(pixels).notices


def taught(pixels):
    n = len(pixels)
    return KIND.form_to_save(Dataset(images_in_memory(pixels, FORM), np.zeros(n), TASK, np.arange(n)))


SHAPES = taught(shapes(300, 0))


@pytest.mark.parametrize("kind", [shapes, photographs])
def test_at_most_one_or_two_in_a_hundred_like_them_are_told_of(kind):
    form = SHAPES if kind is shapes else taught(kind(300, 0))
    far = [len(told(form, one[None])) for one in kind(500, 3)]
    assert sum(far) <= 10


@pytest.mark.parametrize(
    "unlike",
    [
        photographs(20, 1),
        255 - shapes(20, 2),
        np.random.default_rng(0).integers(0, 256, (20, SIDE, SIDE, 1), dtype=np.uint8),
        np.zeros((20, SIDE, SIDE, 1), np.uint8),
        np.full((20, SIDE, SIDE, 1), 200, np.uint8),
        np.clip(shapes(20, 3).astype(int) + 90, 0, 255).astype(np.uint8),
        shapes(20, 4) // 5,
        shapes(20, 3) + 10,
        np.stack([gaussian_filter(one, (0.5, 0.5, 0)) for one in shapes(20, 3)]),
        np.tile(np.arange(0, 240, 10, dtype=np.uint8)[None, :, None, None], (20, 1, SIDE, 1)),
    ],
    ids=[
        "photographs",
        "inverted",
        "noise",
        "black",
        "plain",
        "brighter",
        "darker",
        "hardly brighter",
        "hardly blurred",
        "ramp",
    ],
)
def test_other_kinds_of_pictures_are(unlike):
    (notice,) = told(SHAPES, unlike)
    assert notice.startswith(
        "All 20 pictures ('image 1', 'image 2', 'image 3', …) are unlike the training data, most in"
    )
    assert any(name in notice for name in STATISTICS)
    (one,) = told(SHAPES, unlike[0])
    assert one.startswith("The picture is unlike the training data, most in")


def test_a_picture_is_told_of_from_the_farthest_distance_on():
    for one in (*shapes(3, 7), *photographs(3, 2)):
        images = images_in_memory(one[None], FORM)
        (distance,) = SHAPES.seen.distances(SHAPES.seen.scores(statistics_of(images)))
        for farthest, n in ((0.999 * distance, 1), (1.001 * distance, 0)):
            assert len(list(unlike(msgspec.structs.replace(SHAPES.seen, farthest=farthest), images))) == n


def test_those_among_others_are_named_in_order(tmp_path):
    for i, pixels in enumerate([*shapes(5, 5), *photographs(1, 9)]):
        Image.fromarray(pixels[..., 0]).save(tmp_path / f"{i}.png")
    assert [notice.split(",")[0] for notice in told(SHAPES, tmp_path)] == [
        "1 of 6 pictures ('5.png') is unlike the training data"
    ]


def test_the_model_alone_tells_and_so_does_its_explanation(tmp_path):
    path = save(tmp_path / "model", export(Mean(), SHAPES, TASK), form=SHAPES, task=TASK)
    model = load(path)
    assert model.form == SHAPES
    with pytest.warns(InputNotice, match="The picture is unlike the training data"):
        model.predict(photographs(1, 5)[0])
    model.predict(shapes(3, 6))  # warnings are errors
    assert "unlike the training data" in explain_file(open_subject(path), photographs(1, 5)[0]).sentences()[1]


class Mean:
    def write(self, graph, pixels):
        return graph.op("ReduceMean", graph.cast(pixels, "float64"), graph.constant(np.array([1, 2])), keepdims=0)


def test_few_pictures_teach_nothing():
    assert seen_in(images_in_memory(shapes(FEWEST - 1, 0), FORM)) is None
    assert told(PictureForm(SIDE, SIDE, 1), photographs(3, 1)) == ()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 3), (2, 2, 3), (5, 1, 1)])
@pytest.mark.parametrize("value", [None, 0, 77])
def test_pictures_of_any_size_and_all_alike_have_statistics(shape, value):
    random = np.random.default_rng(0).integers(0, 256, (120, *shape), dtype=np.uint8)
    images = images_in_memory(random if value is None else np.full_like(random, value), PictureForm(*shape))
    assert np.isfinite(statistics_of(images)).all()
    seen = seen_in(images)
    assert seen.fits
    assert msgspec.json.decode(msgspec.json.encode(seen), type=SeenPictures) == seen
    if value is not None:
        assert list(unlike(seen, images)) == []


def test_statistics_by_hand():
    pixels = np.zeros((1, 3, 4, 1), np.uint8)
    pixels[0, 1, 1] = 120
    (found,) = statistics_of(images_in_memory(pixels, PictureForm(3, 4, 1)))
    by_name = dict(zip(STATISTICS, found, strict=True))
    assert by_name["brightness"] == pytest.approx(10)
    assert by_name["contrast"] == pytest.approx(pixels.std())
    assert by_name["edges across"] == pytest.approx(np.log1p(240 / 9))
    assert by_name["edges down"] == pytest.approx(np.log1p(240 / 8))
    assert by_name["fine detail"] == pytest.approx(np.log1p((480 + 120) / 2))
    assert by_name["plain areas"] == pytest.approx(100 * 7 / 9)
    assert by_name["brightness of the border"] == 0
    assert by_name["colour"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"farthest": 0.0},
        {"farthest": 1e300},
        {"mean": [0.0]},
        {"precision": [[0.0]]},
        {"quantiles": [[0.0] * 7] * 9},
        {"quantiles": [[1.0, 2.0]] * 9},
        {"more": 1},
    ],
)
def test_what_cannot_have_been_seen_is_refused(change):
    plain = msgspec.to_builtins(SHAPES)
    try:
        form = msgspec.convert(plain | {"seen": plain["seen"] | change}, PictureForm)
    except msgspec.ValidationError:
        return
    assert form.check() == "what was seen in training is of other statistics"
