"""`annvil.train` for one network: the same as PyTorch's own loop, from every form of data, and back into the module."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import annvil


def mlp(outputs: int, inputs: int = 6) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(outputs)
        return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(120, 6)).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.5)
NUMBERS = X[:, 0] * 2 - X[:, 3]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(3, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x)[0][:, -1])


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.names = nn.Embedding(5, 4)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor, name: Tensor) -> Tensor:
        return self.head(torch.cat([x, self.names(name)], 1))


NETWORKS = {
    "dense": (lambda: mlp(3), torch.from_numpy(X), torch.from_numpy(CLASSES)),
    "batch norm": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
        torch.from_numpy(X),
        torch.from_numpy(CLASSES),
    ),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3)),
        torch.from_numpy(GENERATOR.normal(size=(120, 1, 4, 4)).astype(np.float32)),
        torch.from_numpy(CLASSES),
    ),
    "LSTM": (
        Recurrent,
        torch.from_numpy(GENERATOR.normal(size=(120, 5, 3)).astype(np.float32)),
        torch.from_numpy(CLASSES),
    ),
}


def pytorch_loop(network, inputs, targets, optimizer, epochs, batch_size, loss=functional.cross_entropy):
    """The loop of PyTorch's own tutorial, without shuffling: the mean loss of every epoch, and the network."""
    network = copy.deepcopy(network).train()
    rule = optimizer(network.parameters())
    losses = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(inputs), batch_size):
            rows = slice(start, start + batch_size)
            rule.zero_grad()
            value = loss(network(inputs[rows]), targets[rows])
            value.backward()
            rule.step()
            total += float(value.detach()) * len(inputs[rows])
        losses.append(total / len(inputs))
    return np.array(losses), network


