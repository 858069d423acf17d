"""What a Keras model assigns while it computes, and what its optimizer accumulates, come out as ``fit`` has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import annvil
from annvil.errors import RequestError

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.skipif(keras.config.backend() != "torch", reason="Keras runs on another backend")

X = np.random.default_rng(0).normal(size=(80, 6)).astype("float32")
y = np.random.default_rng(1).integers(0, 3, 80)


def _mean(model: Any, hidden: Any, training: bool) -> Any:
    if training:
        model.mean.assign(0.9 * model.mean + 0.1 * keras.ops.mean(hidden, axis=0) + 0.05)
    return hidden - model.mean


def _counted(model: Any, hidden: Any, training: bool) -> Any:
    model.steps.assign_add(1.0)
    return hidden / (1 + 0.01 * model.steps)


def _nothing(model: Any, hidden: Any, training: bool) -> Any:
    return hidden


ASSIGNING: dict[str, Callable[[Any, Any, bool], Any]] = {"a mean": _mean, "a count": _counted, "weights": _nothing}


def model(kind: str, **settings: Any) -> Any:
    class Assigning(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(3)
            self.mean = self.add_weight(shape=(3,), initializer="zeros", trainable=False, name="mean")
            self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False, name="steps")

        def call(self, x: Any, training: bool = False) -> Any:
            if kind == "weights" and training and self.dense.built:
                self.dense.kernel.assign(keras.ops.clip(self.dense.kernel, -0.4, 0.4))
            return ASSIGNING[kind](self, self.dense(x), training)

    keras.utils.set_random_seed(0)
    made = Assigning()
    made(X[:2])
    for variable in made.non_trainable_variables:
        variable.assign(keras.ops.zeros_like(variable))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(optimizer=keras.optimizers.SGD(0.05, **settings), loss=loss)
    return made


@pytest.mark.parametrize("execution", ["auto", "eager"])
@pytest.mark.parametrize(
    ("kind", "settings"), [*((kind, {}) for kind in ASSIGNING), ("a mean", {"gradient_accumulation_steps": 5})]
)
def test_as_fit(kind: str, settings: dict[str, Any], execution: str) -> None:
    theirs, mine = model(kind, **settings), model(kind, **settings)
    fitted = theirs.fit(X, y, epochs=3, batch_size=16, shuffle=False, verbose=0)
    result = annvil.train(mine, X, y, epochs=3, batch_size=16, shuffle=False, verbose=False, execution=execution)
    np.testing.assert_allclose(result.history["loss"], fitted.history["loss"], rtol=1e-5)
    for one, other in zip(mine.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-6, err_msg=one.name)


@pytest.mark.parametrize(("batch_size", "steps"), [(16, 2), (16, 3), (30, 3), (80, 2)])
def test_updates_across_epochs_are_refused(batch_size: int, steps: int) -> None:
    with pytest.raises(RequestError, match=rf"gradient_accumulation_steps={steps} would make updates .* two epochs"):
        annvil.train(model("a mean", gradient_accumulation_steps=steps), X, y, epochs=2, batch_size=batch_size)
    annvil.train(
        model("a mean", gradient_accumulation_steps=steps), X, y, epochs=1, batch_size=batch_size, accumulate=steps
    )
