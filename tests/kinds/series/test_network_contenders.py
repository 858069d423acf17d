"""What networks for series decline, and what they offer by arithmetic alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from annvil.data.splits import Split
from annvil.kinds.series.contenders.recurrent_networks import RecurrentNetworks, patch_for
from annvil.kinds.series.contenders.sequence_family import STEPS, epochs_for
from annvil.kinds.series.contenders.temporal_networks import TemporalNetworks
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.tiny import tiny
from annvil.models.jobs import Job, PreparationOptions, Shape
from annvil.tasks.union import make_task


def shape(n_rows, longest, channels=1):
    form = SeriesForm(tuple(map(str, range(channels))), 1, longest)
    return Shape(n_rows, form.n_values, 0, 0, make_task("binary", "label", ("a", "b")), form)


@pytest.mark.parametrize("contender", [RecurrentNetworks(), TemporalNetworks()])
def test_what_fits_no_memory_is_declined_and_the_sentence_says_how_much_it_would_take(contender):
    assert contender.declines(shape(100_000, 128, 6)) is None
    assert contender.declines(shape(10_000, 10_000, 8)) == (
        "Series brought to the length of the longest would take 3.0 GB of memory."
    )


def test_very_long_series_are_read_in_patches_or_not_at_all():
    long = shape(20, 1_000_000)
    assert "1,000,000 steps" in TemporalNetworks().declines(long)
    assert RecurrentNetworks().declines(long) is None
    assert all(one.patch > 1 for one in RecurrentNetworks.networks.portfolio(long.form, 20))
    assert patch_for(1_000_000) == 256


def test_steps_count_and_not_epochs_where_series_are_few():
    assert epochs_for(18, 1.0) * 2 == STEPS  # of two batches each
    assert epochs_for(1_000_000, 1.0) == 2


def test_with_many_series_classes_are_learnt_to_the_end_and_otherwise_to_the_best_epoch():
    kept = {}
    for asked, n_rows in (("multiclass", 2_000), ("multiclass", 100), ("regression", 2_000)):
        dataset = tiny()[asked].dataset
        rows = np.arange(dataset.n_rows)
        family = TemporalNetworks.networks
        data = family.prepare(dataset, Job("test", rows, (Split(rows[:60], rows[60:]),), 0), PreparationOptions())
        sized = replace(data, sizes=replace(data.sizes, n_rows=n_rows))
        kept[asked, n_rows] = family.recipe(sized, family.portfolio(dataset.inputs.form, n_rows)[0], 1.0).keep
    assert list(kept.values()) == ["last", "best", "best"]
