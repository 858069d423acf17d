"""What Annvil asks of Keras' private names still means what it meant; a release that changes it is red here."""

from __future__ import annotations

from importlib.metadata import version

import pytest
import torch

keras = pytest.importorskip("keras")
from keras import layers  # noqa: E402

from annvil.trainer.keras import private  # noqa: E402


def functional(*inner):
    return keras.Sequential([layers.Input((4,)), layers.Dense(3), *inner])


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


class Training(Subclassed):
    def call(self, x, training=False):
        return self.dense(x) if training else x


def test_the_version_is_one_of_those_that_are_allowed():
    assert (3, 12) <= tuple(map(int, version("keras").split(".")[:2])) < (3, 16)


def test_layers_within_layers_are_found():
    model = functional(keras.Sequential([layers.Dense(2), layers.Dropout(0.5)]))
    kinds = sorted(type(layer).__name__ for layer in private.inner_layers(model))
    assert [kind for kind in kinds if kind != "InputLayer"] == ["Dense", "Dense", "Dropout", "Sequential"]
    assert private.inner_layers(layers.Dense(3)) == []


def test_whether_call_takes_training():
    assert private.takes_training(Training())
    assert not private.takes_training(Subclassed())


def test_what_is_spared_by_weight_decay():
    model = functional()
    optimizer = keras.optimizers.AdamW(weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(model.trainable_variables)
    decays = {variable.name: private.decays(optimizer, variable) for variable in model.trainable_variables}
    assert decays == {"kernel": True, "bias": False}


def test_a_schedule_is_seen_as_one():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    assert private.learning_rate(keras.optimizers.SGD(schedule)) is schedule
    assert float(private.learning_rate(keras.optimizers.SGD(0.25)).value) == 0.25


@pytest.mark.parametrize(
    ("layer", "shape", "drawn"),
    [
        (layers.Dropout(0.5), (2, 4), None),
        (layers.Dropout(0.5, noise_shape=(None, 1)), (2, 4), (2, 1)),
        (layers.SpatialDropout1D(0.5), (2, 4, 3), (2, 1, 3)),
    ],
)
def test_what_a_dropout_layer_draws(layer, shape, drawn):
    said = private.noise_shape(layer)(torch.zeros(shape))
    whole = (
        None if said is None else tuple(int(n) if n is not None else size for n, size in zip(said, shape, strict=True))
    )
    assert whole in (drawn, shape if drawn is None else drawn)


def test_metrics_are_seen_as_they_were_asked_for():
    model = functional()
    assert private.asked_metrics(model) == []
    model.compile(loss="mse", metrics=["mae"], weighted_metrics=["mse"])
    assert private.asked_metrics(model) == [["mae"], ["mse"]]


def test_outputs_carry_masks_and_logits():
    embedded = layers.Embedding(5, 2, mask_zero=True)(torch.tensor([[1, 0]]))
    assert private.mask_of(embedded).tolist() == [[True, False]]
    logits = torch.tensor([[1.0, 2.0]])
    assert torch.equal(private.logits_of(keras.activations.softmax(logits)), logits)
    assert private.mask_of(logits) is private.logits_of(logits) is None


def test_the_last_layer_where_it_is_known():
    last = layers.Dense(2, activation="softmax")
    assert private.last_layer(functional(last)) is last
    assert private.last_layer(Subclassed()) is None
