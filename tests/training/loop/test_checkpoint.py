"""A run that was killed goes on to the same bytes; a damaged checkpoint is not believed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.helpers import equal, members, small_network, table, weights
from torch import Tensor, nn

from annvil.errors import MachineError
from annvil.training import Population, Progress, Recipe, train_population
from annvil.training.loop import checkpoint, prefetch as fetching

NUMBERS, CLASSES = table()
ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    "kills",
    [
        {"plain": 4, "rich": 2, "pictures": 1, "series": 1},
        *(pytest.param({c: 50}, marks=pytest.mark.slow) for c in ("plain", "rich", "pictures", "series", "deciding")),
    ],
    ids=" ".join,
)
def test_killed_at_random_moments_the_run_ends_with_the_same_bytes(tmp_path: Path, kills: dict[str, int]) -> None:
    script = Path(__file__).with_name("killed_run.py")
    paths = os.pathsep.join((str(ROOT), str(Path(__file__).parents[1]), *filter(None, sys.path)))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    cases = [f"{case}={count}" for case, count in kills.items()]
    subprocess.run([sys.executable, script, tmp_path, "7", *cases], check=True, env=environment, timeout=280)
    for case in kills:
        whole, killed = np.load(tmp_path / case / "whole.npz"), np.load(tmp_path / case / "killed.npz")
        assert set(whole) == set(killed)
        for name in whole:
            assert whole[name].tobytes() == killed[name].tobytes(), (case, name)
        assert len(set(whole["states"])) > 1  # some beaten, some stopped or finished


def train(
    path: Path | None, epochs: int = 6, stop_after: int | None = None, **more: Any
) -> tuple[Population, list[str]]:
    notices: list[str] = []
    asked = iter(range(1, 1000))

    def should_stop() -> bool:
        return next(asked) == stop_after

    def tell(progress: Progress) -> None:
        if progress.notice:
            notices.append(progress.notice)

    loss, numbers, classes = (
        more.pop("loss", "cross-entropy"),
        more.pop("inputs", NUMBERS),
        more.pop("targets", CLASSES),
    )
    recipe = Recipe(epochs, batch_size=32, **more)
    population = train_population(
        small_network, (numbers,), classes, members(2), recipe, loss,
        should_stop=should_stop, checkpoint=path, tell=tell,
    )  # fmt: skip
    return population, notices


def test_after_a_stop_the_run_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    whole, _ = train(None)
    part, _ = train(path, stop_after=2)
    rest, notices = train(path)
    assert part.states == ("stopped at epoch 2",) * 2
    assert rest.states == ("finished",) * 2
    assert notices == []
    assert all(equal(weights(whole, k), weights(rest, k)) for k in range(2))
    assert rest.histories == whole.histories


def test_a_finished_run_is_only_read_again(tmp_path: Path) -> None:
    whole, _ = train(tmp_path / "run.safetensors")
    again, _ = train(tmp_path / "run.safetensors", stop_after=1)
    assert again.states == ("finished",) * 2
    assert equal(weights(whole, 0), weights(again, 0))


@pytest.mark.parametrize("damage", ["torn", "flipped", "empty", "no checkpoint at all"])
def test_a_damaged_newest_file_falls_back_to_the_one_before(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
    path = tmp_path / "run.safetensors"
    whole, _ = train(None)
    train(path, stop_after=4)
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    damaged = {"torn": content[:-100], "flipped": content, "empty": b"", "no checkpoint at all": b"{}" * 50}[damage]
    path.write_bytes(bytes(damaged))
    rest, notices = train(path)
    assert notices == ["The checkpoint run.safetensors is damaged. Going on from run.safetensors.previous."]
    assert all(equal(weights(whole, k), weights(rest, k)) for k in range(2))


def test_when_both_generations_are_damaged_it_starts_anew_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    for name in ("run.safetensors", "run.safetensors.previous"):
        (tmp_path / name).write_bytes(b"nothing")
    population, notices = train(path)
    assert notices[0].endswith("The checkpoint run.safetensors.previous is damaged. Starting anew.")
    assert equal(weights(population, 0), weights(train(None)[0], 0))


def test_the_damaged_file_never_takes_the_place_of_the_good_one(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    saver = checkpoint.Checkpoint(path, "request")
    for epoch in (1, 2):
        saver.save(checkpoint.Saved({"epoch": epoch}, {}))
    path.write_bytes(b"torn")
    after_the_crash = checkpoint.Checkpoint(path, "request")
    saved, _ = after_the_crash.load()
    assert saved is not None
    assert saved.facts == {"epoch": 1}
    after_the_crash.save(checkpoint.Saved({"epoch": 3}, {}))
    path.write_bytes(b"torn again")
    saved, _ = checkpoint.Checkpoint(path, "request").load()
    assert saved is not None
    assert saved.facts == {"epoch": 1}


def test_a_checkpoint_of_another_request_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    train(path)
    population, notices = train(path, schedule="cosine")
    assert notices[0].startswith("The checkpoint run.safetensors belongs to another request.")
    assert equal(weights(population, 0), weights(train(None, schedule="cosine")[0], 0))


def test_a_schedule_of_ones_own_is_known_by_its_values(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    whole, _ = train(None, schedule=lambda t: 1 - t)
    train(path, stop_after=2, schedule=lambda t: 1 - t)
    rest, notices = train(path, schedule=lambda t: 1 - t)
    assert notices == []
    assert all(equal(weights(whole, k), weights(rest, k)) for k in range(2))
    _, notices = train(path, schedule=lambda t: 1 - t / 2)
    assert notices[0].startswith("The checkpoint run.safetensors belongs to another request.")


class Leaning(nn.Module):
    """Cross-entropy that counts one class more than the others."""

    def __init__(self, lean: float, wanted: int = 2) -> None:
        super().__init__()
        self.weights = torch.ones(3)
        self.weights[wanted] = lean

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output, target, self.weights, reduction="none")


def clipped(most: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def loss(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return (nn.functional.cross_entropy(output, target, reduction="none").clamp(max=most) * weight).sum()

    return loss


@pytest.mark.parametrize(
    ("mine", "same", "other"),
    [
        (Leaning(1.5), Leaning(1.5), Leaning(1.6)),
        (Leaning(1.5, 0), Leaning(1.5, 0), Leaning(1.5, 1)),
        (clipped(3.0), clipped(3.0), clipped(3.5)),
        (
            nn.CrossEntropyLoss(),
            lambda output, target: nn.functional.cross_entropy(output, target),
            nn.CrossEntropyLoss(label_smoothing=0.1),
        ),
    ],
)
def test_a_loss_of_ones_own_is_known_by_what_it_says(tmp_path: Path, mine: Any, same: Any, other: Any) -> None:
    path = tmp_path / "run.safetensors"
    whole, _ = train(None, loss=mine)
    train(path, stop_after=2, loss=mine)
    rest, notices = train(path, loss=same)
    assert notices == []
    assert all(equal(weights(whole, k), weights(rest, k)) for k in range(2))
    _, notices = train(path, loss=other)
    assert notices[0].startswith("The checkpoint run.safetensors belongs to another request.")


def test_of_a_mapped_file_the_rows_that_are_used_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SMALL", 0)
    monkeypatch.setattr(fetching, "READ_FROM", 8)
    monkeypatch.setattr(checkpoint, "_BLOCK", 1000)
    path = tmp_path / "run.safetensors"
    np.save(tmp_path / "numbers.npy", np.concatenate([NUMBERS.numpy(), NUMBERS.numpy()]))
    numbers = torch.from_numpy(np.load(tmp_path / "numbers.npy", mmap_mode="r+"))
    more: dict[str, Any] = {"inputs": numbers, "targets": torch.cat([CLASSES, CLASSES])}
    train(path, stop_after=2, **more)
    numbers[250] += 1  # members learn from rows 0 to 139 and are judged on 140 to 199
    rest, notices = train(path, **more)
    assert notices == []
    assert all(equal(weights(train(None)[0], k), weights(rest, k)) for k in range(2))
    numbers[7] += 1
    _, notices = train(path, **more)
    if fetching.Mapping.of(numbers) is not None:
        assert notices[0].startswith("The checkpoint run.safetensors belongs to another request.")


def test_a_disk_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("annvil.files.os.fsync", full)
    with pytest.raises(MachineError, match="No space left on device"):
        train(tmp_path / "run.safetensors")
    assert list(tmp_path.iterdir()) == []
