"""Populations: what several calls on one job may share, and what not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.models.jobs import Context, Job, PreparationOptions
from annvil.models.networks.dense_networks import DenseFamily
from annvil.models.networks.populations import train_one
from annvil.tasks.union import make_task


def test_divisions_of_one_job_have_checkpoints_of_their_own(tmp_path):
    rows, x = np.arange(60), np.random.default_rng(0).normal(size=60)
    y = (x > 0).astype(np.int64)
    dataset = Dataset(table_from_columns([("x", "number", x)]), y, make_task("binary", "y", ("no", "yes")), rows)
    family, said = DenseFamily(), []
    settings = replace(family.portfolio(True, 40)[0], epochs=1)
    running = Context(folder=tmp_path, tell=said.append).begin()
    for fold in range(3):
        job = Job("a", rows, (Split(rows[rows % 3 != fold], rows[rows % 3 == fold]),), seed=0)
        train_one(family.prepare(dataset, job, PreparationOptions()), family, settings, dataset.task, running)
    assert len(list(tmp_path.glob("population-*"))) == 3
    assert not [text for text in said if "checkpoint" in text]
