"""Inputs, targets and weights of every shape; what cannot be used is one clear sentence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.helpers import seeded, weights
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.training import Member, Population, Recipe, train_population

GENERATOR = torch.Generator().manual_seed(0)
N = 96
BYTES = torch.randint(0, 256, (N, 1, 4, 4), generator=GENERATOR, dtype=torch.uint8)
TABLE = torch.randn(N, 4, generator=GENERATOR)
CODES = torch.randint(0, 5, (N, 2), generator=GENERATOR)
STEPS = torch.randn(N, 6, 3, generator=GENERATOR)
CLASSES = (TABLE[:, 0] > 0).long()
OF_STEPS = (STEPS.sum(2) > 0).long()
MASK = (torch.rand(N, 6, generator=GENERATOR) > 0.3).float()
ROWS = np.arange(N)
MEMBERS = [Member(ROWS[:70], ROWS[70:], k, 0.02) for k in range(3)]


def train(
    network: Callable[[], nn.Module], inputs: tuple[Tensor, ...], targets: Tensor, loss: Any, **more: Any
) -> Population:
    recipe = Recipe(more.pop("epochs", 3), batch_size=32, **{k: more.pop(k) for k in list(more) if k != "weights"})
    return train_population(lambda m: seeded(network(), m.seed), inputs, targets, MEMBERS, recipe, loss, **more)


def dense(inputs: int, outputs: int) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Flatten(), nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))


@pytest.mark.parametrize("execution", ["auto", "eager"])
def test_bytes_reach_the_network_as_fractions(execution: str) -> None:
    of_bytes = train(dense(16, 2), (BYTES,), CLASSES, "cross-entropy", execution=execution)
    of_floats = train(dense(16, 2), (BYTES.float() / 255,), CLASSES, "cross-entropy", execution=execution)
    for mine, theirs in zip(weights(of_bytes, 1), weights(of_floats, 1), strict=True):
        assert torch.equal(mine, theirs)
    assert torch.equal(of_bytes.predict((BYTES,)), of_floats.predict((BYTES.float() / 255,)))


class Widening(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.uint8
        return self.layer(x.flatten(1).float() / 128 - 1)  # type: ignore[no-any-return]


def test_bytes_can_reach_the_network_as_they_are() -> None:
    result = train(Widening, (BYTES,), CLASSES, "cross-entropy", byte_inputs="integers")
    assert result.choices["execution"] == "recorded"
    assert result.predict((BYTES,)).shape == (3, N, 2)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(5, 3), nn.Linear(10, 2)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        return self.layer(torch.cat([numbers, self.table(codes).flatten(1)], 1))  # type: ignore[no-any-return]


def test_several_inputs() -> None:
    result = train(Two, (TABLE, CODES), CLASSES, "cross-entropy", epochs=10)
    assert all(history["train_loss"][-1] < 0.8 * history["train_loss"][0] for history in result.histories)
    torch.testing.assert_close(result.predict((TABLE, CODES))[2], result.network(2)(TABLE, CODES))


class Steps(nn.Module):
    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.recurrent, self.out = nn.GRU(3, 6, batch_first=True), nn.Linear(6, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.recurrent(x)[0])  # type: ignore[no-any-return]


def test_a_mask_hides_positions_in_training_and_validation() -> None:
    """What stands under the mask changes nothing; the loss is the mean over what is left."""
    one = train(Steps, (STEPS,), OF_STEPS, "cross-entropy", weights=MASK)
    other = train(Steps, (STEPS,), OF_STEPS.masked_fill(MASK == 0, 77), "cross-entropy", weights=MASK)
    assert all(torch.equal(a, b) for a, b in zip(weights(one, 0), weights(other, 0), strict=True))
    outputs = one.network(0)(STEPS[70:])
    losses = nn.functional.cross_entropy(outputs.transpose(1, 2), OF_STEPS[70:], reduction="none")
    assert one.best_epochs[0] == 3
    assert one.validation_loss[0] == pytest.approx(((losses * MASK[70:]).sum() / MASK[70:].sum()).item(), rel=1e-4)


def test_a_mask_with_accumulated_steps_counts_positions() -> None:
    """Two steps to an update are one step of twice the rows, whatever share of them is masked."""
    settings: dict[str, Any] = {"optimizer": "sgd", "batches": "exact", "shuffle": False, "weights": MASK}
    two = train(Steps, (STEPS,), OF_STEPS, "cross-entropy", accumulate=3, **settings)
    whole = train_population(
        lambda m: seeded(Steps(), m.seed), (STEPS,), OF_STEPS, MEMBERS,
        Recipe(3, batch_size=70, optimizer="sgd", batches="exact", shuffle=False), "cross-entropy", weights=MASK,
    )  # fmt: skip
    for mine, theirs in zip(weights(two, 0), weights(whole, 0), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.functional.cross_entropy])
def test_a_loss_of_pytorch_is_used_as_it_is(loss: Any) -> None:
    result = train(dense(4, 2), (TABLE,), CLASSES, loss, epochs=10)
    assert result.choices["batches"] == "unpadded"
    assert "takes no weights" in result.choices["batches_because"]
    named = train(dense(4, 2), (TABLE,), CLASSES, "cross-entropy", epochs=10, batches="unpadded")
    for mine, theirs in zip(weights(result, 1), weights(named, 1), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
    assert result.validation_loss == pytest.approx(named.validation_loss, rel=1e-5)


def test_a_loss_of_each_row_is_weighted_and_padded() -> None:
    row_weights = torch.rand(N, generator=GENERATOR)
    loss = nn.CrossEntropyLoss(reduction="none")
    own = train(dense(4, 2), (TABLE,), CLASSES, loss, weights=row_weights)
    named = train(dense(4, 2), (TABLE,), CLASSES, "cross-entropy", weights=row_weights)
    assert "batches" not in own.choices
    for mine, theirs in zip(weights(own, 1), weights(named, 1), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LazyLinear(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)  # type: ignore[no-any-return]


class Pair(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input), input  # type: ignore[return-value]


class Summed(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).sum(0)


class Locked(nn.Linear):
    def __init__(self) -> None:
        super().__init__(4, 2)
        self.lock = threading.Lock()


class Failing(nn.Linear):
    """Only in training."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[:, :3] if self.training else input)


