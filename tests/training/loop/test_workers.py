"""Workers: with a single one the caller's own thread does the work, and gets its settings back."""

from __future__ import annotations

import threading

import pytest
import torch
from tests.training.helpers import equal, members, small_network, table, weights

from annvil.training import Population, Recipe, train_population
from annvil.training.loop import workers as packing
from annvil.training.loop.pack import Pack

NUMBERS, CLASSES = table()
DENORMAL = torch.ones(1, dtype=torch.int32).view(torch.float32)


def train(monkeypatch: pytest.MonkeyPatch, threads: int) -> tuple[Population, set[str]]:
    """A population of two packs, and the threads that computed its steps."""
    seen: set[str] = set()
    original = Pack.run_steps

    def watched(pack: Pack, epoch: int, until: int) -> None:
        seen.add(threading.current_thread().name)
        assert not bool(DENORMAL * 1)  # denormal numbers are flushed where steps are computed
        original(pack, epoch, until)

    monkeypatch.setattr(Pack, "run_steps", watched)
    monkeypatch.setattr(packing, "MEMBERS_FOR_A_WORKER", 1)
    recipe = Recipe(3, batch_size=32, threads=threads)
    found = train_population(small_network, (NUMBERS,), CLASSES, members(2), recipe, "cross-entropy")
    monkeypatch.undo()
    return found, seen


@pytest.mark.parametrize("flushes", [False, True])
def test_a_single_worker_is_the_caller_itself(monkeypatch: pytest.MonkeyPatch, flushes: bool) -> None:
    torch.set_flush_denormal(flushes)
    try:
        one, here = train(monkeypatch, 1)
        assert bool(DENORMAL * 1) == (not flushes)
    finally:
        torch.set_flush_denormal(False)
    two, there = train(monkeypatch, 2)
    assert here == {threading.current_thread().name}
    assert threading.current_thread().name not in there
    assert all(equal(weights(one, k), weights(two, k)) for k in range(2))


def test_a_failing_step_gives_the_settings_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(pack: Pack, epoch: int, until: int) -> None:
        raise OSError("gone")

    monkeypatch.setattr(Pack, "run_steps", failing)
    with pytest.raises(OSError, match="gone"):
        train_population(small_network, (NUMBERS,), CLASSES, members(2), Recipe(1, threads=1), "cross-entropy")
    assert bool(DENORMAL * 1)
