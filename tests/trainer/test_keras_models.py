"""A Keras model as a network of the engine computes what the model computes, and gives its weights back."""

import copy
import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import annvil  # noqa: F401  chooses Keras' backend
from annvil.errors import RequestError
from annvil.trainer.keras.model import from_keras, is_keras_model, write_back
from annvil.trainer.monitoring.layer_stats import probe_layers

keras = pytest.importorskip("keras")
pytestmark = [
    pytest.mark.skipif(keras.config.backend() != "torch", reason="Keras runs on another backend"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras' own predict
]
layers = keras.layers


def rows(n=8, seed=0):
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))


def sequential():
    return keras.Sequential(
        [layers.Input((6,)), layers.Dense(5, activation="relu"), layers.BatchNormalization(), layers.Dense(2)]
    )


def functional():
    inputs = layers.Input((6,))
    hidden = layers.LayerNormalization()(layers.Dense(8, activation="gelu")(inputs))
    return keras.Model(inputs, layers.Dense(2)(layers.Concatenate()([hidden, inputs])))


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = layers.Dense(5, activation="tanh"), layers.Dense(2)

    def call(self, x):
        return self.second(self.first(x) * 2)


class Sized(keras.Model):
    """Keras cannot make it anew: it does not know what it was made with."""

    def __init__(self, size, spare=None):
        super().__init__()
        self.dense = layers.Dense(size)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize("make", [sequential, functional, Subclassed])
def test_the_network_computes_what_the_model_computes(make):
    model, x = make(), rows()
    network = from_keras(model, (x,))
    expected = model.predict(x.numpy(), verbose=0)
    np.testing.assert_allclose(network.eval()(x).detach().numpy(), expected, rtol=1e-6, atol=1e-6)
    assert len(list(network.parameters())) == len(model.trainable_variables)


def test_the_network_has_weights_of_its_own_until_they_are_written_back():
    model, x = sequential(), rows()
    before = model.predict(x.numpy(), verbose=0)
    network = from_keras(model).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        network(x).square().sum().backward()
        optimizer.step()
    np.testing.assert_array_equal(model.predict(x.numpy(), verbose=0), before)
    write_back(model, network)
    expected = network.eval()(x).detach().numpy()
    np.testing.assert_allclose(model.predict(x.numpy(), verbose=0), expected, rtol=1e-6, atol=1e-6)
    statistics = model.layers[1].moving_mean.numpy()
    assert np.abs(statistics).max() > 0
    model.summary(print_fn=lambda line: None)


def test_statistics_of_batch_norm_move_as_kerass_own_do():
    model = keras.Sequential([layers.Input((6,)), layers.BatchNormalization(momentum=0.8)])
    x = rows()
    network = from_keras(model).train()
    network(x)
    model(x, training=True)
    for mine, variable in zip(network.kept, model.non_trainable_variables, strict=True):
        torch.testing.assert_close(mine, variable.value.detach())
    network.eval()(rows(seed=1))
    torch.testing.assert_close(network.kept[0], model.non_trainable_variables[0].value.detach())


def test_a_copy_has_weights_of_its_own_over_the_same_model():
    network = from_keras(keras.Sequential([layers.Input((6,)), layers.Dropout(0.3), layers.Dense(1)])).eval()
    other = copy.deepcopy(network)
    assert other.model is network.model
    assert not other.training
    with torch.no_grad():
        other.trained[0].add_(1)
    assert not torch.equal(other.trained[0], network.trained[0])
    assert list(other.state_dict()) == list(network.state_dict())


def test_frozen_layers_are_buffers():
    model = sequential()
    model.layers[0].trainable = False
    network = from_keras(model)
    assert len(network.trained) == 4
    assert len(network.kept) == 4  # two of the frozen layer, two of batch norm


@pytest.mark.parametrize(
    ("layer", "shape", "constant"),
    [
        (layers.Dropout(0.5), (40, 30), ()),
        (layers.SpatialDropout1D(0.5), (40, 7, 30), (1,)),
        (layers.Dropout(0.5, noise_shape=(None, 1)), (1200, 5), (1,)),
    ],
)
def test_dropout_follows_from_its_key_and_keeps_its_shape(layer, shape, constant, monkeypatch):
    model = keras.Sequential([layers.Input(shape[1:]), layer, layers.Dense(1, use_bias=False)])
    network = from_keras(model).train()
    seen = []
    monkeypatch.setitem(model.layers[1].__dict__, "call", lambda x, training=None: seen.append(x) or x)
    x = torch.ones(shape)
    network.noise[0].new_key(1)
    network(x)
    network(x)
    network.noise[0].new_key(2)
    network(x)
    first, again, other = (torch.broadcast_to(noise, shape) for noise in seen)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert float((first == 0).float().mean()) == pytest.approx(0.5, abs=0.06)
    for axis in constant:
        assert bool((first == first.select(axis, 0).unsqueeze(axis)).all())
    seen.clear()
    network.eval()(x)
    assert torch.equal(seen[0], x)
    assert "call" not in layer.__dict__