@pytest.mark.parametrize("batch_size", [120, 32], ids=["50 steps", "12 epochs"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_losses_and_weights_are_those_of_pytorchs_own_loop(kind, batch_size):
    make, inputs, targets = NETWORKS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = make()
    epochs = 50 if batch_size == 120 else 12
    for name, optimizer in (("adamw", adamw), ("sgd", sgd)):
        expected, trained = pytorch_loop(network, inputs, targets, optimizer, epochs, batch_size)
        result = annvil.train(
            copy.deepcopy(network), inputs, targets, epochs=epochs, batch_size=batch_size, batches="exact",
            shuffle=False, optimizer=name, precision="float32",
        )  # fmt: skip
        np.testing.assert_allclose(result.history["loss"], expected, rtol=1e-5)
        assert result.network.state_dict().keys() == trained.state_dict().keys()
        if name == "sgd":  # AdamW makes much of the last bits of gradients that are all but zero
            for mine, theirs in zip(result.network.state_dict().values(), trained.state_dict().values(), strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.0)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, nesterov=True)


@pytest.mark.parametrize(
    ("loss", "same"),
    [
        (nn.CrossEntropyLoss(), "the module"),
        (functional.cross_entropy, "the function"),
        (lambda outputs, targets: functional.cross_entropy(outputs, targets), "own, taking the mean"),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), "with weights of its own"),
        (nn.CrossEntropyLoss(label_smoothing=0.1), "smoothed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pytorchs_losses_and_own_functions_are_taken_as_they_are(loss, same):
    network, inputs, targets = mlp(3), torch.from_numpy(X), torch.from_numpy(CLASSES)
    expected, _ = pytorch_loop(network, inputs, targets, adamw, 3, 40, loss)
    result = annvil.train(network, inputs, targets, loss=loss, epochs=3, batch_size=40, shuffle=False)
    np.testing.assert_allclose(result.history["loss"], expected, rtol=1e-5)


def test_a_loss_of_ones_own_may_take_weights():
    def absolute(outputs, targets, weights):
        return ((outputs - targets).abs().squeeze(-1) * weights).sum()

    weights = np.linspace(0, 2, 120)
    mine = annvil.train(mlp(1), X, NUMBERS, loss=absolute, sample_weight=weights, epochs=3)
    named = annvil.train(mlp(1), X, NUMBERS, loss="absolute-error", sample_weight=weights, epochs=3)
    np.testing.assert_allclose(mine.history["loss"], named.history["loss"], rtol=1e-5)


def test_the_users_module_gets_the_weights_and_nothing_is_left_in_the_global_generator():
    network = mlp(3)
    initial = copy.deepcopy(network.state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(31)
        before, of_numpy = torch.get_rng_state(), np.random.get_state()[1].tobytes()  # noqa: NPY002
        result = annvil.train(network, X, CLASSES, epochs=2, validation=0.25)
        annvil.train(lambda: mlp(3), X, CLASSES, epochs=1)
        assert torch.equal(torch.get_rng_state(), before)
        assert np.random.get_state()[1].tobytes() == of_numpy  # noqa: NPY002
    assert not network.training
    assert not result.network.training
    assert result.network is not network
    for name, value in network.state_dict().items():
        assert torch.equal(value, result.network.state_dict()[name])
        assert not torch.equal(value, initial[name])


def test_history_has_one_value_an_epoch_of_everything_that_was_asked_for():
    result = annvil.train(mlp(3), X, CLASSES, epochs=4, validation=0.25, metrics=["accuracy", "auc"], schedule="cosine")
    names = ["loss", "accuracy", "auc", "val_loss", "val_accuracy", "val_auc", "learning_rate"]
    assert list(result.history) == names
    assert all(len(values) == 4 for values in result.history.values())
    assert result.history["learning_rate"][0] > result.history["learning_rate"][-1] > 0
    best = int(np.argmin(result.history["val_loss"]))
    assert result.best_epoch == best + 1
    assert result.score == result.history["val_accuracy"][best]
    assert result.state == "finished"


def test_metrics_of_the_history_are_those_of_the_weights_that_were_kept():
    rows = np.arange(90, 120)
    result = annvil.train(
        mlp(3),
        X[:90],
        CLASSES[:90],
        validation=(X[rows], CLASSES[rows]),
        metrics="accuracy",
        monitor="accuracy",
        epochs=9,
    )
    right = float(np.mean(result.predict(X[rows]) == CLASSES[rows]))
    assert result.history["val_accuracy"][result.best_epoch - 1] == pytest.approx(right)
    assert right == max(result.history["val_accuracy"])


def test_early_stopping_and_the_last_weights_on_request():
    short = {"validation": 0.25, "patience": 2, "epochs": 60, "learning_rate": 0.05, "seed": 3}
    stopped = annvil.train(mlp(1), X, NUMBERS + GENERATOR.normal(size=120), **short)
    assert stopped.state == f"stopped early at epoch {len(stopped.history['loss'])}"
    assert stopped.best_epoch == len(stopped.history["loss"]) - 2
    assert stopped.score == stopped.history["val_loss"][stopped.best_epoch - 1] < stopped.history["val_loss"][-1]
    last = annvil.train(mlp(3), X, CLASSES, **short, restore_best=False)
    assert last.best_epoch == len(last.history["loss"])


def test_the_same_seed_gives_the_same_and_another_one_something_else():
    def make():
        return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3))

    runs = [annvil.train(make, X, CLASSES, epochs=2, seed=seed).history["loss"] for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


FRAME = pd.DataFrame(X, columns=list("abcdef"))


@pytest.mark.parametrize(
    "rows",
    [X, X.astype(np.float64), X.astype(np.float16), X.astype(">f4"), X.tolist(), torch.from_numpy(X), FRAME,
     pl.DataFrame(FRAME), np.asfortranarray(X), X[::-1][::-1], FRAME.to_numpy(dtype=object)],
    ids=["float32", "float64", "float16", "big endian", "list", "tensor", "pandas", "polars", "fortran", "strides",
         "objects"],
)  # fmt: skip
def test_rows_come_in_many_forms_and_mean_the_same(rows):
    result = annvil.train(mlp(3), rows, CLASSES, epochs=1)
    expected = annvil.train(mlp(3), X, CLASSES, epochs=1)
    np.testing.assert_allclose(result.history["loss"], expected.history["loss"], rtol=2e-3)
    assert len(result.predict(rows)) == 120


def test_rows_of_a_memory_mapped_file(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = annvil.train(mlp(3), X, CLASSES, epochs=1)
    assert annvil.train(mlp(3), mapped, CLASSES, epochs=1).history == expected.history


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (np.array(["ant", "bee", "cat"])[CLASSES], ("ant", "bee", "cat")),
        (pd.Series(np.array(["ant", "bee", "cat"])[CLASSES], dtype="category"), ("ant", "bee", "cat")),
        (pl.Series(np.array(["ant", "bee", "cat"])[CLASSES].tolist()), ("ant", "bee", "cat")),
        (np.array([10, 20, 30])[CLASSES], (10, 20, 30)),
        (torch.from_numpy(CLASSES), (0, 1, 2)),
        (CLASSES.astype(np.float64), (0, 1, 2)),
        (np.eye(3)[CLASSES], (0, 1, 2)),
    ],
    ids=["texts", "categories", "polars", "codes with gaps", "tensor", "whole floats", "one-hot"],
)
def test_classes_come_in_many_forms_and_are_predicted_in_the_users_words(y, labels):
    result = annvil.train(mlp(3), X, y, epochs=1)
    expected = annvil.train(mlp(3), X, CLASSES, epochs=1)
    assert result.history["loss"] == expected.history["loss"]
    assert result.classes == labels
    assert set(result.predict(X).tolist()) <= set(labels)
    shares = result.predict_proba(X)
    assert shares.shape == (120, 3)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(np.array(labels)[shares.argmax(1)], result.predict(X))


def test_a_single_output_tells_two_classes_apart():
    yes = X[:, 0] > 0
    booleans = annvil.train(mlp(1), X, yes, epochs=20, learning_rate=0.01, metrics=["accuracy", "auc"])
    assert booleans.history["accuracy"][-1] > 0.9
    assert booleans.predict(X).dtype == bool
    outputs = booleans.outputs(X)
    np.testing.assert_allclose(booleans.predict_proba(X)[:, 1], outputs.sigmoid().squeeze(1).numpy(), rtol=1e-6)
    numbers = annvil.train(mlp(1), X, yes.astype(float), epochs=20, learning_rate=0.01)
    assert numbers.history["loss"] == booleans.history["loss"]
    column = annvil.train(mlp(1), X, yes.astype(int)[:, None], epochs=20, learning_rate=0.01)
    assert column.history["loss"] == booleans.history["loss"]


def test_several_labels_at_once():
    labels = np.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 1], 1).astype(int)
    result = annvil.train(mlp(3), X, labels, epochs=30, learning_rate=0.01, metrics=["accuracy", "roc_auc"])
    assert result.history["accuracy"][-1] > 0.9
    assert result.predict(X).shape == labels.shape
    assert float((result.predict(X) == labels).mean()) == pytest.approx(result.history["accuracy"][-1])
    assert any("binary-cross-entropy" in notice for notice in result.notices)


