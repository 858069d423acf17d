"""Settings of `annvil.train`: declared once, given flat or in groups, the same to every function that takes them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

import annvil
from annvil.errors import RequestError
from annvil.trainer.arguments.read_settings import NOT_TUNED, TrainOptions, declared, flat, groups, read_settings, table
from annvil.trainer.lr_finder import NOT_TAKEN
from annvil.training.recipe import Member, Recipe

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
CLASSES = np.arange(40) % 3
MARKS = "<!-- settings: from annvil.trainer.arguments.read_settings.table() -->", "<!-- end of settings -->"

IN_GROUPS = {
    "optimizer": annvil.Optimizer("sgd", learning_rate=0.1, momentum=0.8, clip_norm=1.0),
    "schedule": annvil.Schedule("cosine", warmup=0.1),
    "stop": annvil.Stop(epochs=4, patience=2, restore_best=False),
    "batches": annvil.Batches(16, "exact", shuffle=False),
    "regularization": annvil.Regularization(dropout=0.2, label_smoothing=0.1),
    "execution": annvil.Execution("eager", precision="float32", threads=1),
    "logging": annvil.Logging(health=False),
}
FLAT = {
    "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.8, "clip_norm": 1.0, "schedule": "cosine", "warmup": 0.1,
    "epochs": 4, "patience": 2, "restore_best": False, "batch_size": 16, "batches": "exact", "shuffle": False,
    "dropout": 0.2, "label_smoothing": 0.1, "execution": "eager", "precision": "float32", "threads": 1, "health": False,
}  # fmt: skip


def network(seed=None) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3))


def dicts() -> dict:
    return {name: msgspec.to_builtins(group) for name, group in IN_GROUPS.items()}


@pytest.mark.parametrize("given", [IN_GROUPS, dicts(), {"stop": annvil.Stop(epochs=4), **FLAT}])
def test_groups_dicts_and_flat_keywords_say_the_same(given):
    assert read_settings(given, "train") == read_settings(FLAT, "train")


def test_flat_settings_are_what_was_said_and_defaults():
    defaults = {name: one.setting.default for name, one in declared().items()}
    assert flat(read_settings(FLAT, "train")) == defaults | FLAT


def test_groups_train_the_same_network():
    mine, other = (annvil.train(network, X, CLASSES, validation=0.3, **given) for given in (IN_GROUPS, FLAT))
    assert mine.history == other.history
    assert len(mine.history["loss"]) <= 4
    assert mine.execution == "eager"
    assert mine.health is None


def test_the_common_call_is_one_line_and_its_defaults_are_those_of_the_documentation():
    settings = read_settings({"epochs": 100, "patience": 10, "learning_rate": 1e-3}, "train")
    assert (settings.stop.epochs, settings.stop.patience, settings.optimizer.learning_rate) == (100, 10, 1e-3)
    assert (settings.batches.size, settings.stop.monitor, settings.stop.restore_best) == (32, "loss", True)


def test_defaults_that_the_engine_has_are_named_as_it_has_them():
    recipe = Recipe(epochs=1)
    member = Member(np.arange(2), np.arange(0), 0)
    engine = {name: getattr(recipe, name) for name in ("momentum", "nesterov", "betas", "schedule", "accumulate")}
    engine |= {"learning_rate": member.learning_rate, "optimizer": recipe.optimizer, "batches": recipe.batches}
    engine |= {"warmup": 0, "weight_decay": 0, "label_smoothing": 0}
    assert recipe.warmup == member.weight_decay == member.label_smoothing == 0
    for name, value in engine.items():
        assert declared()[name].default.split(",")[0].split(";")[0] in str(value), name


@pytest.mark.parametrize("group", IN_GROUPS.values(), ids=lambda group: type(group).__name__)
def test_a_group_is_its_own_json_form(group):
    text = msgspec.json.encode(group)
    assert msgspec.json.decode(text, type=type(group)) == group
    assert b"null" not in text


def test_type_checkers_know_the_keywords():
    hints = get_type_hints(TrainOptions)
    assert set(hints) == set(declared()) | set(groups())
    for name, one in declared().items():
        if name not in groups() and one.type is not dict:
            accepted = set(get_args(hints[name])) | {hints[name]}
            assert one.type in accepted or set(get_args(one.type)) <= accepted or name == "vary", name


def test_signatures_show_groups_and_the_common_keywords():
    shown = inspect.signature(annvil.train).parameters
    assert list(shown)[:4] == ["network", "X", "y", "validation"]
    assert {"epochs", "batch_size", "learning_rate", "patience", "optimizer", "schedule", "stop"} <= set(shown)
    assert len(shown) <= 20
    assert shown["epochs"].default == 50
    assert "search" not in inspect.signature(annvil.tune_batch).parameters


@pytest.mark.parametrize("function", [annvil.train, annvil.tune_batch, annvil.find_learning_rate])
def test_help_says_every_keyword_that_is_taken(function):
    lines = [line.strip() for line in inspect.getdoc(function).splitlines()]
    for name, one in declared().items():
        said = f"{name} : {one.line()}" in lines
        try:
            read_settings({name: None}, "f", [] if function is annvil.train else refused_by(function))
        except TypeError:
            assert not said
        else:
            assert said or name == "budget"


def refused_by(function):
    return NOT_TUNED if function is annvil.tune_batch else NOT_TAKEN


@pytest.mark.parametrize("name", ["epoch", "learning_rates", "optimiser", "patients"])
def test_an_unknown_keyword_is_refused_with_the_nearest(name):
    with pytest.raises(TypeError, match=f"train.. got an unexpected argument '{name}'. Did you mean"):
        annvil.train(network(), X, CLASSES, **{name: 1})


def test_an_unknown_name_in_a_group_is_refused():
    with pytest.raises(TypeError, match=r"train.stop=….* unexpected argument 'epoch'. Did you mean 'epochs'"):
        annvil.train(network(), X, CLASSES, stop={"epoch": 3})


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("epochs=50 and stop=Stop.epochs=3. disagree", {"epochs": 50, "stop": annvil.Stop(epochs=3)}),
        ("batch_size=8 and batches=Batches.size=32. disagree", {"batch_size": 8, "batches": {"size": 32}}),
        ("stop must be an annvil.Stop or a dict; got 5", {"stop": 5}),
        ("optimizer must be a name such as 'adamw' or 'sgd'; got a Stop", {"optimizer": annvil.Stop()}),
    ],
)
def test_settings_that_cannot_be_are_refused(words, given):
    with pytest.raises(RequestError, match=words):
        annvil.train(network(), X, CLASSES, **given)


def test_what_a_function_has_no_place_for_is_refused():
    with pytest.raises(TypeError, match=r"tune_batch.. got an unexpected argument 'patience'"):
        annvil.tune_batch(network(), X, CLASSES, 1, patience=3)
    with pytest.raises(RequestError, match="tune_batch takes no patience; leave it out of stop="):
        annvil.tune_batch(network(), X, CLASSES, 1, stop=annvil.Stop(patience=3))
    with pytest.raises(RequestError, match="find_learning_rate takes no learning_rate; leave it out of optimizer="):
        annvil.find_learning_rate(network(), X, CLASSES, optimizer=annvil.Optimizer(learning_rate=1.0))


def test_the_documentation_has_the_table():
    page = Path(__file__, "../../../docs/own-networks.md").resolve().read_text(encoding="utf-8")
    assert page.split(MARKS[0])[1].split(MARKS[1])[0].strip() == table()


@pytest.mark.parametrize("kind", groups().values())
def test_help_of_a_group_says_its_settings(kind):
    lines = inspect.getdoc(kind).splitlines()
    ours = [one for one in declared().values() if one.group and groups()[one.group] is kind]
    assert ours
    assert {f"{one.field} : {one.line()}" for one in ours} <= set(lines)


def test_rmsprop_has_the_defaults_of_pytorch() -> None:
    torch.manual_seed(0)
    X, y = torch.randn(40, 3), torch.randn(40, 1)
    mine, theirs = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
    theirs.load_state_dict(mine.state_dict())
    optimizer = torch.optim.RMSprop(theirs.parameters())
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(theirs(X), y).backward()
        optimizer.step()
    annvil.train(mine, X, y, optimizer="rmsprop", epochs=30, batch_size=40, shuffle=False, verbose=False)
    torch.testing.assert_close(mine.weight, theirs.weight, rtol=1e-5, atol=1e-6)
