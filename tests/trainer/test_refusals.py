"""What `annvil.train` cannot use is refused before the first step, in one sentence that says what to do."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from torch import nn

import annvil
from annvil.errors import DataError, RequestError

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
CLASSES = np.arange(40) % 3
WORDS = np.array(["ant", "bee", "cat"])[CLASSES]
HOLES = np.where(np.arange(40)[:, None] == 7, np.nan, X)


def mlp(outputs: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, outputs))


class Returning(nn.Module):
    def __init__(self, what) -> None:
        super().__init__()
        self.layer, self.what = nn.Linear(6, 3), what

    def forward(self, x):
        return self.what(self.layer(x))


def refused(kind, words, *arguments, **settings):
    with pytest.raises(kind, match=words) as caught:
        annvil.train(*arguments, **({"epochs": 1} | settings))
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))


class Locked(nn.Linear):
    def __init__(self) -> None:
        super().__init__(6, 3)
        self.lock = threading.Lock()


def needs_width(width):
    return mlp(width)


@pytest.mark.parametrize(
    ("words", "network"),
    [
        ("must be a torch.nn.Module, a function that makes one, or a Keras model; got 'mlp'", "mlp"),
        ("ReLU has no parameters that could be trained", nn.ReLU()),
        ("<lambda>.. must return a torch.nn.Module or a Keras model; it returned 3", lambda: 3),
        ("Linear has weights of type float64; the engine trains float32", nn.Linear(6, 3).double()),
        ("Locked cannot be copied, which training needs .cannot pickle", Locked()),
        ("needs_width.. cannot be called like this: .*missing 1 required positional", needs_width),
        ("cannot take inputs of shape .2, 6. .two rows of X.: mat1 and mat2", nn.Linear(7, 3)),
        ("Returning must return one tensor with a row of outputs .* it returned a tuple", Returning(lambda x: (x, x))),
        ("it returned a tensor of shape .3,.", Returning(lambda x: x.sum(0))),
        ("it returned a tensor of shape ..", Returning(lambda x: x.sum())),
    ],
)
def test_networks(words, network):
    refused(RequestError, words, network, X, CLASSES)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_scripted_module():
    refused(RequestError, "The network is a scripted module", torch.jit.script(nn.Linear(6, 3)), X, CLASSES)


def test_a_network_whose_weights_are_all_frozen():
    network = mlp()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    refused(RequestError, "Sequential has no parameters that could be trained", network, X, CLASSES)


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("X is missing or infinite in row 8; fill or drop", HOLES),
        ("X is missing or infinite in row 8", torch.from_numpy(HOLES)),
        ("X is missing or infinite in row 8", np.where(np.isnan(HOLES), np.inf, HOLES)),
        ("Column 'b' of X is missing or infinite in row 1;", pl.DataFrame({"a": [1.0] * 40, "b": [None, *[2.0] * 39]})),
        ("X holds 'ant', which is no number; encode texts", np.repeat(WORDS[:, None], 6, 1)),
        ("X holds 'ant', which is no number", [["ant"] * 6] * 40),
        ("Column 's' of X holds String, not numbers; encode it first", pd.DataFrame(X).assign(s="ant")),
        ("X has no rows", X[:0]),
        ("X is empty; pass at least one array", ()),
        ("X has 40 rows and y has 39", X),
        ("The rows of X have unlike lengths", [[1.0, 2.0], [1.0]]),
        ("X holds complex numbers", X.astype(complex)),
        ("X holds values of type datetime64", np.full((40, 6), np.datetime64("2026-01-01"))),
        ("The inputs have unlike numbers of rows: X.0. has 40, X.1. has 39", (X, X[:39])),
    ],
)
def test_rows(words, rows):
    y = CLASSES[:39] if "39" in words else CLASSES
    refused(DataError, words, mlp(), rows, y)


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("X must hold rows: an array, a tensor or a frame; got None", None),
        ("X must hold rows: .* got 'table.csv'", "table.csv"),
        ("X must hold rows: .* got 3", 3),
        ("X is a DataLoader; pass the arrays or tensors themselves", torch.utils.data.DataLoader([1])),
        ("One column of inputs is X.:, None.", X[:, 0]),
    ],
)
def test_things_that_hold_no_rows(words, rows):
    refused(RequestError, words, mlp(), rows, CLASSES)


def test_inputs_by_name():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, picture, words=None):
            return self.layer(picture)

    words = (
        "X has an input 'pictures', which Named.forward does not take. Did you mean 'picture'. It takes picture, words"
    )
    refused(RequestError, words, Named(), {"pictures": X}, CLASSES)
    refused(RequestError, "X lacks the input 'picture' of Named.forward", Named(), {"words": X}, CLASSES)


@pytest.mark.parametrize(
    ("kind", "words", "outputs", "y"),
    [
        (DataError, "between 0 and 1, since the network has 2 outputs; rows 3, 6, 9, 12, 15 and 8 more", 2, CLASSES),
        (DataError, "between 0 and 4, .* such as -1", 5, np.arange(40) % 9 - 1),
        (
            RequestError,
            "y has 3 classes .'ant', 'bee' and 'cat'., but the network has 2 outputs; .* must have 3",
            2,
            WORDS,
        ),
        (
            RequestError,
            "y has 2 classes .* the network has 3 outputs; its last layer must have 1 or 2",
            3,
            WORDS == "ant",
        ),
        (DataError, "y is 'ant' in every row", 2, ["ant"] * 40),
        (DataError, "y is missing or infinite in row 8", 1, HOLES[:, 0]),
        (DataError, "y is missing or infinite in rows 1 and 4", 3, [None, "ant", "bee", None, *["cat"] * 36]),
        (RequestError, "The network has 3 outputs, y has one number with a fraction", 3, X[:, 0]),
        (RequestError, "y has shape .40, 6., but the network's outputs have shape .40, 3.; they must be equal", 3, X),
        (DataError, "y holds texts and has shape", 3, np.stack([WORDS, WORDS], 1)),
        (DataError, "The rows of y have unlike lengths", 3, [[1.0], [1.0, 2.0]] * 20),
        (RequestError, "y must hold one target for each row; got 3", 3, 3),
        (DataError, "y holds values of type datetime64", 3, np.full(40, np.datetime64("2026-01-01"))),
    ],
)
def test_targets(kind, words, outputs, y):
    refused(kind, words, mlp(outputs), X, y)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("optimizer must be 'adamw' .* got 'adamv'. Did you mean 'adam' or 'adamw'", {"optimizer": "adamv"}),
        ("optimizer must be a name such as 'adamw' or 'sgd'; got a type", {"optimizer": torch.optim.SGD}),
        ("learning_rate must be at least 0 .* got -1", {"learning_rate": -1}),
        ("weight_decay must be at least 0 .* got -0.1", {"weight_decay": -0.1}),
        ("dropout must be at least 0 and below 1; got 1", {"dropout": 1.0}),
        ("momentum must be at least 0 and below 1; got 1", {"momentum": 1.0}),
        ("epochs must be a whole number of at least 1; got 0", {"epochs": 0}),
        ("batch_size must be a whole number of at least 1; got 0", {"batch_size": 0}),
        ("schedule must be .* Did you mean 'cosine'", {"schedule": "cosin"}),
        ("seed must be a whole number of at least 0; got -1", {"seed": -1}),
        ("seed must be a whole number of at least 0; got True", {"seed": True}),
        ("The budget 'soon' is not a time. Write it as 60s, 2m", {"budget": "soon"}),
        ("The budget of 0 s is too short", {"budget": 0}),
        ("No loss is called 'cross_entrpy'. Did you mean 'cross-entropy'", {"loss": "cross_entrpy"}),
        ("loss must be a name or a function", {"loss": 3}),
        ("The loss must return one number, the mean over the batch, or one number for", {"loss": lambda o, t: o[0]}),
        ("The metric 'acuracy' is not known. Did you mean 'accuracy'", {"metrics": "acuracy"}),
        ("The metric 'r2' does not score classes. Choose from roc_auc, accuracy", {"metrics": ["r2"]}),
        ("metrics must be names or functions", {"metrics": [3]}),
        ("Two values of the history would be called 'accuracy'", {"metrics": ["accuracy", "accuracy"]}),
        ("Two values of the history would be called 'loss'", {"metrics": {"loss": lambda y, outputs: 0.0}}),
        ("The metric two must return one number; it returned a tuple", {"metrics": {"two": lambda y, o: (1, 2)}}),
        ("monitor must be 'loss' or one of the metrics asked for .none.; got 'accuracy'", {"monitor": "accuracy"}),
        ("patience needs validation rows to watch", {"patience": 3}),
        ("monitor needs validation rows to watch", {"metrics": "accuracy", "monitor": "accuracy"}),
        ("validation must be .X, y., .* got str", {"validation": "20%"}),
        ("validation must be a share between 0 and 1, or .X, y.; got 1.5", {"validation": 1.5}),
        ("Rows of X have shape .6,., those of validation .3,.", {"validation": (X[:, :3], CLASSES)}),
        ("class_weight names 7, which is no class of y", {"class_weight": {7: 1.0}}),
        ("class_weight must be 'balanced' or a dict", {"class_weight": "heavy"}),
        ("class_weight must hold finite numbers of at least 0", {"class_weight": {0: -1.0}}),
        ("checkpoint must name a file, but .* is a folder", {"checkpoint": "."}),
        ("A callback is a function", {"callbacks": [3]}),
    ],
)  # fmt: skip
def test_settings(words, settings):
    refused(RequestError, words, mlp(), X, CLASSES, **settings)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("sample_weight has 39 values for 40 rows", {"sample_weight": np.ones(39)}),
        ("sample_weight must be finite and at least 0; see row 8", {"sample_weight": HOLES[:, 0] ** 2}),
        ("sample_weight must be finite and at least 0; see row 1", {"sample_weight": -np.eye(40)[0]}),
        ("sample_weight is 0 in every row", {"sample_weight": np.zeros(40)}),
        ("y of validation holds 5 in row 1, which training does not", {"validation": (X, np.array([5, *CLASSES[1:]]))}),
        ("X of validation is missing or infinite in row 8", {"validation": (HOLES, CLASSES)}),
        ("X of validation has 40 rows and its y has 39", {"validation": (X, CLASSES[:39])}),
    ],
)  # fmt: skip
def test_data_beside_the_rows(words, settings):
    refused(DataError, words, mlp(), X, CLASSES, **settings)


def test_classes_of_validation_that_training_never_saw():
    words = "y of validation holds 'dog' in row 1, which training does not know; the classes are 'ant', 'bee' and 'cat'"
    refused(DataError, words, mlp(), X, WORDS, validation=(X, np.array(["dog", *WORDS[1:]])))


def test_losses_that_do_not_fit_the_target():
    refused(RequestError, "Cross-entropy needs one class for each row; y holds numbers", mlp(6), X, X, loss="ce")
    refused(RequestError, "Binary cross-entropy needs 0 and 1 for every output", mlp(), X, CLASSES, loss="bce")
    refused(RequestError, "label_smoothing works with cross-entropy", mlp(1), X, X[:, 0], label_smoothing=0.1)
    refused(RequestError, "class_weight needs one class for each row", mlp(1), X, X[:, 0], class_weight="balanced")
    refused(
        RequestError, "Rows with weights need a loss that returns one number for each row", mlp(1), X, X[:, 0],
        loss=lambda o, t: (o - t).abs().mean(), sample_weight=np.ones(40),
    )  # fmt: skip


def test_predicting_from_rows_that_are_not_like_those_it_learnt_from():
    result = annvil.train(mlp(1), X, X[:, 0], epochs=1)
    with pytest.raises(
        RequestError, match=r"Rows of X have shape \(3,\); the network learnt from rows of shape \(6,\)"
    ):
        result.predict(X[:, :3])
    with pytest.raises(DataError, match="X is missing or infinite in row 8"):
        result.predict(HOLES)
    with pytest.raises(RequestError, match="Probabilities need classes"):
        result.predict_proba(X)
