"""Finding a learning rate, and a batch size chosen by measuring."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as xml

import numpy as np
import pytest
import torch
from torch import nn

import annvil
from annvil.errors import RequestError
from annvil.trainer import training as trainer
from annvil.trainer.lr_finder import RateTest

X = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.5)
RATES = [1e-6, 1e-4, 1e-2, 1e-1, 1e2]


def make() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def test_a_rate_is_found_and_the_network_stays_as_it_was():
    network = make()
    before = copy.deepcopy(network.state_dict())
    found = annvil.find_learning_rate(network, X, CLASSES, learning_rates=RATES, steps=60)
    assert 1e-3 < found.best < 1
    assert [row["learning_rate"] for row in found.table()] == pytest.approx(RATES)
    assert found.losses[2] < found.losses[0] < found.start_loss * 1.01
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert annvil.find_learning_rate(network, X, CLASSES, learning_rates=RATES, steps=60).best == found.best


def test_its_chart_marks_the_rate(tmp_path):
    found = annvil.find_learning_rate(make, X, CLASSES, learning_rates=RATES, steps=20, validation=0.25)
    svg = found.plot(tmp_path / "rates.svg").svg
    assert len(xml.fromstring(svg).findall("{http://www.w3.org/2000/svg}circle")) == np.isfinite(found.losses).sum()
    assert f"{found.best:g}" in svg
    assert "before training" in svg


def test_no_rate_is_named_where_none_lowers_the_loss():
    found = annvil.find_learning_rate(make, X, CLASSES, learning_rates=[1e9, 1e10], steps=5, optimizer="sgd")
    assert isinstance(found, RateTest)
    assert "best: none" in repr(found)
    found.plot()
    with pytest.raises(RequestError, match="No learning rate lowered the loss of"):
        _ = found.best
    with pytest.raises(RequestError, match="at least two rising numbers"):
        annvil.find_learning_rate(make, X, CLASSES, learning_rates=[0.1])


def test_a_batch_size_is_chosen_by_measuring(monkeypatch):
    monkeypatch.setattr(trainer, "TUNING_SECONDS", 1.0)
    result = annvil.train(make, X, CLASSES, batch_size="auto", epochs=3, validation=0.25)
    assert len(result.history["loss"]) == 3
    assert result.notices[0].startswith("Batch size and learning rate were chosen by measuring. In ")
    budgeted = annvil.train(make, X, CLASSES, batch_size="auto", epochs=10**6, validation=0.25, budget=1.5)
    assert budgeted.state.endswith("because the budget was over")
    assert budgeted.seconds < 2.5