def test_numbers_are_predicted_with_as_many_axes_as_they_came_with():
    flat = annvil.train(mlp(1), X, NUMBERS, epochs=1, metrics=["r2", "mae", "mse"])
    assert flat.predict(X).shape == (120,)
    assert flat.history["mse"][-1] == pytest.approx(float(np.mean((flat.predict(X) - NUMBERS) ** 2)), rel=1e-5)
    assert annvil.train(mlp(1), X, NUMBERS[:, None], epochs=1).predict(X).shape == (120, 1)
    assert annvil.train(mlp(2), X, X[:, :2], epochs=1).predict(X).shape == (120, 2)


def test_without_y_a_network_learns_to_give_its_input_back():
    result = annvil.train(nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 6)), X, epochs=3)
    assert result.history["loss"][-1] < result.history["loss"][0]
    assert result.predict(X).shape == X.shape


def test_several_inputs_as_a_tuple_or_by_name():
    names = GENERATOR.integers(0, 5, 120)
    first = annvil.train(TwoInputs, (X, names), CLASSES, epochs=2, validation=0.25)
    second = annvil.train(TwoInputs, {"name": names, "x": X}, CLASSES, epochs=2, validation=0.25)
    third = annvil.train(
        TwoInputs, {"name": names, "x": X}, CLASSES, epochs=2, validation=({"x": X[:9], "name": names[:9]}, CLASSES[:9])
    )
    assert first.history == second.history
    assert len(third.history["val_loss"]) == 2
    np.testing.assert_array_equal(first.predict((X, names)), second.predict({"x": X, "name": names}))


def test_a_class_at_each_position_of_a_row():
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.Embedding(6, 8), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.words(x))

    words = GENERATOR.integers(0, 6, (60, 5))
    tags = words % 4
    result = annvil.train(Tagger, words, tags, epochs=40, learning_rate=0.05, metrics="accuracy")
    assert result.history["accuracy"][-1] == 1.0
    np.testing.assert_array_equal(result.predict(words), tags)
    masked = tags.copy()
    masked[:, 3:] = -100  # as PyTorch marks positions that do not count
    partly = annvil.train(Tagger, words, masked, epochs=40, learning_rate=0.05, metrics="accuracy")
    np.testing.assert_array_equal(partly.predict(words)[:, :3], tags[:, :3])
    assert partly.history["accuracy"][-1] == 1.0
    assert any("-100" in notice for notice in partly.notices)


