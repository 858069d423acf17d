"""Events are whole lines of JSON at any moment, and a training that goes on continues its file."""

import json
import math
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

import annvil
from annvil.errors import MachineError
from annvil.trainer.monitoring.events import EventLog


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_training_as_lines(tmp_path):
    path = tmp_path / "new" / "events.jsonl"
    log = EventLog(path)
    log.on_train_begin({"epochs": 2, "schedule": math.sqrt, "betas": (0.9, 0.999)})
    assert (
        log.on_epoch_end(1, {"loss": np.float64(0.5), "val_loss": math.nan, "rates": torch.tensor([1.0, 2.0])}) is None
    )
    log.on_notice("Größer als erwartet.")
    log.on_train_end({"best_epoch": 1, "state": "finished"})
    start, epoch, notice, end = lines(path)
    assert start["event"] == "start"
    assert start["annvil"] == annvil.__version__
    assert start["torch"] == torch.__version__
    assert start["settings"]["betas"] == [0.9, 0.999]
    assert "sqrt" in start["settings"]["schedule"]
    assert (epoch["event"], epoch["epoch"], epoch["loss"], epoch["val_loss"]) == ("epoch", 1, 0.5, None)
    assert epoch["rates"] == [1.0, 2.0]
    assert notice["sentence"] == "Größer als erwartet."
    assert (end["event"], end["best_epoch"]) == ("end", 1)
    assert all(one["time"].endswith("+00:00") for one in (start, epoch, notice, end))


def test_a_second_training_appends_and_mends_a_torn_line(tmp_path):
    path = tmp_path / "events.jsonl"
    EventLog(path).on_train_begin({})
    with path.open("a") as file:
        file.write('{"event": "epo')
    EventLog(path).on_train_begin({})
    assert [line["event"] for line in lines(path)] == ["start", "start"]


def test_every_line_is_there_when_the_process_is_killed(tmp_path):
    path = tmp_path / "events.jsonl"
    program = f"""
import os, signal
from annvil.trainer.monitoring.events import EventLog
log = EventLog({str(path)!r})
log.on_train_begin({{}})
for epoch in range(1, 4):
    log.on_epoch_end(epoch, {{"loss": 1 / epoch}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [line["event"] for line in lines(path)] == ["start", "epoch", "epoch", "epoch"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match=r"cannot be written to .*file"):
        EventLog(tmp_path / "file" / "events.jsonl").on_train_begin({})
