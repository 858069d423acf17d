"""What TensorBoard reads back is what was logged; without the package one sentence says how to get it."""

import sys

import pytest
import torch
from torch import nn

from annvil.errors import MachineError
from annvil.trainer.monitoring.tensorboard import TensorBoard


class Look:
    def network(self, member):
        return nn.Linear(2, 1)

    def gradients(self, member):
        return {"weight": torch.zeros(1, 2), "bias": torch.zeros(1)}


def written(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return events


def log(folder, **options):
    board = TensorBoard(folder, **options)
    board.on_train_begin({"epochs": 2})
    board.look = Look()
    board.on_epoch_end(1, {"loss": 0.5, "val_loss": [0.25, 0.75]})
    board.on_epoch_end(2, {"loss": 0.25, "val_loss": [0.125, 0.5]})
    board.on_notice("Something.")
    board.on_train_end({})
    return written(folder)


def test_scalars_are_read_back(tmp_path):
    events = log(tmp_path)
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]
    assert [one.value for one in events.Scalars("val_loss/1")] == [0.75, 0.5]
    assert events.Tags()["histograms"] == []


def test_histograms_come_when_they_are_asked_for(tmp_path):
    tags = log(tmp_path, histograms=True).Tags()["histograms"]
    assert sorted(tags) == ["gradients/bias", "gradients/weight", "weights/bias", "weights/weight"]


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MachineError, match=r"annvil\[tensorboard\]"):
        TensorBoard(tmp_path).on_train_begin({})
