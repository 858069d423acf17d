"""Going on from a trained network: what is kept, what it costs, and when it stays out."""

from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.pictures.contenders.transfer_family import TransferFamily, TransferSettings, wanted_epochs
from annvil.kinds.pictures.contenders.transfer_heads import Head, features_of, fit_head
from annvil.kinds.pictures.contenders.transfer_learning import FEW_ROWS, MANY_ROWS, Transfer
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.starts.pretrained import SHIPPED, Start, Taught, read_start, shipped_start
from annvil.models.jobs import Context, Effort, Job, PreparationOptions, Shape
from annvil.models.networks.populations import train_one
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer
from annvil.tasks.union import make_task


@cache
def digits(n_rows=120, seed=0):
    found = load_digits()
    rows = np.random.default_rng(seed).permutation(len(found.target))[:n_rows]
    pixels = np.rint(found.images[rows] * 255 / 16).astype(np.uint8)
    task = make_task("multiclass", "digit", tuple("0123456789"))
    return Dataset(images_from_arrays(pixels), found.target[rows].astype(np.int64), task, np.arange(n_rows))


@cache
def tiny_start():
    architecture = ConvolutionalArchitecture(8, 8, 1, 4, stem="small", stem_channels=8, layers=(Layer(16, True),))
    network = ConvolutionalNetwork(architecture)
    network.initialise(torch.Generator().manual_seed(0))
    return Start("a tiny network", architecture.to_json(), {n: v.numpy() for n, v in network.state_dict().items()})


def job_of(dataset, n_rows=90):
    rows = np.arange(n_rows)
    folds = [rows[i::3] for i in range(3)]
    return Job("job", rows, tuple(Split(np.setdiff1d(rows, fold), fold) for fold in folds), 0)


def fitted(start, dataset, **configuration):
    (found,) = Transfer(start).fit(dataset, [job_of(dataset)], Effort(configuration=configuration), Context())
    return found


def right(found, dataset, rows):
    return (found.predict(dataset.inputs.take(rows)).argmax(axis=1) == dataset.y[rows]).mean()


def test_the_head_is_scikit_learns_logistic_regression_on_standardised_features():
    dataset, rows = digits(), np.arange(60)
    features = features_of(tiny_start(), dataset, np.arange(120), Context().begin())
    head = fit_head(dataset, features, rows, penalty=10.0)
    scaled = (features - features[rows].mean(0)) / features[rows].std(0)
    reference = LogisticRegression(C=0.1, tol=1e-8, max_iter=2000).fit(scaled[rows], dataset.y[rows])
    np.testing.assert_allclose(head.predict(dataset.task, features), reference.predict_proba(scaled), atol=2e-3)


def test_a_network_with_that_head_says_the_same():
    dataset = digits()
    found = fitted(tiny_start(), dataset, epochs=0)
    features = features_of(tiny_start(), dataset, np.arange(120), Context().begin())
    head = fit_head(dataset, features, np.arange(90), found.configuration["penalty"])
    expected = head.predict(dataset.task, features)
    np.testing.assert_allclose(found.members[0].predict(dataset.inputs), expected, atol=1e-4)
    assert found.configuration["tune"] is False
    assert found.history == {}


def test_the_shipped_network_reads_few_digits_better_than_their_pixels():
    """Forty pictures: the pixels' own logistic regression is right on about 75% of the others."""
    dataset = digits(400)
    rows = np.arange(40)
    job = Job("job", rows, (Split(rows[20:], rows[:20]), Split(rows[:20], rows[20:])), 0)
    (found,) = Transfer().fit(dataset, [job], Effort(configuration={"epochs": 0}), Context())
    unseen = np.arange(40, 400)
    flat = dataset.inputs.pixels().reshape(400, -1) / 255
    plain = LogisticRegression(max_iter=500).fit(flat[rows], dataset.y[rows]).score(flat[unseen], dataset.y[unseen])
    assert right(found, dataset, unseen) > plain + 0.05