@pytest.mark.parametrize(
    ("network", "inputs", "targets", "more", "message"),
    [
        (lambda: seeded(nn.ReLU(), 0), TABLE, CLASSES, {}, "ReLU has no parameters"),
        (lambda: Pair(4, 2), TABLE, CLASSES, {}, "Pair must return a tensor with .*; got a tuple"),
        (lambda: Summed(4, 3), TABLE, CLASSES, {}, r"Summed must return a tensor with the rows .*; got \(3,\)"),
        (Locked, TABLE, CLASSES, {}, "Locked cannot be copied, and every member needs a copy"),
        (lambda: Failing(4, 2), TABLE, CLASSES, {}, "Failing cannot be trained on a batch of 4 rows: mat1 and mat2"),
        (dense(4, 2), STEPS[:, :, :1], CLASSES, {}, r"Sequential cannot take inputs of shapes \(2, 6, 1\) \(two"),
        (dense(4, 2), TABLE, CLASSES, {"weights": torch.ones(N, 6)}, r"one for each row; got shape \(96, 6\)"),
        (Steps, STEPS, OF_STEPS, {"weights": torch.ones(N, 5)}, r"or of shape \(96, 6\), one for each position; got"),
        (dense(4, 2), TABLE, CLASSES, {"execution": "asphalt"}, "execution must be 'auto' or 'recorded' or 'eager'"),
        (dense(4, 2), TABLE, CLASSES, {"batches": "exactly"}, "must be 'equal' or 'unpadded' or 'trimmed' or 'exact'"),
        (dense(4, 2), TABLE, CLASSES, {"byte_inputs": "bits"}, "byte_inputs must be 'fractions' or 'integers'"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_one_sentence(
    network: Callable[[], nn.Module], inputs: Tensor, targets: Tensor, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        train(network, (inputs,), targets, "cross-entropy", **more)


def test_layers_of_unknown_size_are_named() -> None:
    with pytest.raises(RequestError, match="Lazy has layers whose size is not known yet; call it once"):
        train_population(lambda m: Lazy(), (TABLE,), CLASSES, MEMBERS, Recipe(1), "cross-entropy")
