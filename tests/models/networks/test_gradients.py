"""Gradients that networks write: those of autograd, complete, and exact where the network is a sum."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from annvil.attribution.integrated_gradients import integrated_gradients
from annvil.bundle.gradients import explain_by_gradients, write_gradients
from annvil.bundle.manifest import GRADIENTS
from annvil.bundle.sessions import session_of
from annvil.data.dataset import Dataset
from annvil.data.table import table_from_columns
from annvil.errors import BundleError
from annvil.kinds.tables.explaining import explaining
from annvil.models.jobs import Job
from annvil.models.members import Fitted
from annvil.models.networks.bag import network_outputs
from annvil.models.networks.column_tensors import ColumnTensors
from annvil.models.networks.table_bag import TableBag
from annvil.networks import DenseNetwork, PeriodicEmbedding, PiecewiseLinearEmbedding, SharedEnsemble, quantile_edges
from annvil.preparation import NetworkPreparation, TargetScaling
from annvil.tasks.calibration import LabelScaling, VectorScaling
from annvil.tasks.union import make_task

N, FEW = 60, 12
TASKS = {
    "binary": make_task("binary", "y", ("no", "yes")),
    "multiclass": make_task("multiclass", "y", ("a", "b", "c")),
    "multilabel": make_task("multilabel", "y", ("a", "b")),
    "regression": make_task("regression", "y"),
}
CALIBRATIONS = {
    "binary": VectorScaling(0.7, (0.3, -0.3)),
    "multiclass": VectorScaling(1.3, (0.0, 0.2, -0.2)),
    "multilabel": LabelScaling((0.5, 2.0)),
}


@cache
def rows():
    """Numbers, dates, few categories, many categories, and codes that are numbers; some missing."""
    rng = np.random.default_rng(0)
    x, hidden = rng.normal(size=(N, 2)), rng.uniform(size=(N, 2)) < 0.1
    towns = [f"town {i}" for i in range(15)]
    return table_from_columns(
        [
            ("size", "number", np.where(hidden[:, 0], np.nan, x[:, 0])),
            ("price", "number", np.exp(x[:, 1])),
            ("day", "datetime", 1.5e9 + 86400.0 * rng.integers(0, 900, N)),
            ("colour", "category", np.where(hidden[:, 1], "", rng.choice(["red", "green", "blue"], N))),
            ("town", "category", [*towns, *towns, *rng.choice(towns, N - 30)]),
        ]
    )


def embedding_of(prepared, kind, generator):
    n = prepared.n_continuous
    if kind == "periodic":
        return PeriodicEmbedding(n, generator, scale=1.0)
    return PiecewiseLinearEmbedding(quantile_edges(prepared.transform(rows()).numbers[:, :n], 8), generator, size=4)


def fitted(task, how, *, calibrated=False, networks=1):
    """Untrained networks of some kind, with weights so large that they bend."""
    table = rows()
    prepared = NetworkPreparation.fit(table)
    generator = torch.Generator().manual_seed(1)
    made = []
    for _ in range(networks):
        sizes = len(prepared.features), prepared.cardinalities, task.n_outputs, generator
        if how.startswith("shared"):
            embedding = embedding_of(prepared, "bins", generator)
            embedding.weight.data.normal_(generator=generator)
            net = SharedEnsemble(*sizes, k=3, mini=how == "shared, mini", widths=(16, 16), embedding=embedding,
                                 embedded=prepared.n_continuous)  # fmt: skip
        else:
            embedding = embedding_of(prepared, "periodic", generator) if how == "periodic" else None
            activation = "mish" if how == "periodic" else how
            net = DenseNetwork(*sizes, widths=(16, 16), activation=activation, embedding=embedding,
                               embedded=prepared.n_continuous, dropout=0.1)  # fmt: skip
        made.append(net.eval())
    target = None if task.predicts_probabilities else TargetScaling(50.0, 20.0, -1e9, 1e9)
    weights = (1.0,) if networks == 1 else (0.25, 0.75)
    heads = 3 if how.startswith("shared") else 1
    bag = TableBag(ColumnTensors(prepared), tuple(made), weights, target, task.link, heads)
    job = Job("first", np.arange(N), (), 0)
    calibration = CALIBRATIONS.get(task.kind) if calibrated else None
    return Fitted("dense-network", job, task, (bag,), calibration, np.empty((N, task.n_outputs)), {}, "")


def session(one, shares=None):
    """Columns, and slopes as the graph says them."""
    gradients = one.gradients(rows(), shares)
    assert gradients is not None
    run, _ = session_of(write_gradients(gradients.write, rows().form, one.task))

    def slopes_at(which, shares):
        share = shares[:, None].astype(np.float32)
        return tuple(run.run(["slopes", "scores"], {**rows().take(which).feeds(), "share": share}))

    return gradients.columns, slopes_at


CASES = {
    "relu": ("binary", 1),
    "selu": ("multiclass", 2),
    "silu": ("multilabel", 1),
    "periodic": ("regression", 1),
    "shared": ("binary", 1),
    "shared, mini": ("regression", 2),
}


@cache
def case(how):
    """The model, and its columns and slopes."""
    asked, networks = CASES[how]
    one = fitted(TASKS[asked], how, calibrated=True, networks=networks)
    if asked == "regression":  # with a range that a fifth of the rows would leave
        (bag,) = one.members
        one.members = (replace(bag, target=replace(bag.target, low=float(np.quantile(one.predict(rows()), 0.2)))),)
    return one, *session(one)


@pytest.mark.parametrize("how", CASES)
def test_contributions_add_up_to_what_the_model_says(how):
    one, columns, slopes = case(how)
    assert columns == ("size", "price", "day", "colour", "town")
    found = integrated_gradients(slopes, FEW)
    said = one.task.link.explained(one.predict(rows()))
    np.testing.assert_allclose(found.scores, said[:FEW], atol=1e-4 * np.abs(said).max())
    assert (found.missing <= 1e-3 * np.ptp(said, axis=0)).all()
    assert np.abs(found.contributions).max() > 0.05 * np.ptp(said)


@pytest.mark.parametrize("how", CASES)
def test_slopes_are_differences_of_what_the_model_says_of_prepared_rows(how):
    """Of networks in float64, which never saw a gradient, column by column."""
    one, columns, slopes = case(how)
    bag, share, tiny = one.members[0].double(), 0.6, 1e-7
    prepared = bag.preparation.columns.transform(rows())
    numbers, codes = torch.from_numpy(prepared.numbers).double(), torch.from_numpy(prepared.codes)
    sources = np.array([feature.source for feature in bag.preparation.columns.features])

    def said(moved):
        """With what comes of a column a little further on its way."""
        at = _on_the_way(numbers, torch.from_numpy(share + tiny * (sources == moved)))
        outputs = []
        for network, weight in zip(bag.networks, bag.weights, strict=True):
            vectors = _on_the_way(network.categories(codes), share + tiny * (moved == "town"))
            outputs.append(weight * network_outputs(network, (at, vectors), bag.target, bag.link))
        outputs = np.sum(outputs, axis=0)
        return one.task.link.explained(one.calibration.apply(outputs) if one.calibration else outputs)

    found, _ = slopes(np.arange(N), np.full(N, share))
    for place, column in enumerate(columns):
        expected = (said(column) - said("")) / tiny
        off = np.abs(found[:, place] - expected).max(axis=1) > 1e-3 * np.abs(expected).max()
        assert off.mean() <= 0.05  # where a ReLU bends there are two slopes, and float32 may take the other one


def _on_the_way(ends, share):
    return (ends.mean(0) + share * (ends - ends.mean(0))).detach()


def test_a_linear_network_is_split_as_its_weights_say():
    one = fitted(TASKS["regression"], "relu")
    (network,) = one.members[0].networks
    network.activations, network.layers = torch.nn.ModuleList(), network.layers[:1]
    network.layers[0] = torch.nn.Linear(network.layers[0].in_features, 1)
    columns, slopes = session(one)
    found = integrated_gradients(slopes, N).contributions[:, :, 0]
    preparation = one.members[0].preparation.columns
    prepared = preparation.transform(rows())
    weight = (network.layers[0].weight[0] * network.scale).detach().numpy().astype(np.float64) * 20.0
    vectors = network.categories(torch.from_numpy(prepared.codes)).detach().numpy()
    x = np.concatenate([prepared.numbers, vectors], axis=1).astype(np.float64)
    each = weight * (x - x.mean(axis=0))
    sources = [feature.source for feature in preparation.features] + ["town"] * vectors.shape[1]
    expected = np.stack([each[:, [source == column for source in sources]].sum(1) for column in columns], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_way_begins_at_the_weighted_mean_of_the_rows_that_are_given():
    one = fitted(TASKS["regression"], "selu")
    _, slopes = session(one, np.eye(N)[3])
    found = integrated_gradients(slopes, FEW)
    np.testing.assert_allclose(found.contributions[3], 0.0, atol=1e-4)
    np.testing.assert_allclose(found.base, one.predict(rows())[3], atol=1e-3)


def test_a_saved_graph_explains_rows_of_its_form_alone():
    one, _, slopes = case("silu")
    parts = explaining(Dataset(rows(), np.zeros((N, 2), dtype=np.int64), one.task, np.arange(N)), one)
    graph, few = parts[GRADIENTS], rows().take(np.arange(FEW))
    found = explain_by_gradients(graph, rows().form, one.task, few)
    np.testing.assert_allclose(found.contributions, integrated_gradients(slopes, FEW).contributions, atol=1e-6)
    with pytest.raises(BundleError, match="refused"):
        explain_by_gradients(graph, rows().form, TASKS["binary"], few)


def test_models_of_several_members_have_none():
    one = fitted(TASKS["binary"], "relu")
    one.members *= 2
    assert one.gradients(rows()) is None


def test_what_would_take_long_to_write_is_not_written():
    one = fitted(TASKS["multiclass"], "relu", networks=2)
    bag = one.members[0]
    one.members = (replace(bag, networks=bag.networks * 6, weights=(1 / 12,) * 12),)
    assert one.gradients(rows()) is None
