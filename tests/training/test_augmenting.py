"""The engine's hook for augmentation: what it is told, what it may change, what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.helpers import ROWS, equal, members, small_network, table, weights
from torch import Tensor, nn
from torch.nn import functional

from annvil.errors import RequestError
from annvil.training import Member, Mixing, Moment, Population, Recipe, train_population
from annvil.training.loop.batches import mix
from annvil.training.losses.named import Batch
from annvil.training.losses.resolve import make_loss

NUMBERS, CLASSES = table()


@dataclass
class Jitter:
    """Adds noise that follows from the moment; mixes every row with the next one if asked."""

    mixes: bool = False
    says: str = "noise"
    heard: list[tuple[tuple[int, ...], Moment]] = field(default_factory=list)

    def __call__(self, inputs: Sequence[Tensor], rows: Tensor, moment: Moment) -> Mixing | None:
        self.heard.append((tuple(rows.shape), moment))
        members, batch = rows.shape
        for k, seed in enumerate(moment.seeds):
            chance = torch.Generator().manual_seed(mix(seed, moment.epoch, moment.step))
            inputs[0][k] += torch.randn(inputs[0][k].shape, generator=chance)
        if not self.mixes:
            return None
        partner = torch.arange(1, batch + 1).remainder(batch).expand(members, batch)
        share = torch.linspace(0.5, 1, batch).expand(members, batch)
        inputs[0].copy_(share.unsqueeze(-1) * inputs[0] + (1 - share).unsqueeze(-1) * inputs[0][:, partner[0]])
        return Mixing(partner, share)


def train(
    augment: Any, who: Sequence[Member] | None = None, epochs: int = 3, loss: Any = "cross-entropy", **more: Any
) -> Population:
    """Networks trained on the table; ``more`` is for the recipe, but for what `train_population` takes."""
    own = {name: more.pop(name) for name in ("checkpoint", "should_stop") if name in more}
    recipe = Recipe(epochs, batch_size=32, **more)
    return train_population(small_network, (NUMBERS,), CLASSES, who or members(3), recipe, loss, augment=augment, **own)


def test_it_sees_training_batches_alone_and_changes_the_result() -> None:
    jitter = Jitter()
    population = train(jitter, members(2), epochs=2)
    # Checks of the recorded step ask for some of these moments a second time, which gives the same batches.
    moments = sorted({(moment.epoch, moment.step) for _, moment in jitter.heard})
    assert moments == [(epoch, step) for epoch in range(2) for step in range(5)]
    assert {shape for shape, _ in jitter.heard} == {(2, 32)}
    assert {moment.seeds for _, moment in jitter.heard} == {(0, 1)}
    assert {moment.epochs for _, moment in jitter.heard} == {2}
    assert not equal(weights(population, 0), weights(train(None, members(2), epochs=2), 0))


@pytest.mark.parametrize("mixes", [False, True])
@pytest.mark.parametrize("execution", ["recorded", "eager"])
def test_a_member_alone_gets_the_same(execution: str, mixes: bool) -> None:
    together = train(Jitter(mixes), execution=execution)
    alone = train(Jitter(mixes), members(3)[1:2], execution=execution)
    assert equal(weights(together, 1), weights(alone, 0))


@pytest.mark.parametrize("mixes", [False, True])
def test_recorded_steps_see_what_eager_ones_see(mixes: bool) -> None:
    recorded, eager = (
        train(Jitter(mixes), execution=execution, batches="unpadded") for execution in ("recorded", "eager")
    )
    for one, other in zip(weights(recorded, 0), weights(eager, 0), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_steps_that_accumulate_are_augmented_each() -> None:
    jitter = Jitter()
    train(jitter, members(1), epochs=1, accumulate=2)
    assert list(dict.fromkeys(moment.step for _, moment in jitter.heard)) == list(range(5))


def test_after_a_stop_it_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    whole = train(Jitter(True), epochs=4)
    asked = iter(range(1, 100))
    path = tmp_path / "half.safetensors"
    train(Jitter(True), epochs=4, checkpoint=path, should_stop=lambda: next(asked) == 2)
    rest = train(Jitter(True), epochs=4, checkpoint=path)
    assert rest.states == ("finished",) * 3
    assert all(equal(weights(whole, k), weights(rest, k)) for k in range(3))


def test_a_checkpoint_of_another_augmentation_is_not_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    train(Jitter(), epochs=1, checkpoint=path)
    jitter = Jitter(says="other noise")
    train(jitter, epochs=1, checkpoint=path)
    assert jitter.heard


def test_mixed_rows_have_the_loss_of_mixed_targets() -> None:
    output, targets = torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    weight, partner = torch.softmax(torch.randn(5), 0), torch.tensor([1, 2, 3, 4, 0])
    share = torch.rand(5)
    mixing = Mixing(partner[None], share[None])
    chosen = make_loss("cross-entropy")
    checked = chosen.check(output, targets)
    buffers = chosen.buffers(1, 5)
    chosen.fill(buffers, Batch(checked[None], weight[None], torch.full((1, 1, 1), 0.1), mixing))
    own, theirs = (
        functional.cross_entropy(output, t, reduction="none", label_smoothing=0.1) for t in (targets, targets[partner])
    )
    expected = ((share * own + (1 - share) * theirs) * weight).sum()
    torch.testing.assert_close(chosen.value(output, buffers[0][0]), expected)


@pytest.mark.parametrize("loss", ["squared-error", "binary-cross-entropy"])
def test_mixed_numbers(loss: str) -> None:
    output, targets = torch.randn(5, 2), torch.rand(5, 2)
    partner, share = torch.tensor([1, 2, 3, 4, 0]), torch.rand(5)
    chosen = make_loss(loss)
    checked = chosen.check(output, targets)
    weight = torch.full((1, 5), 0.2)
    mixed, plain = chosen.buffers(1, 5), chosen.buffers(1, 5)
    chosen.fill(mixed, Batch(checked[None], weight, mixing=Mixing(partner[None], share[None])))
    chosen.fill(plain, Batch((share[:, None] * targets + (1 - share)[:, None] * targets[partner])[None], weight))
    torch.testing.assert_close(mixed[0], plain[0])


def test_a_loss_of_class_numbers_cannot_be_mixed() -> None:
    with pytest.raises(RequestError, match="mixes rows"):
        train(Jitter(True), loss=nn.CrossEntropyLoss())
    train(Jitter(), epochs=1, loss=nn.CrossEntropyLoss())


def test_bytes_stay_bytes() -> None:
    pixels = torch.randint(0, 256, (60, 4), dtype=torch.uint8)
    seen: list[torch.dtype] = []

    class Invert:
        mixes, says = False, "invert"

        def __call__(self, inputs: Sequence[Tensor], rows: Tensor, moment: Moment) -> None:
            seen.append(inputs[0].dtype)
            assert torch.equal(inputs[0], pixels[rows.long()])
            inputs[0].bitwise_not_()

    train_population(
        lambda member: nn.Linear(4, 2), (pixels,), torch.randint(0, 2, (60,)),
        [Member(ROWS[:50], ROWS[50:60], seed=0)], Recipe(1, 16), "cross-entropy", augment=Invert(),
    )  # fmt: skip
    assert set(seen) == {torch.uint8}


def test_parts_of_a_batch_are_augmented_each_by_chances_of_their_own() -> None:
    jitter = Jitter(True)
    train(jitter, members(1), epochs=1, parts=2)
    assert {shape for shape, _ in jitter.heard} == {(1, 16)}
    assert len({moment.seeds for _, moment in jitter.heard}) == 2
    together, alone = (train(Jitter(True), who, parts=2) for who in (members(3), members(3)[1:2]))
    assert equal(weights(together, 1), weights(alone, 0))
