"""The convolutional contender: what it lets pictures bear, how it plans, how it mirrors, what it ships."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.pictures.contenders.convolutional_networks import Convolutional, _candidates
from annvil.kinds.pictures.contenders.invariance import LEAST_AFFINITY, Affinities, measure_affinities, policies
from annvil.kinds.pictures.contenders.member import PictureMember, PixelSteps
from annvil.kinds.pictures.contenders.picture_family import held_out_of
from annvil.kinds.pictures.contenders.sizes import (
    FEWEST_STEPS,
    SIZES,
    WANTED_EPOCHS,
    affordable_epochs,
    architecture_for,
    batch_size,
    epochs_for_steps,
)
from annvil.kinds.pictures.contenders.throughput import work_per_second
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.models.jobs import Context, Effort, Job, Shape
from annvil.preparation.augmentation import Augmentation
from annvil.tasks.union import make_task

SIDE = 16


@pytest.fixture(scope="module")
def arrows() -> Dataset:
    """Bright wedges in noise that point to the left or to the right: a mirror image is of the other class."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 900)
    pixels = random.integers(0, 60, (900, SIDE, SIDE)).astype(np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    wedge = np.abs(rows - SIDE / 2) < columns / 2
    pixels[y == 0] += (wedge * 150).astype(np.uint8)
    pixels[y == 1] += (wedge[:, ::-1] * 150).astype(np.uint8)
    return Dataset(images_from_arrays(pixels), y, make_task("binary", "side", ("left", "right")), np.arange(900))


@pytest.fixture(scope="module")
def stripes() -> Dataset:
    """Bars that stand or lie: a mirror image is of the same class."""
    random = np.random.default_rng(1)
    y = random.integers(0, 2, 900)
    pixels = random.integers(0, 60, (900, SIDE, SIDE)).astype(np.uint8)
    for picture, kind, place in zip(pixels, y, random.integers(2, SIDE - 4, 900), strict=True):
        target = picture if kind else picture.T
        target[place : place + 3] += 150
    return Dataset(images_from_arrays(pixels), y, make_task("binary", "lies", ("no", "yes")), np.arange(900))


def split_of(dataset: Dataset) -> Split:
    return Split(np.arange(700), np.arange(700, 900))


def measured(dataset: Dataset) -> Affinities:
    small = architecture_for(dataset.inputs.form, 2, SIZES[0])
    return measure_affinities(dataset, split_of(dataset), small, 0, Context().begin(), 3e11)


def test_mirror_images_are_used_only_where_they_mean_the_same(arrows: Dataset, stripes: Dataset) -> None:
    pointing, lying = measured(arrows), measured(stripes)
    flip = Augmentation(flip="alternate")
    assert pointing.of[flip.short()] < LEAST_AFFINITY <= lying.of[flip.short()]
    assert policies(pointing, SIDE, True)[0].flip == "none"
    assert policies(lying, SIDE, True)[0].flip == "alternate"
    assert "keep" in lying.describe()


def test_without_pictures_enough_only_shifts_are_made(stripes: Dataset) -> None:
    few = stripes.take(np.arange(40))
    small = architecture_for(few.inputs.form, 2, SIZES[0])
    found = measure_affinities(few, Split(np.arange(40), np.arange(0)), small, 0, Context().begin())
    assert found.of == {}
    assert policies(found, SIDE, True)[0] == Augmentation(shift=1)


def test_a_network_that_learnt_nothing_is_not_asked(stripes: Dataset) -> None:
    wrong = replace(stripes, y=np.random.default_rng(5).permutation(stripes.y))
    assert measured(wrong).of == {}


def test_policies_start_with_the_one_that_needs_no_trial() -> None:
    names = ("shifts of 1 pixel", "alternating flips", "turns of 10°, scales of 10%", "cutout of 30%")
    found = policies(Affinities(dict.fromkeys(names, 1.0)), 28, True)
    base = Augmentation(shift=1, flip="alternate")
    assert found[:4] == (base, replace(base, cutmix=1.0), replace(base, cutout=0.3), Augmentation())
    assert len(found) == len(set(found))
    assert all(not policy.mixes for policy in policies(Affinities({}), 28, False))


def test_with_time_augmentations_are_tried_and_the_best_is_kept(arrows: Dataset) -> None:
    job = Job("fit", np.arange(700), (Split(np.arange(500), np.arange(500, 700)),), 0)
    effort = Effort(candidates=2, configuration={"size": "small", "epochs": 3})
    fitted = next(Convolutional().fit(arrows, [job], effort, Context()))
    assert len(fitted.tried) == 2
    assert fitted.configuration["augmentation"] in ({"shift": 1}, {"shift": 1, "cutmix": 1.0})
    again = next(Convolutional().fit(arrows, [job], Effort(configuration=fitted.configuration), Context()))
    assert len(again.tried) == 1
    rows = arrows.inputs.take(np.arange(700, 900))
    assert (fitted.predict(rows).argmax(1) == arrows.y[700:]).mean() > 0.9


def test_a_mirrored_member_is_the_mean_of_both_sides(stripes: Dataset) -> None:
    from annvil.networks.convolutional import ConvolutionalNetwork

    network = ConvolutionalNetwork(architecture_for(stripes.inputs.form, 2, SIZES[0])).eval()
    network.initialise(torch.Generator().manual_seed(0))
    torch.nn.init.normal_(network.head.weight, generator=torch.Generator().manual_seed(1))
    member = PictureMember(network, stripes.task, PixelSteps(()), mirrored=True)
    some = stripes.inputs.take(np.arange(6))
    flipped = images_from_arrays(some.pixels(slice(None))[:, :, ::-1].copy(), form=some.form)
    np.testing.assert_allclose(member.predict(some), member.predict(flipped), atol=1e-6)
    assert not np.allclose(member.predict(some), PictureMember(network, stripes.task, PixelSteps(())).predict(some))


def picture_shape(n_rows: int, side: int) -> Shape:
    form = PictureForm(side, side, 3)
    return Shape(n_rows, form.n_values, 0, 0, make_task("multiclass", "y", range(10)), form)


@pytest.mark.parametrize(("n_rows", "side"), [(200, 64), (1_600, 64), (4_000, 32), (48_000, 28), (300_000, 128)])
def test_every_rung_has_four_passes_and_three_hundred_steps(n_rows: int, side: int) -> None:
    ladder = Convolutional().ladder(picture_shape(n_rows, side))
    for rung in ladder:
        passes, rows = rung.effort.configuration["epochs"], rung.effort.rows or n_rows  # type: ignore[index]
        learns = rows - held_out_of(rows)
        assert passes >= WANTED_EPOCHS
        assert passes * learns / batch_size(learns) >= FEWEST_STEPS
    assert ladder[0].effort.configuration["size"] == "small"  # type: ignore[index]
    assert [rung.effort.candidates for rung in ladder[:2]] == [1, 1]


@pytest.mark.parametrize(
    ("n_rows", "parts"),
    [(5_000, []), (19_999, []), (20_000, [10_000]), (40_000, [10_000]), (200_000, [10_000, 50_000])],
)
def test_of_many_pictures_the_first_rungs_take_a_part(n_rows: int, parts: list[int]) -> None:
    ladder = Convolutional().ladder(picture_shape(n_rows, 28))
    assert [rung.effort.rows for rung in ladder if rung.effort.rows] == parts
    assert [rung.effort.rows for rung in ladder[len(parts) :]] == [None] * (len(ladder) - len(parts))
    assert all(f"a sample of {rows:,}" in rung.what for rows, rung in zip(parts, ladder, strict=False))
    assert not parts or ladder[0].core_seconds < 10.0  # of 28 pixels a side; twice that on a slow machine


def test_passes_come_before_size_and_size_before_augmentations() -> None:
    ladder = [rung.effort for rung in Convolutional().ladder(picture_shape(12_000, 28))]
    names = [size.name for size in SIZES]
    sizes = [names.index(effort.configuration["size"]) for effort in ladder]  # type: ignore[index]
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(SIZES) - 1
    assert [effort.candidates for effort in ladder] == sorted(effort.candidates for effort in ladder)
    assert ladder[-1].candidates == 2
    passes = [(size, effort.configuration["epochs"]) for size, effort in zip(sizes, ladder, strict=True)]  # type: ignore[index]
    for size in set(sizes):
        of_size = [n for s, n in passes if s == size]
        assert of_size == sorted(of_size)


def test_where_four_passes_are_steps_enough_size_comes_before_more_of_them() -> None:
    """Three steps from one to the next at most double the cost, so that a fit to ship finds one that fits."""
    ladder = Convolutional().ladder(picture_shape(58_000, 28))[1:]
    configurations = [rung.effort.configuration or {} for rung in ladder]
    assert [(c["size"], c["epochs"]) for c in configurations[:5]] == [
        ("small", 4),
        ("small", 8),
        ("deep", 4),
        ("deep", 8),
        ("deep", 15),
    ]
    costs = [rung.core_seconds for rung in ladder[:5]]
    assert all(higher <= 2.1 * lower for lower, higher in pairwise(costs))


def test_the_first_rung_of_two_thousand_photographs_takes_seconds() -> None:
    """Five folds of it fit into a budget of two minutes on two cores, by the measured constants."""
    first = Convolutional().ladder(picture_shape(1_600, 64))[0]
    assert 5 * first.core_seconds < 60


def test_few_pictures_are_passed_over_more_often() -> None:
    assert epochs_for_steps(100) * 100 / 64 >= 300
    assert epochs_for_steps(100_000) == 1


def test_the_stopwatch_tells_what_an_epoch_takes(stripes: Dataset) -> None:
    assert work_per_second(stripes, np.arange(500), SIZES[0], 0) is None
    rate = work_per_second(stripes, np.arange(900), SIZES[0], 0)
    assert rate is not None
    assert 1e7 < rate < 1e14
    form = stripes.inputs.form
    shape = Shape(900, form.n_values, 0, 0, make_task("binary", "y", (0, 1)), form)
    slow, quick = (affordable_epochs(shape, SIZES[0], 60.0, factor * rate) for factor in (1, 2))
    assert slow < quick < 2 * slow  # steps cost something, however quick


def test_a_longer_training_makes_as_many_passes_more(stripes: Dataset) -> None:
    job = Job("fit", np.arange(300), (Split(np.arange(250), np.arange(250, 300)),), 0)
    passes = epochs_for_steps(250)
    asked = {"size": "small", "epochs": passes, "shrink": 2, "augmentation": {}}
    (longer,), _ = _candidates(stripes, job, Effort(scale=1.25, configuration=asked), Context().begin())
    assert longer.epochs == round(1.25 * passes) == longer.to_json()["epochs"]
