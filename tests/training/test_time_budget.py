"""Training for a given time."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from tests.training.helpers import members, small_network, table

from annvil.training import Member, Recipe
from annvil.training.time_budget import train_in_time

RECIPE = Recipe(epochs=100_000, batch_size=32, threads=1)


def in_time(seconds, recipe=RECIPE, **more):
    numbers, classes = table()
    (member,) = members(1, learning_rate=0.01)
    return train_in_time(small_network, (numbers,), classes, member, recipe, "cross-entropy", seconds, **more)


def test_the_epochs_are_those_that_fit():
    start = time.perf_counter()
    found = in_time(0.6)
    assert time.perf_counter() - start < 5  # a busy machine may be late
    assert 1 <= found.epochs <= found.recipe.epochs < 100_000
    assert found.samples_per_second == pytest.approx(140 / found.seconds_per_epoch)


def test_the_schedule_ends_where_the_time_does():
    found = in_time(0.4, Recipe(epochs=100_000, batch_size=32, schedule="cosine", threads=1))
    if found.epochs < found.recipe.epochs:
        pytest.skip("the machine was too busy")
    assert found.population.states == ("finished",)


def test_no_more_epochs_than_asked_for():
    found = in_time(5.0, Recipe(epochs=7, batch_size=32, threads=1))
    assert found.epochs == found.recipe.epochs == 7


def test_without_time_the_network_is_what_a_part_of_an_epoch_makes_of_it():
    found = in_time(0.0)
    assert found.recipe.epochs == 1
    assert np.isfinite(found.population.validation_loss[0])


def test_an_interruption_ends_it():
    asked = []

    def interrupted():
        asked.append(time.perf_counter())
        return len(asked) > 3

    start = time.perf_counter()
    in_time(60.0, interrupted=interrupted)
    assert time.perf_counter() - start < 10


def test_larger_batches_take_more_memory():
    numbers = torch.randn(8192, 64)
    classes = (numbers[:, 0] > 0).long()
    member = Member(np.arange(8192), np.arange(0), 0)

    def wide(member):
        return torch.nn.Sequential(torch.nn.Linear(64, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 2))

    def peak(batch):
        recipe = Recipe(epochs=1, batch_size=batch, threads=1)
        return train_in_time(wide, (numbers,), classes, member, recipe, "cross-entropy", 0.5).peak_bytes

    assert peak(8192) > peak(32) + (30 << 20)  # activations of 8192 × 1024 float32 are 32 MiB
