"""`annvil.train` on a Keras model does what its own `fit` does: loss after loss, and the weights in the end."""

import warnings

import numpy as np
import pytest
import torch

import annvil
from annvil.errors import RequestError
from annvil.trainer.keras.compile import Steps, compiled
from annvil.trainer.keras.losses import row_losses

keras = pytest.importorskip("keras")
pytestmark = [
    pytest.mark.skipif(keras.config.backend() != "torch", reason="Keras runs on another backend"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras' own predict
]
layers, losses, optimizers = keras.layers, keras.losses, keras.optimizers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
NUMBERS = (X[:, :1] * X[:, 1:2] + X[:, 2:3]).astype("float32")
YES = (NUMBERS > 0).astype("float32")
CLASSES = np.digitize(NUMBERS[:, 0], [-0.5, 0.5])
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]


@pytest.fixture(autouse=True)
def _one_thread():
    """Threads that wait for each other make Keras' small steps twenty times as long where others use the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@keras.saving.register_keras_serializable()
def distance(truth, output):
    return keras.ops.abs(truth - output)


def dense(outputs, activation=None, **options):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, activation="tanh", **options),
            layers.Dense(outputs, activation=activation),
        ]
    )


def by_keras(model, y, batch_size, epochs):
    """The mean over each epoch's rows of the losses that the steps of `fit` tell, as `fit` has it."""
    told = []
    for _ in range(epochs):
        batches, sizes = [], []
        for start in range(0, len(X), batch_size):
            model.reset_metrics()
            part = slice(start, start + batch_size)
            batches.append(float(model.train_step((torch.tensor(X[part]), torch.tensor(y[part])))["loss"]))
            sizes.append(len(X[part]))
        told.append(np.average(batches, weights=sizes))
    return np.array(told)


def both(model, y, batch_size=40, epochs=50, rtol=1e-5):
    """Train the model by annvil and a copy of it by Keras, on the same batches."""
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    optimizer = optimizers.deserialize(optimizers.serialize(model.optimizer))
    other.compile(loss=model.loss, optimizer=optimizer)
    result = annvil.train(
        model, X, y, epochs=epochs, batch_size=batch_size, shuffle=False, precision="float32", verbose=False
    )
    np.testing.assert_allclose(result.history["loss"], by_keras(other, y, batch_size, epochs), rtol=rtol)
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=20 * rtol, atol=20 * rtol)
    return result


@pytest.mark.parametrize(
    ("outputs", "activation", "loss", "y"),
    [
        (1, None, "mean_squared_error", NUMBERS),
        (1, None, "mse", NUMBERS[:, 0]),
        (1, None, losses.Huber(delta=0.5), NUMBERS),
        (1, None, distance, NUMBERS),
        (1, None, losses.MeanSquaredError(reduction="sum"), NUMBERS),
        (1, "sigmoid", "binary_crossentropy", YES),
        (1, None, losses.BinaryCrossentropy(from_logits=True), YES),
        (3, "softmax", "categorical_crossentropy", ONE_HOT),
        (3, "softmax", losses.CategoricalCrossentropy(label_smoothing=0.1), ONE_HOT),
        (3, "softmax", "sparse_categorical_crossentropy", CLASSES),
        (3, None, losses.SparseCategoricalCrossentropy(from_logits=True), CLASSES),
        (3, "softmax", "crossentropy", CLASSES),
    ],
)
def test_every_loss_falls_as_kerass_own(outputs, activation, loss, y):
    model = dense(outputs, activation)
    model.compile(loss=loss, optimizer=optimizers.SGD(0.001 if getattr(loss, "reduction", "") == "sum" else 0.1))
    both(model, y)


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.SGD(0.05, momentum=0.9),
        optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        optimizers.SGD(0.05, weight_decay=0.1),
        optimizers.Adam(1e-2),
        optimizers.Adam(1e-2, global_clipnorm=0.1),
        optimizers.Adam(1e-2, clipnorm=0.05),
        optimizers.Adam(1e-2, clipvalue=0.01),
        optimizers.AdamW(1e-2, weight_decay=0.1),
        optimizers.Adam(optimizers.schedules.ExponentialDecay(1e-2, decay_steps=20, decay_rate=0.5)),
        optimizers.RMSprop(1e-3),
        optimizers.RMSprop(1e-3, momentum=0.5, rho=0.8),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_every_optimiser_moves_as_kerass_own(optimizer):
    model = dense(1)
    model.compile(loss="mse", optimizer=optimizer)
    both(model, NUMBERS, rtol=2e-5 if isinstance(optimizer, optimizers.RMSprop) else 1e-5)


