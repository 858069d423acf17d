"""Batch sizes compared in equal time, and what is said of them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.trainer.small import JUDGE, LEARN, NUMBERS, X, Y, make, make_one

from annvil.errors import RequestError
from annvil.trainer import tuning as batch_size
from annvil.trainer.results.batch_sizes import BatchSizeComparison, BatchSizeRow
from annvil.trainer.training import train
from annvil.trainer.tuning import scaled_rate, tune_batch

ROW = BatchSizeRow(
    batch_size=32, learning_rate=0.001, seconds_per_epoch=0.1, samples_per_second=1000.0, peak_memory_bytes=1 << 20,
    epochs_reached=40, val_loss=0.5, best_epoch=20, score=0.5,
)  # fmt: skip


def trade(*rows, greater=False, name="validation loss", constant=True):
    return BatchSizeComparison(rows, 4.0, name, greater, (), constant)


@pytest.fixture(scope="module")
def measured():
    return tune_batch(make, X, Y, "2.4s", [64, 8, 16], metrics=["accuracy"], epochs=60)


def test_every_size_is_measured_in_ascending_order(measured):
    assert [row.batch_size for row in measured.rows] == [8, 16, 64]
    for row in measured.rows:
        assert 1 <= row.epochs_reached <= 60
        assert 0 < row.best_epoch <= row.epochs_reached
        assert row.samples_per_second == pytest.approx(128 / row.seconds_per_epoch)
        assert 0 <= row.score <= 1
        assert row.learning_rate == pytest.approx(0.001 * np.sqrt(row.batch_size / 32), rel=1e-3)
    assert measured.best.score == max(row.score for row in measured.rows)


def test_the_settings_train_what_was_measured():
    found = tune_batch(
        make, X[LEARN], Y[LEARN], 30, [16], validation=(X[JUDGE], Y[JUDGE]), epochs=5, learning_rate=0.01
    )
    assert found.best.epochs_reached == 5
    settings = found.settings
    result = train(make, X[LEARN], Y[LEARN], validation=(X[JUDGE], Y[JUDGE]), **settings)
    assert min(result.history["val_loss"]) == pytest.approx(found.best.val_loss, rel=1e-5)


def test_the_users_module_stays_as_it_was():
    module = make()
    before = [parameter.detach().clone() for parameter in module.parameters()]
    tune_batch(module, X, Y, 30, [32], epochs=2)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert module.training


def test_the_rate_that_serves_a_size_best_counts():
    found = tune_batch(make_one, X, NUMBERS, 30, [16], rates=(1e-4, 10.0), epochs=5)
    assert found.rows[0].learning_rate == pytest.approx(10 * 0.001 * np.sqrt(0.5), rel=1e-3)


def test_even_without_time_for_an_epoch_there_is_an_answer():
    found = tune_batch(make, X, Y, 0.05, [16, 32])
    assert len(found.rows) == 2
    assert found.advice


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.08), ("adamw", 0.02), ("adam", 0.02), ("muon", 0.02)])
def test_rates_grow_with_the_batch_or_with_its_root(optimizer, rate):
    assert scaled_rate(0.01, 32, 32 * (8 if optimizer == "sgd" else 4), optimizer) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("n_rows", "seconds", "sizes"),
    [
        (100_000, 60.0, [16, 32, 64, 128, 256, 512, 1024, 2048, 4096]),
        (1000, 60.0, [16, 32, 64, 128]),
        (100_000, 5.0, [16, 64, 256, 1024, 4096]),
        (100_000, 0.1, [16, 4096]),
        (10, 60.0, [2]),
        (1, 60.0, [1]),
    ],
)
def test_sizes_follow_from_rows_and_budget(n_rows, seconds, sizes):
    assert batch_size._sizes(None, n_rows, seconds) == sizes


def test_sizes_beyond_the_rows_are_one():
    assert batch_size._sizes([64, 1000, 2000], 100, 1.0) == [64, 100]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"batch_sizes": [0, 16]}, "batch_sizes must be a list of whole numbers of at least 1"),
        ({"batch_sizes": [1.5]}, "batch_sizes must be a list of whole numbers"),
        ({"batch_sizes": []}, "batch_sizes must be a list of whole numbers"),
        ({"batch_sizes": 32}, "batch_sizes must be a list of whole numbers"),
        ({"rates": [0.0]}, "rates must be a list of positive numbers"),
        ({"budget": "soon"}, "'soon' is not a time"),
    ],
)
def test_what_cannot_be_asked_for(told, sentence):
    with pytest.raises(RequestError, match=sentence):
        tune_batch(make, X, Y, **{"budget": 1.0} | told)


def test_the_best_has_the_best_score_and_the_larger_size_of_equals():
    rows = [ROW, replace(ROW, batch_size=64), replace(ROW, batch_size=128, score=0.6)]
    assert trade(*rows).best.batch_size == 64
    assert trade(*rows, greater=True).best.batch_size == 128


def test_advice_names_a_faster_size_that_is_practically_as_good():
    fast = replace(ROW, batch_size=64, seconds_per_epoch=0.05, val_loss=0.504, score=0.504)
    slow = replace(ROW, batch_size=16, seconds_per_epoch=0.2, val_loss=0.6, score=0.6)
    assert trade(slow, ROW, fast).advice == (
        "In 4 s each, batches of 32 reach the best validation loss (0.5, at epoch 20 of 40, after 2 s, learning rate "
        "0.001). Batches of 64 come within 1% of its loss, with epochs that are 2.0 times as fast."
    )


def test_advice_tells_of_edges_and_of_losses_that_still_fall():
    worse = replace(ROW, batch_size=64, val_loss=0.9, score=0.9)
    assert trade(ROW, worse).advice.endswith("It is the smallest that was tried: a smaller one may be better still.")
    better = replace(ROW, batch_size=64, val_loss=0.1, score=0.1, best_epoch=40)
    assert trade(ROW, better).advice.endswith(
        "It is the largest that was tried: a larger one may be better still. Its loss was still falling: more time "
        "will help."
    )


def test_epochs_to_train_for_end_soon_after_the_best_where_the_rate_is_constant():
    early = replace(ROW, best_epoch=5)
    assert trade(early).settings == {"batch_size": 32, "learning_rate": 0.001, "epochs": 10}
    assert trade(early, constant=False).settings["epochs"] == 40


def test_where_everything_diverged_there_is_no_best():
    with pytest.raises(RequestError, match="diverged with every batch size"):
        _ = trade(replace(ROW, score=float("nan"))).best


def test_the_table_and_the_chart_hold_every_size(measured, tmp_path):
    table = measured.table()
    assert [row["batch_size"] for row in table] == [8, 16, 64]
    assert table.columns[-2:] == ("seconds_to_best", "accuracy")
    assert str(measured).endswith(measured.advice)
    measured.plot(tmp_path / "batches.svg")
    root = ElementTree.fromstring((tmp_path / "batches.svg").read_text())
    assert len([e for e in root.iter() if e.tag.endswith("circle")]) == 3
    assert len([e for e in root.iter() if e.tag.endswith("rect") and len(e)]) == 3


def test_a_size_without_an_epoch_is_left_out_of_the_chart_of_times():
    unknown = replace(
        ROW, batch_size=8, seconds_per_epoch=None, samples_per_second=None, epochs_reached=0, best_epoch=0
    )
    found = trade(unknown, replace(ROW, score=0.4))
    ElementTree.fromstring(found.plot().svg)
    ElementTree.fromstring(trade(unknown).plot().svg)
    assert found.table()[0]["seconds_to_best"] is None
