"""Candidates trained together: each as it would be alone, on its own rows, whatever else goes on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.trainer.small import JUDGE, LEARN, NUMBERS, X, Y, alone, make, make_one, many
from torch import nn

from annvil.errors import RequestError
from annvil.trainer.population import members as populations
from annvil.trainer.population.search_space import log_uniform

VARY = {"learning_rate": log_uniform(1e-3, 1e-1), "weight_decay": [0.0, 0.1], "dropout": [0.0, 0.3]}


def weights(network):
    return [parameter.detach() for parameter in network.parameters()]


def close(one, other):
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(weights(one), weights(other), strict=True))


def test_every_candidate_is_what_training_alone_gives():
    results = many(members=5, vary=VARY)
    for attempt in results.attempts:
        one = alone(**attempt.candidate.settings, seed=attempt.candidate.seed)
        assert close(one.network, attempt.networks()[0])
        assert one.history["val_loss"] == pytest.approx(attempt.histories[0]["validation_loss"], abs=1e-5)


def test_every_fold_is_what_training_alone_on_its_rows_gives():
    results = many(members=2, vary={"learning_rate": [0.003, 0.03]}, folds=3)
    attempt = results.attempts[0]
    for fold, seed, network in zip(attempt.folds, attempt.seeds, attempt.networks(), strict=True):
        settings = dict(attempt.candidate.settings)
        assert close(alone(learn=fold.train, judge=fold.test, **settings, seed=seed).network, network)


def test_folds_differ_in_seed_and_candidates_do_too():
    results = many(members=3, folds=3)
    seeds = [seed for attempt in results.attempts for seed in attempt.seeds]
    assert len(set(seeds)) == 9
    assert results.table()[0]["seed"] == results.attempts[0].seeds[0]


def test_the_rate_of_pytorchs_own_dropout_varies_inside_one_program():
    def plain():
        return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))

    results = many(plain, vary={"dropout": [0.0, 0.6], "learning_rate": [0.01, 0.02]})
    assert results.choices["programs"] == 1
    for attempt in results.attempts:
        one = alone(plain, **attempt.candidate.settings, seed=attempt.candidate.seed)
        assert close(one.network, attempt.networks()[0])
    same = {a.candidate.number: a.loss for a in many(plain, vary={"seed": [5], "dropout": [0.0, 0.6]}).attempts}
    assert same[0] != same[1]


def test_settings_of_the_recipe_and_of_the_function_make_programs_of_their_own():
    vary = {"batch_size": [8, 32], "width": [4, 6], "learning_rate": [0.01, 0.02]}
    results = many(vary=vary)
    assert len(results) == 8
    assert results.choices["programs"] == 4
    for attempt in results.attempts:
        settings = dict(attempt.candidate.settings)
        width = settings.pop("width")
        assert attempt.networks()[0][0].out_features == width
        one = alone(lambda width=width: make(width), **settings, seed=attempt.candidate.seed)
        assert close(one.network, attempt.networks()[0])


def test_the_same_seed_gives_the_same_table_and_another_seed_another():
    tables = [[dict(row) for row in many(members=4, vary=VARY, folds=2, seed=seed).table()] for seed in (3, 3, 4)]
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


def test_members_alone_differ_by_their_seeds():
    results = many(members=3)
    first = [weights(attempt.networks()[0])[0] for attempt in results.attempts]
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[1], first[2])


def test_settings_of_the_function_that_only_change_values_share_a_program():
    def taken(scale=1.0, rate=0.1, width=8):
        network = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Dropout(rate), nn.Linear(width, 3))
        with torch.no_grad():
            network[0].weight.mul_(scale)
        return network

    results = many(taken, vary={"scale": [0.5, 2.0], "rate": [0.1, 0.4], "width": [4, 8]})
    assert results.choices["programs"] == 2
    for attempt in results.attempts:
        settings = dict(attempt.candidate.settings)
        assert attempt.networks()[0][2].p == settings["rate"]
        one = alone(lambda settings=settings: taken(**settings), seed=attempt.candidate.seed)
        assert close(one.network, attempt.networks()[0])


def test_losses_and_scores_are_those_of_rows_that_were_not_learnt_from():
    results = many(members=2, vary={"learning_rate": [0.01, 0.1]}, folds=4, metrics="accuracy")
    for attempt, row in zip(results.attempts, results.table(), strict=True):
        losses, right = [], []
        for fold, network in zip(attempt.folds, attempt.networks(), strict=True):
            assert not set(fold.train) & set(fold.test)
            outputs = network(torch.from_numpy(X[fold.test])).detach()
            truth = torch.from_numpy(Y[fold.test])
            losses.append(float(nn.functional.cross_entropy(outputs, truth)))
            right.append(float((outputs.argmax(1) == truth).double().mean()))
        assert row["val_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
        assert row["spread"] == pytest.approx(np.std(losses), rel=1e-3, abs=1e-6)
        assert row["val_accuracy"] == pytest.approx(np.mean(right))


def test_folds_without_members_train_one_candidate():
    results = many(folds=5)
    assert len(results) == 1
    assert results.choices["networks"] == 5


def test_without_validation_rows_some_are_held_out_and_that_is_said():
    results = many(members=2, validation=None)
    (fold,) = results.attempts[0].folds
    assert len(fold.test) == 32
    assert any(sentence.startswith("20% of the rows, chosen at random, judge") for sentence in results.notices)


def test_groups_stay_whole_where_rows_are_held_out():
    groups = np.arange(160) // 4
    (fold,) = many(members=2, validation=None, groups=groups).attempts[0].folds
    assert not set(groups[fold.train]) & set(groups[fold.test])


def test_a_population_that_does_not_fit_is_cut_and_is_the_same(monkeypatch):
    whole = many(members=6, vary=VARY, folds=2)
    monkeypatch.setattr(populations, "available_bytes", lambda: 40_000)
    cut = many(members=6, vary=VARY, folds=2)
    assert cut.choices["programs"] > 1
    assert any("of the free memory; they are trained in" in sentence for sentence in cut.notices)
    for one, other in zip(whole.attempts, cut.attempts, strict=True):
        assert one.candidate == other.candidate
        assert all(close(a, b) for a, b in zip(one.networks(), other.networks(), strict=True))


def test_one_that_diverges_is_named_comes_last_and_harms_nobody():
    vary = {"learning_rate": [0.01, 1e30, 0.02]}
    results = many(vary=vary, optimizer="sgd")
    assert [attempt.candidate.number for attempt in results.attempts][-1] == 1
    assert results.attempts[-1].diverged
    assert results.table()[-1]["state"].startswith("diverged at epoch 1")
    (named,) = [sentence for sentence in results.notices if "diverged" in sentence]
    assert named.startswith("1 of 3 candidates diverged and rank last: 1. Candidate 1 (learning_rate 1e+30) diverged")
    for attempt in results.attempts[:2]:
        rate, seed = attempt.candidate.settings["learning_rate"], attempt.candidate.seed
        assert close(alone(learning_rate=rate, seed=seed, optimizer="sgd").network, attempt.networks()[0])


def test_when_all_diverge_there_is_no_best():
    results = many(vary={"learning_rate": [1e30, 1e31]}, optimizer="sgd")
    with pytest.raises(RequestError, match=r"All 2 candidates diverged .*try smaller learning rates"):
        _ = results.best
    with pytest.raises(RequestError, match="All 2 candidates diverged"):
        results.ensemble()
    assert len(results.table()) == 2


def test_the_worse_half_leaves_where_halving_is_asked_for():
    vary = {"learning_rate": [1e-6, 1e-5, 1e-2, 3e-2]}
    results = many(vary=vary, halving=(0.5,))
    states = {attempt.candidate.number: attempt.state for attempt in results.attempts}
    assert states == {0: "beaten at epoch 2", 1: "beaten at epoch 2", 2: "finished", 3: "finished"}


def test_the_metric_that_is_monitored_ranks():
    vary = {"learning_rate": [0.001, 0.03, 0.3]}
    results = many(vary=vary, metrics=["accuracy"], monitor="accuracy", epochs=8)
    scores = [row["val_accuracy"] for row in results.table()]
    assert scores == sorted(scores, reverse=True)
    assert results.best.score == scores[0]


def test_the_budget_ends_training_and_that_is_said():
    results = many(members=4, vary=VARY, epochs=100_000, budget=0.4)
    assert results.cut_short
    assert results.seconds < 5
    assert any("The budget of 0.4 s ended training early: 4 of 4" in sentence for sentence in results.notices)


def test_programs_share_the_budget():
    results = many(vary={"batch_size": [8, 16, 32]}, epochs=100_000, budget=0.9)
    assert len(results) == 3
    epochs = [len(attempt.histories[0]["train_loss"]) for attempt in results.attempts]
    assert min(epochs) >= 1


def test_a_module_gets_the_best_weights():
    module = make()
    before = [parameter.detach().clone() for parameter in module.parameters()]
    results = many(module, vary={"learning_rate": [0.01, 0.02]})
    assert all(torch.equal(a, b) for a, b in zip(weights(module), weights(results.best.network), strict=True))
    assert not torch.equal(weights(module)[0], before[0])
    assert any("starts from the weights that the model has, the others from new ones" in s for s in results.notices)


def test_callbacks_hear_of_all_networks_and_may_stop():
    heard = []

    def callback(epoch, logs):
        heard.append((epoch, logs["program"], len(logs["loss"]), logs["active"]))
        return epoch == 2

    results = many(members=3, vary={"learning_rate": [0.01]}, folds=2, callbacks=callback)
    assert heard == [(1, 0, 6, 6), (2, 0, 6, 6)]
    assert all(len(history["train_loss"]) == 2 for a in results.attempts for history in a.histories)


def test_every_program_has_its_own_checkpoint_and_goes_on_from_it(tmp_path):
    vary = {"batch_size": [8, 32], "learning_rate": [0.01, 0.02]}
    path = tmp_path / "population"
    first = many(vary=vary, checkpoint=path)
    assert len(list(tmp_path.glob("population-*"))) == 2
    again = many(vary=vary, checkpoint=path)
    for one, other in zip(first.attempts, again.attempts, strict=True):
        assert all(
            torch.equal(a, b) for a, b in zip(weights(one.networks()[0]), weights(other.networks()[0]), strict=True)
        )


def test_numbers_are_learnt_as_well():
    results = many(make_one, NUMBERS, members=2, folds=2, metrics="r2")
    assert math.isfinite(results.best.score)
    assert results.best.predict(X).shape == (160,)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"members": 0}, "members must be a whole number of at least 1; got 0"),
        ({"members": 2.5}, r"members must be a whole number of at least 1; got 2\.5"),
        ({"members": 2, "vary": {"momentun": [0.9]}}, r"nothing is called 'momentun'\. Did you mean 'momentum'"),
        ({"vary": ["learning_rate"]}, "vary must be a dict of lists or ranges by name; got list"),
        ({"members": 2, "search": "grid"}, "search must be 'random', 'optuna' or a study of Optuna's; got 'grid'"),
        ({"members": 2, "halving": 3}, "halving must be True or shares of the epochs"),
        ({"members": 2, "groups": np.arange(120)}, "groups tell which rows to keep together"),
    ],
)
def test_what_cannot_be_asked_for(told, sentence):
    with pytest.raises(RequestError, match=sentence):
        many(**told)


def test_folds_and_validation_exclude_each_other():
    with pytest.raises(RequestError, match="folds make validation rows of their own"):
        many(folds=3, validation=(X[JUDGE], Y[JUDGE]))


def test_dropout_that_varies_needs_a_layer_or_an_argument():
    def plain():
        return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))

    with pytest.raises(RequestError, match="Sequential has no dropout layer whose rate could vary"):
        many(plain, members=2, vary={"dropout": [0, 0.5]})

    def taken(dropout=0.0):
        return plain()

    assert len(many(taken, vary={"dropout": [0, 0.5]})) == 2


def test_rows_of_the_data_are_not_touched():
    before = X.copy()
    many(members=2, folds=2)
    np.testing.assert_array_equal(X, before)
    assert len(LEARN) == 120
