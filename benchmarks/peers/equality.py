"""Whether Annvil's results are the frameworks' own, and its promises: what ``--check`` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import annvil
from annvil.tasks.base import IntArray
from annvil.training import Member, Population, Recipe, train_population
from annvil.training.loop.batches import BatchShape, Layouts
from peers.table import GRU, IMAGES, LSTM, MIDDLE, SMALL, WIDE
from peers.works import Work, keras_data, keras_network, network, tensors

STEPS = 50
CLOSE = 1e-5
"""Relative difference of a loss in float32 that counts as the same."""

RATES = {"sgd": 1e-2, "adam": 1e-4, "adamw": 1e-4}
"""Of Adam a tenth of the default: it divides by the root of the squared gradient and so turns a rounding error of a
gradient that is all but 0 into a whole step; at 1e-3 a CNN in PyTorch is 14% off itself after 50 steps if its memory
format changes (measured). So every difference stands beside what another order of rows does to the framework itself."""


def report() -> list[str]:
    """All checks, as lines of Markdown."""
    torch.set_num_threads(1)
    lines = [
        f"\nLoss of each of {STEPS} steps in float32, SGD at rate {RATES['sgd']:g}, Adam at {RATES['adam']:g}.\n",
        f"| work | beside | largest relative difference | at most {CLOSE:g} | it beside itself, rows in other orders |",
        "|---|---|--:|--:|--:|",
    ]
    for work in (SMALL, MIDDLE, IMAGES, LSTM, GRU):
        for name in ("sgd", "adamw"):
            lines.append(_row(f"{work.name} | PyTorch, {name}", lambda w=work, o=name: _torch(w, o)))
    for work in (SMALL, IMAGES):
        for name in ("sgd", "adam", "adamw"):
            lines.append(_row(f"{work.name} | Keras, {name}", lambda w=work, o=name: _keras(w, o)))
    unusual = _unusual_networks()
    for kind in unusual.KINDS:
        lines.append(_row(f"a network with {kind} | PyTorch, sgd", lambda k=kind: _unusual(unusual, k)))
    lines += [
        f"\n- {SMALL.name}, 600 steps in shuffled batches: weights beside PyTorch's within {_weights():.1e}",
        f"- 16 members of it, 600 steps: weights beside each member's alone within {_alone():.1e}",
        f"- XOR in Keras, trained by `annvil.train`: {_xor()} of 4 right",
        f"- {WIDE.title}, 15 epochs, held-out accuracy (mean over members ± standard error of their differences): "
        + _scores(),
    ]
    return lines


def _row(title: str, check: Callable[[], tuple[float, float]]) -> str:
    try:
        found, itself = check()
    except Exception as error:  # a check that cannot run is shown as such, and the others still run
        return f"| {title} | failed: {type(error).__name__}: {str(error).splitlines()[0]} | **no** | |"
    verdict = "yes" if found <= CLOSE else "as far as from itself" if found <= itself else "**no**"
    return f"| {title} | {found:.1e} | {verdict} | {itself:.1e} |"


def _one_batch(work: Work) -> Work:
    """As many rows as a batch: an epoch is a step, so its loss is the step's."""
    return replace(work, rows=work.batch)


def _orders(work: Work) -> list[IntArray]:
    """Three orders of the rows of a batch: the same loss, rounded differently."""
    random = np.random.default_rng(0)
    return [random.permutation(work.rows) for _ in range(3)]


def _relative(mine: Iterable[float], theirs: Iterable[float]) -> float:
    return max(abs(a - b) / abs(b) for a, b in zip(mine, theirs, strict=True))


def _torch(asked: Work, optimizer: str) -> tuple[float, float]:
    work = _one_batch(asked)
    numbers, classes = tensors(work)
    member = Member(np.arange(work.rows), np.arange(0), 0, learning_rate=RATES[optimizer])
    recipe = Recipe(
        STEPS, work.batch, optimizer=optimizer, momentum=0.0, nesterov=False, precision="float32", threads=1
    )
    mine = train_population(lambda m: network(work), (numbers,), classes, [member], recipe, "cross-entropy")
    theirs = _loop(work, optimizer, numbers, classes)
    itself = max(_relative(_loop(work, optimizer, numbers[o], classes[o]), theirs) for o in _orders(work))
    return _relative(mine.histories[0]["train_loss"], theirs), itself