def test_training_goes_on_from_the_head_and_lower_layers_move_less():
    dataset = digits()
    rows = np.arange(90)
    head = Head(np.zeros(16), np.ones(16), np.zeros((16, 10)), np.zeros(10), None)
    family = TransferFamily(tiny_start(), head)
    data = family.prepare(dataset, Job("job", rows, (Split(rows, rows[:0]),), 0), PreparationOptions())
    settings = TransferSettings(epochs=3)
    before = family.network(data, settings, 0, 0).state_dict()
    trained = train_one(data, family, settings, dataset.task, Context().begin())
    moved = {
        name: float((value.detach() - before[name]).abs().max())
        for name, value in trained.network.named_parameters()
        if value.requires_grad
    }
    assert moved["head.weight"] > moved["body.network.blocks.0.convolution.weight"] > 0
    assert moved["body.network.blocks.0.convolution.weight"] > moved["body.network.stem.convolution.weight"] > 0
    assert trained.history["train_loss"][-1] < trained.history["train_loss"][0]


def test_of_head_and_training_the_better_is_kept_and_repeats_without_search():
    dataset = digits()
    found = fitted(tiny_start(), dataset, epochs=4)
    tried = {entry["configuration"]["tune"]: entry["score"] for entry in found.tried}
    best = min(found.tried, key=lambda entry: entry["score"])
    assert set(tried) == {True, False}
    assert found.configuration == best["configuration"]
    again = fitted(tiny_start(), dataset, **found.configuration)
    np.testing.assert_array_equal(again.predict(dataset.inputs), found.predict(dataset.inputs))
    forced = fitted(tiny_start(), dataset, epochs=2, tune=True, penalty=10.0)
    assert forced.configuration == {"penalty": 10.0, "tune": True, "epochs": 2, "flips": False}
    assert forced.history["train_loss"]


def test_a_fitted_one_is_a_start_for_the_next():
    dataset = digits()
    origin = fitted(tiny_start(), dataset, epochs=2, tune=True).origin()
    assert origin.architecture["kind"] == "transfer"
    onward = Start("onward", origin.architecture, origin.weights)
    assert right(fitted(onward, dataset, epochs=0), dataset, np.arange(120)) > 0.5


@pytest.mark.parametrize(("n_rows", "inner"), [(FEW_ROWS, 5), (FEW_ROWS + 1, 1)])
def test_the_ladder_looks_first_and_trains_then(n_rows, inner):
    shape = Shape(n_rows, 64, 0, 0, make_task("multiclass", "y", range(10)), digits().inputs.form)
    ladder = Transfer().ladder(shape)
    epochs = [rung.effort.configuration["epochs"] for rung in ladder]
    assert epochs == sorted(set(epochs))
    assert (epochs[0], epochs[-1]) == (0, wanted_epochs(n_rows))
    assert ladder[0].what == "a new head"
    assert {rung.effort.inner_folds for rung in ladder} == {inner}


def test_who_stays_out_says_why():
    form = digits().inputs.form
    many = Shape(MANY_ROWS, 64, 0, 0, make_task("multiclass", "y", range(10)), form)
    assert "5,000 training pictures" in Transfer().declines(many)
    assert Transfer(tiny_start()).declines(many) is None
    assert (
        Transfer(tiny_start())
        .declines(replace(many, form=msgspec.structs.replace(form, height=3)))
        .endswith("4 × 4 pixels.")
    )
    assert Transfer(None, "It learnt from these.").declines(replace(many, n_rows=FEW_ROWS)) == "It learnt from these."


def test_after_the_deadline_there_is_nothing():
    dataset = digits()
    assert list(Transfer(tiny_start()).fit(dataset, [job_of(dataset)], Effort(), Context(-1.0))) == []


def test_what_ships_is_small_and_says_what_it_learnt_from():
    start = shipped_start()
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 2e6
    assert {taught.name for taught in start.taught} >= {"fashion_mnist"}
    assert start.learnt_from(start.taught[0].sha256)
    assert not start.learnt_from("")
    assert start.digest == read_start(SHIPPED).digest
    changed = Start("x", start.architecture, {**start.weights, "stem.norm.bias": start.weights["stem.norm.bias"] + 1})
    assert changed.digest != start.digest
    assert Taught("a", "b") == Taught("a", "b", 0, 0)