def test_small_batches_with_a_smaller_last_one_are_kerass_own():
    model = dense(1)
    model.compile(loss="mse", optimizer="adam")
    both(model, NUMBERS, batch_size=16, epochs=17)


def test_statistics_of_batch_norm_end_in_the_model():
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [layers.Input((6,)), layers.Dense(8), layers.BatchNormalization(momentum=0.9), layers.ReLU(), layers.Dense(1)]
    )
    model.compile(loss="mse", optimizer=optimizers.SGD(0.05))
    both(model, NUMBERS, batch_size=16, epochs=10)


def test_losses_of_the_models_own_count():
    model = dense(1, kernel_regularizer=keras.regularizers.L2(0.05))
    model.compile(loss="mse", optimizer=optimizers.SGD(0.05))
    both(model, NUMBERS)


@pytest.mark.parametrize("kind", ["LSTM", "Conv1D", "masked"])
def test_sequences_are_learnt_as_by_keras(kind):
    keras.utils.set_random_seed(3)
    inner = {
        "LSTM": [layers.Reshape((3, 2)), layers.LSTM(4)],
        "Conv1D": [layers.Reshape((6, 1)), layers.Conv1D(4, 3, activation="relu"), layers.GlobalAveragePooling1D()],
        "masked": [layers.Reshape((6, 1)), layers.Masking(), layers.Dense(3)],
    }[kind]
    model = keras.Sequential([layers.Input((6,)), *inner, layers.Dense(1)])
    model.compile(loss="mse", optimizer=optimizers.SGD(0.05))
    both(model, np.repeat(NUMBERS[:, None], 6, axis=1) if kind == "masked" else NUMBERS, epochs=10)


def test_xor_is_learnt_from_the_snippet_of_kerass_own_introduction(capsys):
    from keras.layers import Activation, Dense
    from keras.models import Sequential

    table = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    keras.utils.set_random_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras would rather see an Input layer
        model = Sequential([Dense(8, input_shape=(2,)), Activation("tanh"), Dense(1), Activation("sigmoid")])
    model.compile(loss="mean_squared_error", optimizer="sgd", metrics=["accuracy"])
    result = annvil.train(model, *table, epochs=200, learning_rate=0.5, momentum=0.9)
    model.summary()
    assert "Total params: 33" in capsys.readouterr().out
    assert (model.predict(table[0], verbose=0)[:, 0] > 0.5).astype(int).tolist() == table[1].tolist()
    assert result.history["accuracy"][-1] == 1


def test_metrics_are_kerass_own():
    model = dense(3, "softmax")
    top = keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top2")
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy", top])
    result = annvil.train(model, X[:30], CLASSES[:30], validation=(X[30:], CLASSES[30:]), epochs=3, restore_best=False)
    told = model.evaluate(X[30:], CLASSES[30:], verbose=0, return_dict=True)
    assert result.history["val_accuracy"][-1] == pytest.approx(told["accuracy"])
    assert result.history["val_top2"][-1] == pytest.approx(told["top2"])
    assert result.history["val_loss"][-1] == pytest.approx(told["loss"], rel=1e-5)


def test_what_is_asked_of_train_wins_over_compile():
    model = dense(1)
    model.compile(loss="mse", optimizer=optimizers.Nadam())
    with pytest.raises(RequestError, match="The engine has no Nadam"):
        annvil.train(model, X, NUMBERS, epochs=1)
    result = annvil.train(model, X, NUMBERS, epochs=2, optimizer="sgd", learning_rate=0.25, loss="mae")
    assert result.history["learning_rate"] == [0.25, 0.25]
    by_hand = float(np.abs(dense(1).predict(X, verbose=0) - NUMBERS).mean())
    assert result.history["loss"][0] == pytest.approx(by_hand, rel=0.2)