def test_losses_of_the_models_own_go_with_the_output():
    model = keras.Sequential([layers.Input((6,)), layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1))])
    output = from_keras(model)(rows())
    expected = 0.1 * float(model.layers[0].kernel.value.detach().square().sum())
    assert output.penalty.item() == pytest.approx(expected)
    assert not hasattr(from_keras(sequential())(rows()), "penalty")


def test_several_inputs_come_in_order():
    a, b = layers.Input((2,)), layers.Input((3,))
    model = keras.Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
    x, z = torch.randn(4, 2), torch.randn(4, 3)
    expected = model.predict([x.numpy(), z.numpy()], verbose=0)
    np.testing.assert_allclose(from_keras(model).eval()(x, z).detach().numpy(), expected, rtol=1e-6)


def test_new_initial_weights_follow_from_pytorchs_generator_and_touch_no_other():
    network, state = from_keras(sequential()), random.getstate()
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        network.reset_parameters()
        made.append(network.trained[0].detach().clone())
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert random.getstate() == state
    from_keras(Subclassed(), (rows(),)).reset_parameters()
    with pytest.raises(RequestError, match="pass a function that makes the model"):
        from_keras(Sized(3), (rows(),)).reset_parameters()


def test_layers_are_probed_where_keras_calls_them():
    model = keras.Sequential(
        [
            layers.Input((5, 6)),
            layers.Conv1D(4, 2, activation="relu", bias_initializer=keras.initializers.Constant(-100.0)),
            layers.LSTM(3),
            layers.Dense(2, activation="softmax"),
        ]
    )
    conv, lstm, head = probe_layers(from_keras(model), (torch.randn(7, 5, 6),))
    assert (conv.kind, conv.number, conv.units, conv.dead) == ("Conv1D", 1, 4, 4)
    assert (lstm.kind, lstm.number, len(lstm.weights)) == ("LSTM", 2, 2)
    assert (head.kind, head.units, head.dead) == ("Dense", 2, 0)
    assert all("call" not in layer.__dict__ for layer in model.layers)


def test_what_the_engine_cannot_do_is_refused_in_a_sentence():
    class Own(Subclassed):
        def train_step(self, data):
            return {}

    with pytest.raises(RequestError, match="Own has a train_step of its own"):
        from_keras(Own(), (rows(),))
    with pytest.raises(RequestError, match="no weights yet"):
        from_keras(Subclassed())
    with pytest.raises(RequestError, match=r"cannot take inputs of shapes \(2, 6\)"):
        from_keras(keras.Sequential([layers.Conv2D(2, 2), layers.Dense(1)]), (rows(),))
    limited = keras.Sequential([layers.Input((6,)), layers.Dense(1, kernel_constraint="non_neg")])
    with pytest.raises(RequestError, match="constraints"):
        from_keras(limited)
    with pytest.raises(RequestError, match="float64"):
        from_keras(keras.Sequential([layers.Input((6,)), layers.Dense(1, dtype="float64")]))
    with pytest.raises(RequestError, match="made by from_keras; got a Linear"):
        write_back(sequential(), nn.Linear(6, 2))


def test_what_is_a_keras_model_is_known_without_importing_keras():
    assert is_keras_model(sequential())
    assert not is_keras_model(nn.Linear(1, 1))
    assert not is_keras_model(sequential)
    start = "import sys; from annvil.trainer.keras.model import is_keras_model"
    assert run(f"{start}; print(is_keras_model(1), 'keras' in sys.modules)") == "False False"


def run(program, **environment):
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "KERAS_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=kept | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


CHOICE = "import os, annvil; print(os.environ.get('KERAS_BACKEND'))"


def test_keras_runs_on_pytorch_where_nobody_chose_otherwise(tmp_path):
    assert run(CHOICE, KERAS_HOME=str(tmp_path)) == "torch"
    assert run(CHOICE, KERAS_HOME=str(tmp_path), KERAS_BACKEND="jax") == "jax"
    (tmp_path / "keras.json").write_text('{"floatx": "float32", "backend": "jax"}')
    assert run(CHOICE, KERAS_HOME=str(tmp_path)) == "None"
    (tmp_path / "keras.json").write_text('{"floatx": "float32", "backend": "tensorflow"}')
    assert run(CHOICE, KERAS_HOME=str(tmp_path)) == "torch"


def test_a_model_on_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(RequestError, match=r"runs on jax.*KERAS_BACKEND=torch before keras is imported"):
        from_keras(sequential())
