"""What training leaves behind: predictions, chart, HTML, a history that outlives the process, Ctrl-C."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import annvil
from annvil.trainer.monitoring.progress import ProgressLine, interruptible
from annvil.trainer.results.charts import history_chart

X = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.5)
SVG = "{http://www.w3.org/2000/svg}"


def make() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def quick(**settings):
    return annvil.train(make, X, CLASSES, **({"epochs": 4, "validation": 0.25, "metrics": "accuracy"} | settings))


def test_the_chart_is_a_file_of_its_own_with_a_ring_at_the_best_epoch(tmp_path):
    result = quick()
    plot = result.plot(tmp_path / "training.svg")
    root = xml.fromstring((tmp_path / "training.svg").read_text(encoding="utf-8"))
    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f"{SVG}circle")) == 3  # loss, accuracy, legend
    assert f"epoch {result.best_epoch}, whose weights were kept" in plot.svg
    assert plot._repr_svg_() == plot.svg
    with pytest.raises(annvil.AnnvilError, match="The chart cannot be written to"):
        result.plot(tmp_path / "nowhere" / "training.svg")


@pytest.mark.parametrize(
    "history",
    [
        {"loss": [1.0]},
        {"loss": [float("nan")], "val_loss": [float("nan")]},
        {"loss": [1e9, 1e3, 1.0, 1e-6], "val_loss": [1e9, float("inf"), 1.0, 1e-5]},
        {"loss": [0.0, 0.0], "<b>&": [1.0, 2.0]},
        {"loss": list(np.linspace(3, 1, 5000)), "learning_rate": [0.1] * 5000},
        {"loss": []},
    ],
)
def test_charts_of_odd_histories_are_well_formed(history):
    svg = history_chart(history, 1)
    xml.fromstring(svg)
    assert "nan" not in svg.split("</style>")[1]
    assert len(svg) < 60_000


def test_notebooks_get_facts_notices_and_the_chart_with_every_text_escaped():
    y = np.array(["<b>", "&c", "d\u202e"])[CLASSES]
    html = annvil.train(make, X, y, epochs=1)._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "\u202e" not in html
    assert "<svg" in html


def test_health_and_execution_come_with_the_result():
    result = quick()
    assert result.execution == "recorded"
    assert result.execution_reason
    assert result.health.is_well
    assert [layer.name for layer in result.health.layers] == ["0", "2"]
    assert "history" not in repr(result)


def test_a_network_that_cannot_be_recorded_is_trained_eagerly_and_that_is_said(capsys):
    class Talking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, x):
            print("forward")
            return self.layer(x)

    result = annvil.train(Talking(), X, CLASSES, epochs=2)
    assert result.execution == "eager"
    assert "because the network prints while it computes." in " ".join(result.notices)
    plain = annvil.train(nn.Sequential(nn.Linear(6, 3)), X, CLASSES, epochs=2, execution="eager")
    assert plain.execution == "eager"
    assert not any("eagerly" in sentence for sentence in plain.notices)


def test_a_diverging_network_keeps_its_weights_and_says_so():
    network = make()
    before = [value.clone() for value in network.state_dict().values()]
    result = annvil.train(network, X * 1e3, X[:, :3], epochs=5, learning_rate=1e12, optimizer="sgd")
    assert result.state.startswith("diverged at epoch 1")
    assert result.best_epoch == 0
    assert np.isnan(result.score)
    assert any(sentence.startswith("Training diverged at epoch 1") for sentence in result.notices)
    assert not result.health.is_well
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from annvil.training.loop import checkpoint
from test_result import quick
checkpoint.SECONDS_BETWEEN = 0.0
quick(epochs=6, checkpoint=sys.argv[2], callbacks=lambda epoch, logs: os._exit(9) if epoch == 4 else None)
"""


def test_a_killed_training_goes_on_to_the_same_weights_with_its_whole_history(tmp_path):
    file, whole = tmp_path / "training.checkpoint", quick(epochs=6)
    done = subprocess.run([sys.executable, "-c", KILLED, str(Path(__file__).parent), str(file)], check=False)
    assert done.returncode == 9
    heard = []
    resumed = quick(epochs=6, checkpoint=file, callbacks=lambda epoch, logs: heard.append(epoch))
    assert heard[0] > 1
    assert heard[-1] == 6
    assert resumed.history == whole.history
    for mine, theirs in zip(resumed.network.state_dict().values(), whole.network.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    again = quick(epochs=6, checkpoint=file)  # nothing is left to train
    assert (again.history, again.best_epoch, again.score) == (whole.history, whole.best_epoch, whole.score)


def test_a_checkpoint_of_another_request_is_passed_over_aloud(tmp_path):
    class Heard(annvil.Callback):
        sentences = ()

        def on_notice(self, sentence):
            self.sentences += (sentence,)

    quick(checkpoint=tmp_path / "a")
    heard = Heard()
    result = quick(checkpoint=tmp_path / "a", seed=1, callbacks=heard)
    assert "belongs to another request" in heard.sentences[0]
    assert result.history == quick(seed=1).history


def test_ctrl_c_keeps_the_best_so_far():
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    result = annvil.train(make, X, CLASSES, epochs=10**7, validation=0.25)
    assert result.state == f"stopped at epoch {len(result.history['loss'])} by Ctrl-C"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_interrupts_as_usual():
    heard = []
    with interruptible(lambda: heard.append(1)):
        os.kill(os.getpid(), signal.SIGINT)
        assert heard == [1]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert heard == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_on_a_terminal_and_nothing_elsewhere():
    terminal, file, asked = Terminal(), io.StringIO(), io.StringIO()
    for stream, verbose in ((terminal, None), (file, None), (asked, True)):
        line = ProgressLine(verbose, stream)
        line.show(1, 3, {"loss": 0.5, "learning_rate": 0.1})
        line.show(2, 3, {"loss": 0.4, "learning_rate": 0.1})  # too soon to be shown
        line.say("A notice.")
        line.show(3, 3, {"loss": 0.25, "learning_rate": 0.1})
        line.end()
    assert file.getvalue() == ""
    shown = terminal.getvalue().split("\r")
    assert shown[1].startswith("epoch 1/3  loss 0.5  0.0 s")
    assert "A notice.\n" in shown[1]
    assert shown[2].startswith("epoch 3/3  loss 0.25")
    assert shown[2].endswith("\n")
    assert asked.getvalue().splitlines()[0].startswith("epoch 1/3")


def test_nothing_is_written_to_the_screen_by_default(capfd):
    quick()
    assert capfd.readouterr() == ("", "")


def test_thousands_of_epochs_do_not_spend_their_time_on_being_told():
    start = time.process_time()
    annvil.train(make, X[:16], CLASSES[:16], epochs=300, batch_size=16, metrics=["accuracy"])
    assert time.process_time() - start < 3