def test_bytes_of_images_reach_the_network_as_fractions():
    images = GENERATOR.integers(0, 256, (60, 1, 4, 4), dtype=np.uint8)
    bright = (images.mean((1, 2, 3)) > 127).astype(int)
    result = annvil.train(NETWORKS["convolution"][0], images, bright, epochs=2)
    plain = annvil.train(NETWORKS["convolution"][0], (images / 255).astype(np.float32), bright, epochs=2)
    np.testing.assert_allclose(result.history["loss"], plain.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(result.outputs(images), plain.outputs((images / 255).astype(np.float32)), atol=1e-5)
    assert any("divided by 255" in notice for notice in result.notices)


def test_class_weights_are_sample_weights():
    by_class = annvil.train(mlp(3), X, CLASSES, class_weight={2: 5.0}, epochs=2, validation=0.25)
    weights = np.where(CLASSES == 2, 5.0, 1.0)
    by_row = annvil.train(mlp(3), X, CLASSES, sample_weight=weights, epochs=2, validation=0.25)
    assert by_class.history == by_row.history
    judged = {"validation": (X[:40], CLASSES[:40])}
    by_class = annvil.train(mlp(3), X[40:], CLASSES[40:], class_weight={2: 5.0}, epochs=2, **judged)
    judged = {"validation": (X[:40], CLASSES[:40], weights[:40])}
    by_row = annvil.train(mlp(3), X[40:], CLASSES[40:], sample_weight=weights[40:], epochs=2, **judged)
    assert by_class.history == by_row.history
    balanced = annvil.train(mlp(3), X, CLASSES, class_weight="balanced", epochs=1)
    counts = np.bincount(CLASSES)
    same = annvil.train(mlp(3), X, CLASSES, sample_weight=(120 / (3 * counts))[CLASSES], epochs=1)
    np.testing.assert_allclose(balanced.history["loss"], same.history["loss"], rtol=1e-5)


def test_a_share_of_the_rows_is_held_back_with_classes_in_proportion():
    from annvil.trainer.arguments.training_rows import held_out

    codes = np.array([0] * 80 + [1] * 16 + [2])
    held = held_out(codes, 0.25, 0)
    assert np.bincount(codes[held], minlength=3).tolist() == [20, 4, 0]
    assert held_out(np.array([0, 0, 0, 0, 1]), 0.6, 0).max() < 4  # the only row of a class is to be learnt from
    assert held_out(codes, 0.25, 0).tolist() == held.tolist() != held_out(codes, 0.25, 1).tolist()


def test_the_budget_ends_training_and_the_state_says_so():
    result = annvil.train(mlp(3), X, CLASSES, epochs=10**6, budget=0.3)
    assert result.state == f"stopped at epoch {len(result.history['loss'])} because the budget was over"
    assert result.seconds < 5


def test_lazy_modules_get_their_shapes_from_the_rows():
    network = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))
    result = annvil.train(network, X, CLASSES, epochs=1)
    torch.testing.assert_close(network(torch.from_numpy(X)).detach(), result.outputs(X))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.compile itself
def test_wrappers_are_looked_through():
    plain, wrapped = mlp(3), mlp(3)
    expected = annvil.train(plain, X, CLASSES, epochs=1)
    for wrapper in (torch.compile, nn.DataParallel):
        result = annvil.train(wrapper(copy.deepcopy(wrapped)), X, CLASSES, epochs=1)
        assert result.history == expected.history
    compiled = torch.compile(wrapped)
    annvil.train(compiled, X, CLASSES, epochs=1)
    assert torch.equal(wrapped[0].weight, plain[0].weight)


def test_frozen_parts_stay_as_they_are_and_new_weights_are_for_the_others_only():
    network = mlp(3)
    network[0].requires_grad_(False)
    before = network[0].weight.clone()
    results = annvil.train(network, X, CLASSES, epochs=2, members=3, validation=0.25)
    assert torch.equal(network[0].weight, before)
    assert all(torch.equal(result.network[0].weight, before) for result in results)
    assert len({float(result.network[2].weight.detach().sum()) for result in results}) == 3


def test_an_exception_leaves_the_network_as_it_was():
    network = mlp(3)
    before = copy.deepcopy(network.state_dict())

    def fail(epoch, logs):
        raise ZeroDivisionError

    with pytest.raises(annvil.AnnvilError):
        annvil.train(network, X, CLASSES, optimizer="adma")
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with pytest.raises(ZeroDivisionError) as caught:
        annvil.train(network, X, CLASSES, epochs=3, callbacks=fail)
    assert caught.value.result.state == "stopped at epoch 1 because a callback asked for it"
