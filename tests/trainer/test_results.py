"""The table of candidates, the best of them, and ensembles."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from tests.trainer.small import NUMBERS, X, Y, make, make_one, many
from torch import nn

from annvil.errors import RequestError
from annvil.trainer.inputs.targets import Target
from annvil.trainer.population.search_space import log_uniform

VARY = {"learning_rate": log_uniform(1e-3, 1e-1), "dropout": [0.0, 0.3]}


@pytest.fixture(scope="module")
def results():
    return many(members=8, vary=VARY, folds=4, metrics=["accuracy", "log_loss"])


def probabilities(networks):
    rows = torch.from_numpy(X)
    return [network(rows).softmax(1).detach().numpy() for network in networks]


def test_the_table_is_sorted_and_has_a_column_for_everything(results):
    table = results.table()
    losses = [row["val_loss"] for row in table]
    assert losses == sorted(losses)
    assert table.columns == (
        "candidate", "learning_rate", "dropout", "seed", "val_loss", "spread", "val_accuracy", "spread of accuracy",
        "val_log_loss", "spread of log_loss", "best_epoch", "state",
    )  # fmt: skip
    # The log loss of the probabilities is the loss that was trained: two ways to the same number.
    for row in table:
        assert row["val_log_loss"] == pytest.approx(row["val_loss"], rel=1e-4)


def test_best_is_the_first_row_and_averages_the_networks_of_its_folds(results):
    best = results.best
    row = results.table()[0]
    assert best.score == row["val_accuracy"]
    mean = np.mean(probabilities(results.attempts[0].networks()), axis=0)
    np.testing.assert_allclose(best.predict_proba(X), mean, atol=1e-6)
    np.testing.assert_array_equal(best.predict(X), mean.argmax(1))
    assert "It predicts with the mean of its 4 networks, one per fold." in best.notices
    assert len(best.history["val_loss"]) == 4
    per_fold = [history["validation_loss"] for history in results.attempts[0].histories]
    assert best.history["val_loss"] == pytest.approx(np.mean(per_fold, axis=0))


def test_without_folds_best_is_a_single_network():
    results = many(members=2)
    assert isinstance(results.best.network, nn.Sequential)
    assert results.best.score == results.table()[0]["val_loss"]
    assert results[1].score == results.table()[1]["val_loss"]
    assert [result.score for result in results] == [row["val_loss"] for row in results.table()]


def test_an_ensemble_is_never_worse_than_the_best_on_the_rows_that_chose_it(results):
    out_of_fold = np.zeros((160, 3))
    for fold, network in zip(results.attempts[0].folds, results.attempts[0].networks(), strict=True):
        rows = torch.from_numpy(X[fold.test])
        out_of_fold[fold.test] = network(rows).softmax(1).detach().numpy()
    best_alone = -np.log(out_of_fold[np.arange(160), Y]).mean()
    for size in (1, 2, 5):
        ensemble = results.ensemble(size)
        assert len(ensemble) <= size
        assert ensemble.loss <= best_alone + 1e-6
        assert ensemble.weights.sum() == pytest.approx(1)
        assert (np.diff(ensemble.weights) <= 0).all()
    assert results.ensemble(1).loss == pytest.approx(best_alone, rel=1e-5)


def test_an_ensemble_predicts_the_weighted_mean(results):
    ensemble = results.ensemble(3)
    by_number = {attempt.candidate.number: attempt for attempt in results.attempts}
    mean = sum(
        weight * np.mean(probabilities(by_number[member.number].networks()), axis=0)
        for member, weight in zip(ensemble.members, ensemble.weights, strict=True)
    )
    np.testing.assert_allclose(ensemble.predict_proba(X), mean, atol=1e-6)
    np.testing.assert_array_equal(ensemble.predict(X), mean.argmax(1))
    assert [row["candidate"] for row in ensemble.table()] == [member.number for member in ensemble.members]


def test_an_ensemble_of_numbers_is_their_mean():
    results = many(make_one, NUMBERS, members=4, vary={"learning_rate": [0.01, 0.05]}, metrics=["r2"])
    ensemble = results.ensemble(3)
    by_number = {attempt.candidate.number: attempt for attempt in results.attempts}
    mean = sum(
        weight * by_number[member.number].networks()[0](torch.from_numpy(X)).detach().numpy()[:, 0]
        for member, weight in zip(ensemble.members, ensemble.weights, strict=True)
    )
    np.testing.assert_allclose(ensemble.predict(X), mean, atol=1e-5)
    assert ensemble.loss == pytest.approx(np.mean((ensemble.predict(X[120:]) - NUMBERS[120:]) ** 2), rel=1e-4)
    with pytest.raises(RequestError, match="Probabilities need classes"):
        ensemble.predict_proba(X)


def test_weights_of_rows_count_when_an_ensemble_is_chosen():
    weight = np.where(np.arange(160) % 2, 1.0, 0.0)
    results = many(members=2, folds=2, sample_weight=weight)
    ensemble = results.ensemble(1)
    attempt = next(a for a in results.attempts if a.candidate == ensemble.members[0])
    total = 0.0
    for fold, network in zip(attempt.folds, attempt.networks(), strict=True):
        rows = fold.test[fold.test % 2 == 1]
        shares = network(torch.from_numpy(X[rows])).softmax(1).detach().numpy()
        total -= np.log(shares[np.arange(len(rows)), Y[rows]]).sum()
    assert ensemble.loss == pytest.approx(total / 80, rel=1e-5)


def test_rows_that_several_folds_judge_get_the_mean():
    rows = np.arange(160)
    folds = [(rows[:100], rows[100:]), (rows[20:80], rows[80:120])]
    results = many(members=1, folds=folds)
    first, second = (network(torch.from_numpy(X)).softmax(1).detach() for network in results.attempts[0].networks())
    voted = results._evaluator.votes(results.attempts[0])
    np.testing.assert_array_equal(results._evaluator.rows, rows[80:])
    torch.testing.assert_close(voted[:20], second[80:100])
    torch.testing.assert_close(voted[20:40], (first[100:120] + second[100:120]) / 2)
    torch.testing.assert_close(voted[40:], first[120:])


def test_the_metric_that_is_monitored_chooses_the_ensemble():
    results = many(members=6, vary=VARY, folds=3, metrics=["accuracy"], monitor="accuracy")
    ensemble = results.ensemble(4)
    pooled = results._evaluator.votes(results.attempts[0]).numpy().argmax(1)
    assert ensemble.score >= np.mean(pooled == Y[results._evaluator.rows]) - 1e-9


def test_an_ensemble_needs_a_member(results):
    with pytest.raises(RequestError, match="at least one member; got size=0"):
        results.ensemble(0)


@pytest.mark.parametrize(
    ("kind", "ending", "outputs"),
    [
        ("classes", "", torch.tensor([[2.0, -1.0, 0.0], [60.0, -60.0, 0.0]])),
        ("classes", "softmax", torch.tensor([[0.2, 0.5, 0.3]])),
        ("binary", "", torch.tensor([[3.0], [-20.0]])),
        ("multi-label", "sigmoid", torch.tensor([[0.2, 0.9]])),
        ("numbers", "", torch.tensor([[-3.0], [4.0]])),
    ],
)
def test_votes_and_outputs_say_the_same(kind, ending, outputs):
    target = Target(kind, tuple(outputs.shape[1:]), ending=ending)
    voted = target.votes(outputs)
    again = target.votes(target.as_outputs(voted))
    torch.testing.assert_close(again, voted)
    if kind != "numbers":
        torch.testing.assert_close(
            target.shares(target.as_outputs(voted)),
            target.shares(outputs),
        )


def test_the_chart_is_sound_svg_with_a_mark_for_every_candidate(results, tmp_path):
    plot = results.plot(tmp_path / "candidates.svg")
    root = ElementTree.fromstring((tmp_path / "candidates.svg").read_text())
    assert (tmp_path / "candidates.svg").read_text() == plot.svg
    marks = [circle for circle in root.iter() if circle.tag.endswith("circle") and len(circle)]
    assert len(marks) == 2 * len(results)  # a panel for the learning rate, and one for dropout
    assert "nan" not in plot.svg.lower().replace("annvil", "")


def test_the_chart_of_a_population_without_variation_stands_by_rank():
    ElementTree.fromstring(many(members=3).plot().svg)


def test_words_of_settings_are_escaped_in_the_chart():
    def taken(name="a"):
        return make()

    results = many(taken, vary={"name": ["<b>&", "plain"]})
    ElementTree.fromstring(results.plot().svg)
    assert "&lt;b&gt;&amp;" in results._repr_html_()


def test_results_say_in_a_line_what_they_are(results):
    text = repr(results)
    assert text.startswith("<Results: 8 candidates, 32 networks; best: candidate ")
    assert repr(results.ensemble(2)).startswith("<Ensemble of ")
