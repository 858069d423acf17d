"""What every contender for pictures must do, whoever it is, and what features of pictures are."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import onnxruntime as ort
import pytest
from sklearn.datasets import load_digits

from annvil.data.dataset import Dataset
from annvil.kinds.pictures.contenders.features import Blocks, GradientFeatures, PixelFeatures
from annvil.kinds.pictures.contenders.on_pixels import table_of
from annvil.kinds.pictures.contenders.registry import contenders_for_pictures
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.models.contract import Context, Effort, Job, Shape, Split
from annvil.onnx.builder import Graph
from annvil.onnx.validator import check_graph
from annvil.tasks.union import make_task

CONTENDERS = {contender.name: contender for contender in contenders_for_pictures()}
LITTLE = Effort(candidates=1, scale=0.05)
KINDS = ["digits", "colours", "number", "labels"]

every_contender = pytest.mark.parametrize("name", CONTENDERS)
every_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def made_dataset(kind):
    if kind == "digits":
        digits = load_digits()
        pixels, y = np.rint(digits.images[:200] * 255 / 16).astype(np.uint8), digits.target[:200].astype(np.int64)
        task = make_task("multiclass", "digit", tuple("0123456789"))
    else:
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 200, size=(60, 20, 24, 3), dtype=np.uint8)
        y = rng.integers(0, 2, size=60)
        pixels[y == 1, 5:15, 5:12, 0] += 55
        task = make_task("binary", "red", ("no", "yes"))
        if kind == "number":
            y, task = pixels[:, 5:15, 5:12, 0].mean(axis=(1, 2)), make_task("regression", "redness")
        if kind == "labels":
            blue = rng.integers(0, 2, size=60)
            pixels[blue == 1, :, 14:, 2] += 55
            y, task = np.stack([y, blue], axis=1), make_task("multilabel", "colours", ("red", "blue"))
    return Dataset(images_from_arrays(pixels), y, task, np.arange(len(y)))


def made_job(dataset, n_rows):
    """Two inner folds of rows that do not begin with the first and are not in order."""
    rows = np.random.default_rng(1).permutation(np.arange(dataset.n_rows - n_rows, dataset.n_rows))
    half = n_rows // 2
    return Job("test", rows, (Split(rows[half:], rows[:half]), Split(rows[:half], rows[half:])), 0)


@cache
def fitted_on(name, kind):
    dataset = made_dataset(kind)
    job = made_job(dataset, dataset.n_rows - 20)
    (fitted,) = CONTENDERS[name].fit(dataset, [job], LITTLE, Context(threads=1))
    return dataset, fitted


def shipped(write, images, n_outputs):
    graph = Graph()
    pixels = graph.input("pixels", "uint8", ["rows", *images.form.shape])
    model = graph.finish({"prediction": (write(graph, pixels), "float64", ["rows", n_outputs])})
    check_graph(model)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, images.feeds())[0]


@every_contender
@every_kind
def test_the_graph_predicts_the_same(name, kind):
    dataset, fitted = fitted_on(name, kind)
    tolerance = 1e-4 * (1.0 if dataset.task.predicts_probabilities else float(np.std(dataset.y)))
    for rows in (np.arange(dataset.n_rows), np.array([7])):
        images = dataset.inputs.take(rows)
        outputs = fitted.predict(images)
        assert outputs.shape == (len(rows), dataset.task.n_outputs)
        np.testing.assert_allclose(
            shipped(fitted.write, images, dataset.task.n_outputs), outputs, rtol=0, atol=tolerance
        )


@every_contender
@every_kind
def test_records_are_complete(name, kind):
    dataset, fitted = fitted_on(name, kind)
    assert fitted.contender == name
    assert len(fitted.out_of_fold) == len(fitted.job.rows) == dataset.n_rows - 20
    assert fitted.job.rows.max() == dataset.n_rows - 1  # numbered in the data set, not among the job's rows
    assert fitted.n_parameters > 0
    assert name == "dummy" or fitted.preparation[0].endswith(".")
    seen = fitted.predict(dataset.inputs.take(fitted.job.rows))
    assert np.isfinite(seen).all()


@pytest.mark.parametrize("name", [name for name in CONTENDERS if "linear" in name or "neighbours" in name])
def test_simple_contenders_read_digits(name):
    dataset, fitted = fitted_on(name, "digits")
    unseen = np.arange(20)
    right = fitted.predict(dataset.inputs.take(unseen)).argmax(axis=1) == dataset.y[unseen]
    assert right.mean() >= 0.8
    tested = np.isfinite(fitted.out_of_fold[:, 0])
    assert tested.sum() >= 20
    assert (fitted.out_of_fold.argmax(axis=1) == dataset.y[fitted.job.rows])[tested].mean() >= 0.8


@pytest.mark.parametrize("name", [name for name in CONTENDERS if name != "convolutional"])
def test_several_jobs_come_back_in_order_and_as_they_would_alone(name):
    """Convolutional networks train job by job anyway."""
    dataset = made_dataset("digits")
    first, second = made_job(dataset, 120), made_job(dataset, 60)
    together = list(CONTENDERS[name].fit(dataset, [first, second], LITTLE, Context(threads=1)))
    assert [fitted.job for fitted in together] == [first, second]
    (alone,) = CONTENDERS[name].fit(dataset, [second], LITTLE, Context(threads=1))
    found, expected = (fitted.predict(dataset.inputs) for fitted in (together[1], alone))
    np.testing.assert_allclose(found, expected, atol=5e-3 if name == "pixels-dense" else 1e-9)


@every_contender
@pytest.mark.parametrize("kind", ["digits", "number"])
def test_a_result_travels(name, kind):
    """To another process and back, with its job; it predicts the same there."""
    dataset, fitted = fitted_on(name, kind)
    found = pickle.loads(pickle.dumps(fitted))
    assert found.predict(dataset.inputs).tobytes() == fitted.predict(dataset.inputs).tobytes()
    np.testing.assert_array_equal(found.job.rows, fitted.job.rows)
    assert (found.summary, found.preparation, found.n_parameters) == (
        fitted.summary,
        fitted.preparation,
        fitted.n_parameters,
    )


@every_contender
def test_after_the_deadline_there_is_no_result(name):
    dataset = made_dataset("digits")
    context = Context(-1.0, threads=1)
    assert list(CONTENDERS[name].fit(dataset, [made_job(dataset, 100)], LITTLE, context)) == []


@every_contender
@pytest.mark.parametrize("kind", ["digits", "number", "labels"])
def test_plans_grow_with_time(name, kind):
    dataset = made_dataset(kind)
    form = dataset.inputs.form
    task = dataset.task
    shape = Shape(50_000, form.n_values, 0, 0, task, form)
    efforts = [CONTENDERS[name].plan(shape, 5, 3, seconds) for seconds in (0.0, 10.0, 1e3, 1e6)]
    work = [(effort.configuration or {}).get("epochs", effort.candidates * effort.scale) for effort in efforts]
    assert work == sorted(work)


def test_pixels_are_means_of_the_middle():
    """By hand: 5 × 4 pixels in squares of two leave out the last row."""
    pixels = np.arange(20, dtype=np.uint8).reshape(1, 5, 4, 1)
    features = PixelFeatures(Blocks(5, 4, 1, 2))
    assert features.names == ("pixel 1, 1", "pixel 1, 2", "pixel 2, 1", "pixel 2, 2")
    np.testing.assert_array_equal(features.of(pixels)[0] * 255, [2.5, 4.5, 10.5, 12.5])


def test_a_ramp_has_edges_in_its_own_direction():
    ramp = np.tile(np.arange(0, 160, 16, dtype=np.uint8), (10, 1))[None, :, :, None]
    features = GradientFeatures.choose(images_from_arrays(ramp).form, 1, most=8)
    found = dict(zip(features.names, features.of(ramp)[0], strict=True))
    assert max(found, key=found.get) == "edge 1, 1 at 0°"
    assert found["edge 1, 1 at 45°"] == pytest.approx(found["edge 1, 1 at 0°"] / np.sqrt(2))
    assert found["edge 1, 1 at 180°"] == 0
    down = features.of(ramp.transpose(0, 2, 1, 3))[0]
    assert features.names[down.argmax()] == "edge 1, 1 at 90°"


@pytest.mark.parametrize("choose", [PixelFeatures.choose, GradientFeatures.choose])
@pytest.mark.parametrize("shape", [(3, 3, 1), (3, 40, 3), (13, 17, 1), (20, 24, 3)])
def test_features_are_the_same_in_a_graph_and_few_enough(choose, shape):
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, *shape), dtype=np.uint8)
    images = images_from_arrays(pixels)
    features = choose(images.form, 3, most=200)
    table = table_of(images, features)
    assert table.names == features.names
    assert len(set(features.names)) == len(features.names) <= 200
    found = shipped(features.write, images, len(features.names))
    exact = 0 if choose == PixelFeatures.choose else 1e-13
    np.testing.assert_allclose(found, table.numbers(), rtol=0, atol=exact)
    assert shipped(features.write, images.take(slice(0, 0)), len(features.names)).shape == (0, len(features.names))


def test_columns_become_fewer_where_rows_are_many():
    form = made_dataset("colours").inputs.form
    n_rows = 10_000_000
    for choose in (PixelFeatures.choose, GradientFeatures.choose):
        assert len(choose(form, n_rows, most=800).names) * n_rows * 8 <= 1e9
