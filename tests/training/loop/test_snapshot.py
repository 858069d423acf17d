"""Listeners look and stop, a metric chooses: each against the same done by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.helpers import ROWS, equal, members, small_network, table, weights
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.training import Look, Member, Population, Progress, Recipe, train_population
from annvil.training.loop import run as running, workers as packing
from annvil.training.loop.batches import BatchShape, Layouts

NUMBERS, CLASSES = table()


class Hear:
    """A listener made of a function."""

    def __init__(self, hear: Callable[[Progress, Look], bool | None]) -> None:
        self.hear = hear

    def on_epoch(self, progress: Progress, look: Look) -> bool | None:
        return self.hear(progress, look)


def train(population: list[Member], recipe: Recipe, hear: Any = None, **more: Any) -> Population:
    listener = None if hear is None else Hear(hear)
    return train_population(
        small_network, (NUMBERS,), CLASSES, population, recipe, "cross-entropy", listener=listener, **more
    )


@pytest.mark.parametrize("average", [None, 0.9])
def test_the_networks_and_outputs_are_those_that_were_validated(average: float | None) -> None:
    heard: list[int] = []

    def hear(progress: Progress, look: Look) -> None:
        heard.append(progress.epoch)
        assert look.training == (0, 1, 2)
        outputs = look.predict((NUMBERS,), ROWS[140:])
        assert outputs.shape == (3, 60, 3)
        for k in range(3):
            by_hand = look.network(k)(NUMBERS[140:])
            torch.testing.assert_close(outputs[k], by_hand.detach(), rtol=1e-5, atol=1e-5)
            loss = nn.functional.cross_entropy(by_hand, CLASSES[140:]).item()
            assert progress.validation_loss[k] == pytest.approx(loss, rel=1e-5)

    watched = train(members(3, learning_rate=0.02), Recipe(3, batch_size=32, average=average), hear)
    unwatched = train(members(3, learning_rate=0.02), Recipe(3, batch_size=32, average=average))
    assert heard == [1, 2, 3]
    assert all(equal(weights(watched, k), weights(unwatched, k)) for k in range(3))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_gradients_are_those_of_the_last_update(accumulate: int) -> None:
    """At a learning rate of 0 the weights never move, so autograd on the epoch's last rows must say the same."""
    population = [Member(ROWS[:140], ROWS[140:], seed, 0.0) for seed in range(2)]
    seen: list[dict[str, Tensor]] = []
    recipe = Recipe(1, batch_size=35, accumulate=accumulate, clip_norm=1e-3, optimizer="sgd")
    train(population, recipe, lambda progress, look: seen.extend(look.gradients(k) for k in range(2)))
    for k, member in enumerate(population):
        rows = Layouts([member], BatchShape.of(member, Recipe(1, batch_size=35)), None).order(0)
        last = torch.cat([rows[step, 0, :35] for step in range(4 - accumulate, 4)]).long()
        network = small_network(member)
        nn.functional.cross_entropy(network(NUMBERS[last]), CLASSES[last]).backward()  # type: ignore[no-untyped-call]
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(seen[k][name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_a_listener_stops_a_member_and_then_all() -> None:
    def hear(progress: Progress, look: Look) -> bool:
        if progress.epoch == 2:
            look.stop(1)
            look.stop(2, "because its layer 3 is dead")
            assert look.training == (0,)
            assert look.gradients(1) == {}
        return progress.epoch == 5

    population = train(members(3), Recipe(9, batch_size=32), hear)
    assert population.states == (
        "stopped at epoch 5 by the listener",
        "stopped at epoch 2 by the listener",
        "stopped at epoch 2 because its layer 3 is dead",
    )
    assert not population.cut_short
    assert [len(history["train_loss"]) for history in population.histories] == [5, 2, 2]
    for k, epochs in enumerate((5, 2, 2)):
        alone = train(members(3), Recipe(9, batch_size=32), lambda progress, look, n=epochs: progress.epoch == n)
        for mine, theirs in zip(weights(population, k), weights(alone, k), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_of_a_member_that_has_stopped_the_best_weights_are_shown() -> None:
    shown: list[list[Tensor]] = []

    def hear(progress: Progress, look: Look) -> None:
        if progress.epoch == 1:
            look.stop(0)
        shown.append([value.detach() for value in look.network(0).state_dict().values()])

    population = train(members(3), Recipe(4, batch_size=32), hear)
    assert all(equal(now, weights(population, 0)) for now in shown)
    shown.clear()
    population = train(members(2), Recipe(4, batch_size=32), hear)  # half have stopped: it has left the pack
    assert all(equal(now, weights(population, 0)) for now in shown)


def accuracy(outputs: Tensor, rows: Tensor) -> Tensor:
    return (outputs.argmax(-1) == CLASSES[rows]).float().mean(1)


def test_the_metric_chooses_the_best_epoch() -> None:
    population = train(
        members(3, learning_rate=0.05), Recipe(30, batch_size=32, monitor="metric", patience=4), metric=accuracy
    )
    chosen = set()
    for k, history in enumerate(population.histories):
        values = history["metric"]
        best = len(values) - int(np.argmax(values[::-1]))
        assert population.best_epochs[k] == best
        assert len(values) == min(30, best + 4)
        assert population.validation_loss[k] == history["validation_loss"][best - 1]
        network = population.network(k)
        assert accuracy(network(NUMBERS[140:])[None], torch.arange(140, 200)).item() == pytest.approx(max(values))
        chosen.add(best == len(values) - int(np.argmin(history["validation_loss"][::-1])))
    assert False in chosen  # the loss would have chosen otherwise


def test_members_with_unlike_validation_rows_are_measured_apart() -> None:
    shapes: list[tuple[int, ...]] = []

    def metric(outputs: Tensor, rows: Tensor) -> list[float]:
        shapes.append((*outputs.shape[:2], *rows.shape))
        return [float(mine.min()) for mine in rows]

    heard: list[Progress] = []
    population = [Member(ROWS[:140], rows, 0) for rows in (ROWS[140:], ROWS[145:], ROWS[:0], ROWS[141:196])]
    result = train(population, Recipe(1), metric=metric, tell=heard.append)
    np.testing.assert_array_equal(heard[0].metric, [140, 145, np.nan, 141])
    assert sorted(shapes) == [(1, 60, 1, 60), (2, 55, 2, 55)]
    assert result.histories[3]["metric"] == [141]
    assert math.isnan(result.histories[2]["metric"][0])


def test_a_metric_that_cannot_be_used_is_one_sentence() -> None:
    with pytest.raises(RequestError, match=r"one number for each of the 2 members .* got an array of shape \(\)"):
        train(members(2), Recipe(1), metric=lambda outputs, rows: 0.5)
    with pytest.raises(RequestError, match="monitor='metric' needs a metric"):
        train(members(2), Recipe(1, monitor="metric"))


def test_those_that_stop_make_room_so_that_the_rest_is_less_work(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[list[int]] = []
    real = running.PopulationRun._one_epoch

    def spy(self: running.PopulationRun, *arguments: Any) -> bool:
        sizes.append([len(pack.numbers) for pack in self.pool.packs])
        return real(self, *arguments)

    monkeypatch.setattr(running.PopulationRun, "_one_epoch", spy)

    def hear(progress: Progress, look: Look) -> None:
        for k in look.training[: len(look.training) // 2]:
            look.stop(k)

    train(members(8), Recipe(4), hear)
    assert sizes == [[8], [4], [2], [1]]


def test_what_was_stopped_stays_stopped_after_a_stop_of_the_run(tmp_path: Path) -> None:
    def hear(progress: Progress, look: Look) -> None:
        if progress.epoch == 2:
            look.stop(1)

    whole = train(members(3), Recipe(6, batch_size=32), hear, metric=accuracy)
    calls = iter(range(1, 100))
    path = tmp_path / "run.safetensors"
    train(
        members(3),
        Recipe(6, batch_size=32),
        hear,
        metric=accuracy,
        checkpoint=path,
        should_stop=lambda: next(calls) == 3,
    )
    rest = train(members(3), Recipe(6, batch_size=32), hear, metric=accuracy, checkpoint=path)
    assert rest.states == whole.states
    assert rest.histories == whole.histories
    assert all(equal(weights(whole, k), weights(rest, k)) for k in range(3))


def waves_of(monkeypatch: pytest.MonkeyPatch, wave_members: int, **more: Any) -> Population:
    """Eleven members in packs of two, in waves that hold so many members."""
    monkeypatch.setattr(packing, "MOST_MEMBERS", 2)
    made = [Member(ROWS[:140], ROWS[140:], seed, 0.01) for seed in range(11)]
    each = 4 * 4 * 144  # 130 parameters, 4 arrays; blocks of 2 members are filled up to cache lines
    room = 1.01 * wave_members * each / packing.MOST_OF_ROOM
    monkeypatch.setattr(running, "available_bytes", lambda: room)
    return train(made, Recipe(4, batch_size=32, threads=1), **more)


def test_members_that_do_not_fit_train_one_wave_after_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = waves_of(monkeypatch, 100)
    assert "waves" not in whole.choices
    notices: list[str] = []
    parts = waves_of(monkeypatch, 4, tell=lambda progress: notices.append(progress.notice))
    assert parts.choices["waves"] == 3
    assert "one wave after another" in parts.choices["waves_because"]
    assert notices == [f"Wave {wave} of 3." for wave in (1, 2, 3) for _ in range(4)]
    assert parts.states == ("finished",) * 11
    assert parts.histories == whole.histories
    assert all(equal(weights(whole, k), weights(parts, k)) for k in range(11))


def test_a_listener_that_ends_all_ends_the_waves_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def hear(progress: Progress, look: Look) -> bool:
        heard.append(progress.notice)
        return progress.epoch == 2

    parts = waves_of(monkeypatch, 4, hear=hear)
    assert heard == ["Wave 1 of 3."] * 2
    assert parts.states.count("stopped at epoch 2 by the listener") == 3  # of packs of 1, 2, 2, …, two fit
    assert parts.states.count("stopped at epoch 0 by the listener") == 8
    assert not parts.cut_short


def test_waves_are_resumed_and_those_not_reached_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    whole = waves_of(monkeypatch, 100)
    calls = iter(range(1, 100))
    part = waves_of(monkeypatch, 4, checkpoint=path, should_stop=lambda: next(calls) == 5)
    assert part.cut_short
    assert sorted(set(part.states)) == ["finished", "stopped at epoch 0: its turn had not come", "stopped at epoch 2"]
    assert part.best_epochs.min() == 0
    rest = waves_of(monkeypatch, 100, checkpoint=path)  # the waves stay as they were
    assert rest.choices["waves"] == 3
    assert rest.histories == whole.histories
    assert all(equal(weights(whole, k), weights(rest, k)) for k in range(11))
