"""Whether Annvil's results are the frameworks' own, and its promises: what ``--check`` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import annvil
from annvil.training import Member, Population, Recipe, train_population
from annvil.training.batches import BatchShape, Layouts
from peers.table import GRU, IMAGES, LSTM, MIDDLE, SMALL
from peers.works import Work, keras_data, keras_network, network, tensors

STEPS = 50
CLOSE = 1e-5
"""Relative difference of a loss in float32 that counts as the same."""


def report() -> str:
    """All checks, as Markdown."""
    torch.set_num_threads(1)
    lines = [f"\n## equality\n\n| check | largest difference | at most {CLOSE:g} |\n|---|--:|--:|"]
    for work in (SMALL, MIDDLE, IMAGES, LSTM, GRU):
        lines.append(_row(f"{work.title}: loss of each of {STEPS} steps, PyTorch and AdamW", lambda w=work: _torch(w)))
    for optimizer in ("sgd", "adam", "adamw"):
        for work in (SMALL, IMAGES):
            title = f"{work.title}: loss of each of {STEPS} steps, Keras and {optimizer}"
            lines.append(_row(title, lambda w=work, o=optimizer: _keras(w, o)))
    lines.append(_row("20-64-64-2: weights after 600 steps in shuffled batches, PyTorch and AdamW", _weights))
    lines.append(_row("16 members of it together and alone: weights after 600 steps", _alone))
    try:
        lines.append(f"\nXOR in Keras, trained by annvil.train: {_xor()} of 4 right")
    except Exception as error:
        lines.append(f"\nXOR in Keras: failed: {type(error).__name__}: {error}")
    return "\n".join(lines)


def _row(title: str, check: Callable[[], float]) -> str:
    try:
        found = check()
    except Exception as error:  # a check that cannot run is shown as such, and the others still run
        return f"| {title} | failed: {type(error).__name__}: {str(error).splitlines()[0]} | **no** |"
    return f"| {title} | {found:.1e} | {'yes' if found <= CLOSE else '**no**'} |"


def _one_batch(work: Work) -> Work:
    """As many rows as a batch: an epoch is a step, so its loss is the step's."""
    return replace(work, rows=work.batch)


def _relative(mine: Iterable[float], theirs: Iterable[float]) -> float:
    return max(abs(a - b) / abs(b) for a, b in zip(mine, theirs, strict=True))


def _torch(asked: Work) -> float:
    work = _one_batch(asked)
    numbers, classes = tensors(work)
    member = Member(np.arange(work.rows), np.arange(0), 0)
    recipe = Recipe(STEPS, work.batch, precision="float32", threads=1)
    mine = train_population(lambda m: network(work), (numbers,), classes, [member], recipe, "cross-entropy")
    model, theirs = network(work), []
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(numbers), classes)
        loss.backward()
        optimiser.step()
        theirs.append(loss.item())
    return _relative(mine.histories[0]["train_loss"], theirs)


def _keras(asked: Work, optimizer: str) -> float:
    import keras
    from keras.losses import SparseCategoricalCrossentropy

    work = _one_batch(asked)
    numbers, classes = keras_data(work)
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        models.append(keras_network(work))
        models[-1].compile(optimizer=optimizer, loss=SparseCategoricalCrossentropy(from_logits=True))
    result = annvil.train(
        models[0], numbers, classes, epochs=STEPS, batch_size=work.batch, precision="float32", verbose=False
    )
    fitted = models[1].fit(numbers, classes, epochs=STEPS, batch_size=work.batch, shuffle=False, verbose=0)
    return _relative(result.history["loss"], fitted.history["loss"])


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
    annvil.train(model, X, y, epochs=10_000, batch_size=1, verbose=False)
    return int(((model.predict(X, verbose=0) > 0.5) == y).sum())
