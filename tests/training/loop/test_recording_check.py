"""A recording is compared with PyTorch while it is used, and left for the eager way where it differs."""

from __future__ import annotations

import array
import dataclasses
import itertools
import random
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.helpers import members, small_network, table, weights
from torch import Tensor, nn
from torch.nn import functional

from annvil.errors import RequestError
from annvil.training import Member, Recipe, train_population
from annvil.training.graph import recording
from annvil.training.loop.bound_step import StepRunner
from annvil.training.loop.checks import Checks

ROWS, CLASSES = table(48)
WORLD: dict[str, Any] = {"scale": 1.0, "steps": 0}
SCALE = 1.0


@pytest.fixture(autouse=True)
def _world() -> None:
    WORLD.update(scale=1.0, steps=0)
    _set_global(1.0)


class Scaled(nn.Module):
    """A layer times what ``scale(self)`` says."""

    def __init__(self, scale: Callable[[Any], float]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.factor, self.says = nn.Linear(6, 3), 1.0, [1.0]
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.scale(self)  # type: ignore[no-any-return]


def _counted(network: Any) -> float:
    WORLD["steps"] += 1
    return 1 / float(WORLD["steps"])


def _counted_in_closure() -> Callable[[Any], float]:
    count = 0

    def scale(network: Any) -> float:
        nonlocal count
        count += 1
        return 1 / float(count)

    return scale


def _drawn(draw: Callable[[], float]) -> Callable[[Any], float]:
    return lambda network: 1 + float(draw())


def _iterated() -> Callable[[Any], float]:
    numbers = itertools.count(1)
    return lambda network: 1 / next(numbers)


def _late(network: Any) -> float:
    """Nothing to be seen at first: from the third step on another number."""
    WORLD["steps"] += 1
    return 1.0 if WORLD["steps"] < 3 else 0.5


class Slotted:
    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = 1


@dataclasses.dataclass(slots=True)
class Schedule:
    steps: int = 1
    inner: Any = None


def _after(held: Any, step: Callable[[Any], None], value: Callable[[Any], float]) -> Callable[[Any], float]:
    def scale(network: Any) -> float:
        step(held)
        return 1 / float(value(held))

    return scale


def _in_attribute(held: Any) -> Callable[[Any], float]:
    def step(one: Any) -> None:
        one.steps += 1

    return _after(held, step, lambda one: one.steps)


def _in_items(held: Any) -> Callable[[Any], float]:
    def step(one: Any) -> None:
        one[0] += 1

    return _after(held, step, lambda one: one[0])


def _in_length(held: Any, add: Callable[[Any], None]) -> Callable[[Any], float]:
    return _after(held, add, len)


def _nested(depth: int) -> Callable[[Any], float]:
    first = last = Schedule()
    for _ in range(depth):
        last.inner = Schedule()
        last = last.inner

    def inmost(held: Any) -> Any:
        while held.inner is not None:
            held = held.inner
        return held

    def step(held: Any) -> None:
        inmost(held).steps += 1

    return _after(first, step, lambda held: inmost(held).steps)


def _in_a_default() -> Callable[[Any], float]:
    def scale(network: Any, held: list[int] = [1]) -> float:  # noqa: B006 - what it remembers is the point
        held[0] += 1
        return 1 / held[0]

    scale.__defaults__ = ([1],)
    return scale


def _on_a_function() -> Callable[[Any], float]:
    def scale(network: Any) -> float:
        scale.steps += 1  # type: ignore[attr-defined]
        return 1 / scale.steps  # type: ignore[attr-defined, no-any-return]

    scale.steps = 1  # type: ignore[attr-defined]
    return scale


class Shared:
    steps = 1

    @classmethod
    def next(cls) -> float:
        cls.steps += 1
        return 1 / cls.steps


def _on_a_class() -> Callable[[Any], float]:
    Shared.steps = 1
    return lambda network: Shared.next()


CHANGING: dict[str, Callable[[], Callable[[Any], float]]] = {
    "slots": lambda: _in_attribute(Slotted()),
    "a dataclass with slots": lambda: _in_attribute(Schedule()),
    "objects nine deep": lambda: _nested(9),
    "an array of Python": lambda: _in_items(array.array("d", [1.0])),
    "bytes": lambda: _in_items(bytearray(b"\1")),
    "the length of a deque": lambda: _in_length(deque([1]), lambda held: held.append(1)),
    "the length of a list": lambda: _in_length([1], lambda held: held.append(1)),
    "a deque that is turned": lambda: _after(deque([1, 2, 4]), lambda held: held.rotate(), lambda held: held[0]),
    "the default of an argument": _in_a_default,
    "an attribute of a function": _on_a_function,
    "an attribute of a class": _on_a_class,
    "an iterator over a list": lambda: _drawn(iter([0.1 * number for number in range(100)]).__next__),
    "a counter among the globals": lambda: _counted,
    "a counter in a closure": _counted_in_closure,
    "a counter that shows late": lambda: _late,
    "an iterator": _iterated,
    "an own generator of Python": lambda: _drawn(random.Random(0).random),
    "an own generator of NumPy": lambda: _drawn(np.random.default_rng(0).random),
    "an own old generator of NumPy": lambda: _drawn(np.random.RandomState(0).rand),
    "an own generator of PyTorch": lambda: _drawn(_of_torch(torch.Generator().manual_seed(0))),
}


def _of_torch(generator: torch.Generator) -> Callable[[], float]:
    return lambda: float(np.float32(torch.empty(1).uniform_(generator=generator).numpy()[0]))


def plain(network: nn.Module, epochs: int, after: Callable[[int], None] = lambda epoch: None, loss: Any = None) -> Any:
    """The losses of a loop over one batch an epoch."""
    optimizer, losses = torch.optim.SGD(network.parameters(), 0.05), []
    for epoch in range(epochs):
        optimizer.zero_grad()
        value = (loss or functional.cross_entropy)(network(ROWS), CLASSES)
        value.backward()
        optimizer.step()
        losses.append(value.item())
        after(epoch)
    return losses


def trained(network: nn.Module, epochs: int = 5, loss: Any = None, after: Any = None, **more: Any) -> Any:
    class Listens:
        def on_epoch(self, progress: Any, look: Any) -> None:
            after(progress.epoch - 1)

    settings: dict[str, Any] = {"optimizer": "sgd", "momentum": 0.0, "nesterov": False, "shuffle": False}
    recipe = Recipe(epochs, 48, batches="exact", keep="last", **settings | more)
    listener = None if after is None else Listens()
    member = Member(np.arange(48), np.arange(0), 0, 0.05, dropout=None)
    loss = functional.cross_entropy if loss is None else loss
    return train_population(
        lambda m: network, (ROWS,), CLASSES, [member], recipe, loss, listener=listener, original=network
    )


@pytest.mark.parametrize("kind", list(CHANGING))
def test_values_that_change_with_every_step_are_used_as_they_are(kind: str) -> None:
    expected = plain(Scaled(CHANGING[kind]()), 5)
    WORLD["steps"] = 0
    result = trained(Scaled(CHANGING[kind]()))
    assert result.choices["execution"] == "eager"
    if "iterator" not in kind and kind not in (
        "an array of Python",
        "bytes",
    ):  # which nobody can turn back after it was watched
        np.testing.assert_allclose(result.histories[0]["train_loss"], expected, rtol=1e-5)


class Annealed:
    weight = 1.0

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.weight * functional.cross_entropy(outputs, targets)


class Counting(Annealed):
    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.seen += 1
        return functional.cross_entropy(outputs, targets) / self.seen


def _set_global(value: float) -> None:
    global SCALE
    SCALE = value


OUTSIDE: dict[str, tuple[Callable[[Any], float], Callable[[nn.Module, int], Any]]] = {
    "a global": (lambda network: SCALE, lambda network, epoch: _set_global(1 / (epoch + 2))),
    "within a global": (lambda network: WORLD["scale"], lambda network, epoch: WORLD.update(scale=1 / (epoch + 2))),
    "an attribute": (
        lambda network: network.factor,
        lambda network, epoch: setattr(network, "factor", 1 / (epoch + 2)),
    ),
    "within an attribute": (lambda network: network.says[0], lambda network, epoch: network.says.__setitem__(0, 0.5)),
    "a class": (
        lambda network: type(network).shared,
        lambda network, epoch: setattr(Scaled, "shared", 1 / (epoch + 2)),
    ),
}


@pytest.mark.parametrize("kind", list(OUTSIDE))
@pytest.mark.parametrize("execution", ["auto", "eager"])
def test_what_a_callback_changes_is_followed(kind: str, execution: str) -> None:
    scale, change = OUTSIDE[kind]
    losses = []
    for train in (plain, trained):
        Scaled.shared = 1.0  # type: ignore[attr-defined]
        WORLD["scale"] = 1.0
        _set_global(1.0)
        network = Scaled(scale)
        more = {} if train is plain else {"execution": execution}
        losses.append(train(network, 5, after=lambda epoch, network=network: change(network, epoch), **more))
    np.testing.assert_allclose(losses[1].histories[0]["train_loss"], losses[0], rtol=1e-5)
    assert losses[1].choices["execution"] == "eager"


def _lower(loss: Any, epoch: int) -> None:
    loss.weight = 0.1**epoch


@pytest.mark.parametrize("make", [Annealed, Counting])
def test_losses_that_change_are_followed(make: Callable[[], Any]) -> None:
    losses = []
    for train in (plain, trained):
        loss = make()
        losses.append(train(Scaled(lambda network: 1.0), 5, loss=loss, after=partial(_lower, loss)))
    np.testing.assert_allclose(losses[1].histories[0]["train_loss"], losses[0], rtol=1e-5)
    assert losses[1].choices["execution"] == "eager"


def test_who_asks_for_the_time_is_not_recorded() -> None:
    result = trained(Scaled(lambda network: 1 + 0 * time.monotonic()))
    assert result.choices["execution_because"] == "it asks for the time while it computes"


def test_a_recording_that_is_wrong_is_found_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what `vmap` needs to know of padding, the second member's gradient is wrong."""
    monkeypatch.setattr(recording, "_PADDED", {})

    def make(member: Member) -> nn.Module:
        torch.manual_seed(member.seed)
        return nn.Sequential(nn.Embedding(6, 4, padding_idx=0), nn.Flatten(), nn.Linear(24, 3))

    words = (ROWS.abs() * 2).long().clamp(max=5)
    several = [Member(np.arange(48), np.arange(0), seed, 0.05) for seed in range(3)]
    result = train_population(make, (words,), CLASSES, several, Recipe(3, 16), "cross-entropy")
    assert result.choices["execution"] == "eager"
    assert result.choices["execution_because"] == "the gradient of 0.weight is not PyTorch's in its recorded step"
    tables = [result.network(k).get_parameter("0.weight").detach() for k in range(3)]
    assert not any(table[0].any() for table in tables)
    with pytest.raises(RequestError, match=r"Sequential cannot be recorded: the gradient of 0\.weight .*; use"):
        train_population(make, (words,), CLASSES, several, Recipe(3, 16, execution="recorded"), "cross-entropy")


def test_a_recording_that_fails_is_left_and_no_step_of_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when an operation refuses rows that are not those it was recorded with; so does one that goes wrong later."""
    rows, classes = table()
    recipe = Recipe(3, 32, execution="eager")
    right = train_population(small_network, (rows,), classes, members(2), recipe, "cross-entropy")
    compute = StepRunner.compute
    for good in (0, 3):
        calls = itertools.count()

        def failing(runner: StepRunner, *batch: Any, good: int = good, calls: Any = calls) -> None:
            compute(runner, *batch)
            if not runner.job.eager and next(calls) >= good:
                runner.gradients.mul_(2)

        monkeypatch.setattr(StepRunner, "compute", failing)
        found = train_population(small_network, (rows,), classes, members(2), Recipe(3, 32), "cross-entropy")
        assert found.choices["execution"] == "eager"
        for k in range(2):
            for mine, theirs in zip(weights(found, k), weights(right, k), strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("steps", [100, 1_000, 10_000, 100_000])
def test_checks_cost_at_most_a_fiftieth_of_large_steps(steps: int) -> None:
    checks = Checks(work=1e10)
    asked = sum(checks.due(done) for done in range(1, steps + 1))
    assert 3 * asked <= 0.02 * steps
    assert asked >= 0.02 * steps / 3 - 1


class Reversed(torch.autograd.Function):
    """A gradient that is turned, less at every step: what it counts is on the class, and counted going back."""

    scale = 1.0

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        Reversed.scale *= 0.9
        return -Reversed.scale * gradient


class Turning(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, 3)
        Reversed.scale = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.last(Reversed.apply(torch.tanh(self.first(x))))  # type: ignore[no-any-return]


def test_what_a_function_of_autograd_counts_is_used_as_it_is() -> None:
    expected = plain(Turning(), 5)
    result = trained(Turning())
    assert result.choices["execution"] == "eager"
    np.testing.assert_allclose(result.histories[0]["train_loss"], expected, rtol=1e-5)


class Growing(nn.Module):
    """Keeps the means of all batches in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.register_buffer("means", torch.zeros(1, 3))

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.layer(x)
        self.means = torch.cat([self.means, outputs.detach().mean(0, keepdim=True)])
        return outputs - self.means.mean(0)


class Overwriting(nn.Module):
    """Changes in place what the gradient of exp needs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(self.layer(x)).mul_(2)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Growing, r"its buffer means is \(1, 3\) of torch.float32 before a step and \(2, 3\)"),
        (Overwriting, "PyTorch finds no gradient of its loss: one of the variables"),
    ],
)
@pytest.mark.parametrize("execution", ["auto", "eager"])
def test_what_cannot_be_trained_is_refused_with_the_reason(network: Any, reason: str, execution: str) -> None:
    with pytest.raises(RequestError, match=f"{network.__name__} cannot be trained: {reason}"):
        trained(network(), execution=execution)