def _unusual_networks() -> Any:
    """Those of the tests, which lie beside the benchmarks."""
    file = Path(__file__).resolve().parents[2] / "tests" / "trainer" / "unusual.py"
    spec = spec_from_file_location("unusual", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _unusual(networks: Any, kind: str) -> tuple[float, float]:
    """The mean losses of four epochs of three batches; how far a loop is from itself was not measured."""
    make, inputs = networks.KINDS[kind]
    mine, theirs = networks.alike(make)
    expected = networks.plain(theirs, inputs, 4, 16)
    return _relative(networks.trained(mine, inputs).history["loss"], expected), 0.0


def _loop(work: Work, name: str, numbers: Tensor, classes: Tensor) -> list[float]:
    model, losses = network(work), []
    make = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[name]
    optimiser = make(model.parameters(), lr=RATES[name], weight_decay=0.0)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(numbers), classes)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def _keras(asked: Work, optimizer: str) -> tuple[float, float]:
    work = _one_batch(asked)
    numbers, classes = keras_data(work)
    fixed = {"batch_size": work.batch, "epochs": STEPS}
    result = annvil.train(_compiled(work, optimizer), numbers, classes, **fixed, precision="float32", verbose=False)

    def fit(order: IntArray | slice) -> list[float]:
        model = _compiled(work, optimizer)
        fitted = model.fit(numbers[order], classes[order], **fixed, shuffle=False, verbose=0)
        return fitted.history["loss"]  # type: ignore[no-any-return]

    theirs = fit(slice(None))
    return _relative(result.history["loss"], theirs), max(_relative(fit(o), theirs) for o in _orders(work))


def _compiled(work: Work, optimizer: str) -> Any:
    import keras
    from keras.losses import SparseCategoricalCrossentropy

    keras.utils.set_random_seed(0)
    model = keras_network(work)
    model.compile(optimizer=optimizer, loss=SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = RATES[optimizer]
    return model


def _population(members: list[Member], recipe: Recipe) -> Population:
    numbers, classes = tensors(SMALL)
    return train_population(lambda m: network(SMALL, m.seed), (numbers,), classes, members, recipe, "cross-entropy")


def _members(count: int) -> list[Member]:
    return [Member(np.arange(SMALL.rows), np.arange(0), seed) for seed in range(count)]


def _weights() -> float:
    (member,), recipe = _members(1), Recipe(3, 32)
    numbers, classes = tensors(SMALL)
    model = network(SMALL)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    layouts = Layouts([member], BatchShape.of(member, recipe), None)
    for epoch in range(recipe.epochs):
        for rows in layouts.order(epoch)[:, 0].long():
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(numbers[rows]), classes[rows]).backward()
            optimiser.step()
    return _difference(_population([member], recipe).network(0).parameters(), model.parameters())


def _alone() -> float:
    members, recipe = _members(16), Recipe(3, 32)
    together = _population(members, recipe)
    return max(
        _difference(together.network(k).parameters(), _population([members[k]], recipe).network(0).parameters())
        for k in (0, 7, 15)
    )


def _difference(one: Iterable[Tensor], other: Iterable[Tensor]) -> float:
    return max(float((a - b).detach().abs().max()) for a, b in zip(one, other, strict=True))


def _xor() -> int:
    """The snippet of Keras' introductions, with a hidden layer that can."""
    import keras
    from keras.layers import Activation, Dense

    keras.utils.set_random_seed(0)
    X: Any = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype="float32")
    y = np.array([[0], [1], [1], [0]], dtype="float32")
    layers = [keras.Input((2,)), Dense(8), Activation("tanh"), Dense(1), Activation("sigmoid")]
    model = keras.Sequential(layers)
    model.compile(loss="mean_squared_error", optimizer="sgd", metrics=["accuracy"])
    annvil.train(model, X, y, epochs=4_000, batch_size=1, verbose=False)
    return int(((model.predict(X, verbose=0) > 0.5) == y).sum())


def _scores() -> str:
    """What bfloat16 products do to the score: the same members, batches and held-out rows."""
    numbers, classes = tensors(WIDE)
    train, held_out = np.arange(WIDE.rows * 4 // 5), np.arange(WIDE.rows * 4 // 5, WIDE.rows)
    members = [Member(train, held_out, seed) for seed in range(WIDE.members)]
    accuracy = {}
    for precision in ("float32", "bfloat16"):
        recipe = Recipe(15, WIDE.batch, precision=precision)
        trained = train_population(
            lambda m: network(WIDE, m.seed), (numbers,), classes, members, recipe, "cross-entropy"
        )
        right = trained.predict((numbers,), held_out).argmax(-1) == classes[held_out]
        accuracy[precision] = right.double().mean(1)
    error = float((accuracy["bfloat16"] - accuracy["float32"]).std()) / WIDE.members**0.5
    return ", ".join(f"{name} {float(each.mean()):.4f}" for name, each in accuracy.items()) + f" ± {error:.4f}"