def test_the_shorter_cross_entropies_are_kerass_numbers_and_gradients_also_where_it_clips():
    model = keras.Sequential([layers.Input((4,)), layers.Softmax()])
    x = torch.tensor([[30.0, 0.0, 0.0, 0.0], [0.0, 30.0, 0.0, 0.0], [0.3, -0.2, 1.0, 0.1]], requires_grad=True)
    for target in (torch.tensor([0, 0, 2]), torch.tensor([[0], [0], [2]])):
        found = []
        for softmax in (True, False):
            values = row_losses("sparse_categorical_crossentropy", softmax)(model(x), target)
            found.append((values.detach(), *torch.autograd.grad(values.sum(), x)))
        for short, long in zip(*found, strict=True):
            torch.testing.assert_close(short, long, rtol=1e-5, atol=1e-6)
        assert not found[0][1][1].any()  # clipped: no gradient


def test_a_schedule_step_by_step():
    schedule = Steps((1.0, 0.5, 0.25))
    assert [schedule(step / 3) for step in range(3)] == [1.0, 0.5, 0.25]
    model = dense(1)
    model.compile(loss="mse", optimizer=optimizers.SGD(optimizers.schedules.CosineDecay(0.2, 4)))
    told = compiled(model)
    assert told.settings["learning_rate"] == pytest.approx(0.2)
    np.testing.assert_allclose(
        told.schedule(5).factors, [0.5 + 0.5 * np.cos(np.pi * t / 4) for t in range(5)], atol=1e-6
    )


def test_a_model_that_was_not_compiled_says_nothing():
    told = compiled(dense(1))
    assert (told.loss, dict(told.metrics), dict(told.settings), told.schedule) == (None, {}, {}, None)


@pytest.mark.parametrize(
    ("optimizer", "sentence"),
    [
        (optimizers.Adam(amsgrad=True), "amsgrad=True"),
        (optimizers.RMSprop(centered=True), "centered=True"),
        (optimizers.SGD(momentum=0.9, weight_decay=0.1), "adds weight decay to the gradient"),
    ],
)
def test_what_the_engine_would_do_otherwise_is_refused(optimizer, sentence):
    model = dense(1)
    model.compile(loss="mse", optimizer=optimizer)
    with pytest.raises(RequestError, match=sentence):
        compiled(model)


def test_several_losses_are_refused():
    inputs = layers.Input((6,))
    model = keras.Model(inputs, [layers.Dense(1)(inputs), layers.Dense(1)(inputs)])
    model.compile(loss=["mse", "mse"], optimizer="sgd")
    with pytest.raises(RequestError, match="2 losses"):
        compiled(model)


def test_a_function_that_makes_models_gives_a_population_told_by_compile():
    def make(units=4):
        model = keras.Sequential([layers.Input((6,)), layers.Dense(units), layers.Dropout(0.2), layers.Dense(1)])
        model.compile(loss="mse", optimizer=optimizers.Adam(0.05), metrics=["mae"])
        return model

    def train(**options):
        return annvil.train(make, X, NUMBERS, validation=0.25, epochs=3, seed=3, verbose=False, **options)

    results = train(members=3)
    assert {"val_loss", "val_mae"} <= set(results.table()[0])
    assert results.best.history == train(members=3).best.history
    alone, again = train(), train()
    assert alone.history["learning_rate"] == pytest.approx([0.05] * 3)
    assert alone.history == again.history


@pytest.mark.parametrize(
    ("make", "execution"), [(lambda: layers.Dropout(0.3), "recorded"), (lambda: layers.GaussianNoise(0.3), "eager")]
)
def test_noise_can_be_repeated_and_what_cannot_be_recorded_is_said(make, execution):
    ends = []
    for _ in range(2):
        keras.utils.set_random_seed(4)
        model = keras.Sequential([layers.Input((6,)), layers.Dense(8, activation="relu"), make(), layers.Dense(1)])
        model.compile(loss="mse", optimizer="adam")
        result = annvil.train(model, X, NUMBERS, epochs=3, batch_size=8, verbose=False)
        ends.append(model.get_weights()[:4])
    assert result.execution == execution
    assert result.execution_reason
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))
