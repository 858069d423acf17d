"""Candidates from an Optuna study, batch by batch."""

from __future__ import annotations

import importlib.util
import logging
import math

import optuna
import pytest
from optuna.trial import TrialState
from tests.trainer.small import make, many

from annvil.errors import MachineError, RequestError
from annvil.trainer.population.search_space import log_uniform, uniform

VARY = {"learning_rate": log_uniform(1e-4, 1e-1), "dropout": uniform(0, 0.5), "batch_size": [16, 32]}


@pytest.fixture(autouse=True)
def quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def test_a_study_is_asked_in_batches_and_told_every_loss():
    results = many(members=20, vary=VARY, search="optuna", epochs=2)
    assert len(results) == 20
    assert results.choices["programs"] <= 6  # three batches, two batch sizes
    told = {tuple(trial.params.values()): trial.value for trial in results.study.trials}
    for attempt in results.attempts:
        assert told[tuple(attempt.candidate.settings.values())] == attempt.loss
    assert results.study.best_value == results.table()[0]["val_loss"]
    assert all(trial.state is TrialState.COMPLETE for trial in results.study.trials)


def test_the_same_seed_asks_for_the_same():
    tables = [
        [dict(r) for r in many(members=10, vary=VARY, search="optuna", epochs=1, seed=s).table()] for s in (1, 1, 2)
    ]
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


def test_later_batches_learn_from_earlier_ones():
    vary = {"learning_rate": log_uniform(1e-6, 1e-1)}
    results = many(members=32, vary=vary, search="optuna", epochs=3)
    rates = {attempt.candidate.number: attempt.candidate.settings["learning_rate"] for attempt in results.attempts}
    early = [math.log10(rates[number]) for number in range(8)]
    late = [math.log10(rates[number]) for number in range(24, 32)]
    assert sum(late) / 8 > sum(early) / 8 + 0.5  # large rates learn more in three epochs


def test_a_study_of_the_users_own_that_maximises():
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    results = many(members=8, vary=VARY, search=study, metrics="accuracy", monitor="accuracy", epochs=2)
    assert results.study is study
    assert study.best_value == results.best.score


def test_one_that_diverges_is_told_as_failed_and_one_that_is_beaten_as_pruned():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for rate in (1e30, 1e-6, 1e-2, 2e-2):
        study.enqueue_trial({"learning_rate": rate})
    vary = {"learning_rate": [1e-6, 1e-2, 2e-2, 1e30]}
    many(members=4, vary=vary, search=study, optimizer="sgd", halving=(0.5,))
    states = {trial.params["learning_rate"]: trial.state for trial in study.trials}
    assert states == {
        1e30: TrialState.FAIL, 1e-6: TrialState.PRUNED, 1e-2: TrialState.COMPLETE, 2e-2: TrialState.COMPLETE
    }  # fmt: skip
    reasons = {trial.params["learning_rate"]: trial.user_attrs["annvil"] for trial in study.trials}
    assert reasons[1e30].startswith("diverged at epoch 1")
    assert reasons[1e-6] == "beaten at epoch 2"
    pruned = next(trial for trial in study.trials if trial.state is TrialState.PRUNED)
    assert sorted(pruned.intermediate_values) == [1, 2]


def test_values_that_a_study_cannot_keep_are_known_by_their_place():
    def taken(widths=(8,)):
        return make(widths[0])

    results = many(taken, members=4, vary={"widths": [(4,), (6,)]}, search="optuna", epochs=1)
    assert {attempt.candidate.settings["widths"] for attempt in results.attempts} <= {(4,), (6,)}
    assert {trial.params["widths"] for trial in results.study.trials} <= {0, 1}


def test_the_budget_ends_the_search():
    results = many(
        members=1000, vary={"learning_rate": log_uniform(1e-4, 1e-1)}, search="optuna", epochs=50, budget=0.5
    )
    assert results.cut_short
    assert len(results) < 1000
    assert not [t for t in results.study.trials if t.state in (TrialState.RUNNING, TrialState.WAITING)]


def test_optuna_speaks_as_before_afterwards(caplog):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    with caplog.at_level(logging.INFO):
        many(members=2, vary=VARY, search="optuna", epochs=1)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO


def test_without_optuna_the_extra_is_named(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "optuna" else found(name, *rest)
    )
    with pytest.raises(MachineError, match=r'search="optuna" needs Optuna: pip install "annvil\[optuna\]"'):
        many(members=2, vary=VARY, search="optuna")


def test_a_study_of_several_aims_is_refused():
    study = optuna.create_study(directions=["minimize", "maximize"])
    with pytest.raises(RequestError, match="The study has 2 aims"):
        many(members=2, vary=VARY, search=study)


def test_a_search_needs_something_that_varies():
    with pytest.raises(RequestError, match="needs something that varies"):
        many(members=2, search="optuna")
