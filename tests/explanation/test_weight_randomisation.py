"""Contributions of a network become others without its weights; those of the rows alone do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from annvil.data.table import table_from_columns
from annvil.explanation.weight_randomisation import SHUFFLINGS, contributions_of, weight_randomisation
from annvil.models.jobs import Job
from annvil.models.members import Fitted
from annvil.models.networks.column_tensors import ColumnTensors
from annvil.models.networks.table_bag import TableBag
from annvil.networks import DenseNetwork
from annvil.networks.shuffling import without_knowledge
from annvil.preparation import NetworkPreparation
from annvil.tasks.base import FloatArray
from annvil.tasks.union import make_task

RANDOM = np.random.default_rng(0)
NUMBERS = ((f"x{k}", "number", RANDOM.normal(size=40)) for k in range(5))
ROWS = table_from_columns([*NUMBERS, ("c", "category", RANDOM.choice(["p", "q", "r"], 40))])


def networks(seed: int, asked: str = "binary") -> Fitted:
    """Two untrained networks: what is tested is whether an explanation is theirs, not whether they are good."""
    task = make_task(asked, "y", ("no", "yes") if asked == "binary" else ())
    prepared, generator = NetworkPreparation.fit(ROWS), torch.Generator().manual_seed(seed)
    made = [
        DenseNetwork(len(prepared.features), (), task.n_outputs, generator, widths=(32, 32)).eval() for _ in range(2)
    ]
    bag = TableBag(ColumnTensors(prepared), tuple(made), (0.5, 0.5), None, task.link)
    return Fitted("dense-network", Job("a", np.arange(40), (), 0), task, (bag,), None, np.empty((40, 2)), {}, "")


def of_columns(one: Fitted) -> FloatArray | None:
    """Integrated gradients."""
    return contributions_of(one, ROWS, 0, ROWS)


def distances(one: Fitted) -> FloatArray:
    """How far each column is from its mean, whatever the network says."""
    numbers = ROWS.numbers()
    return np.column_stack([numbers - numbers.mean(axis=0), (ROWS.texts()[:, 0] == "p") - 0.3])


def half(one: Fitted) -> FloatArray:
    """Half of what the network says, half of what it does not."""
    own = of_columns(one)
    assert own is not None
    return own / own.std() + distances(one)


def test_integrated_gradients_pass_and_what_ignores_the_weights_fails() -> None:
    own = [weight_randomisation(networks(seed), ROWS, of_columns, lambda: False) for seed in range(2)]
    assert all(one is not None and one.passed for one in own), own
    for wrong in (distances, half):
        check = weight_randomisation(networks(0), ROWS, wrong, lambda: False)
        assert check is not None
        assert not check.passed
        assert check.said.startswith("Do not rely on")


def test_it_is_made_of_networks_alone_and_while_there_is_time() -> None:
    one = networks(0)
    assert weight_randomisation(one, ROWS, lambda other: None, lambda: False) is None
    assert weight_randomisation(one, ROWS, of_columns, lambda: True) is None
    asked: list[int] = []
    check = weight_randomisation(one, ROWS, distances, lambda: asked.append(1) is not None)
    assert check is not None
    assert len(asked) == SHUFFLINGS
    several = networks(0)
    several.members = (*several.members, *several.members)
    assert several.shuffled(0) is not None


@pytest.mark.parametrize("seed", [0, 1])
def test_shuffled_networks_keep_the_sizes_of_their_weights_and_nothing_else(seed: int) -> None:
    network = networks(0).members[0].networks[0]  # type: ignore[attr-defined]
    other = without_knowledge(network, seed)
    for before, after in zip(network.parameters(), other.parameters(), strict=True):
        left, right = before.detach().flatten().abs().sort().values, after.detach().flatten().abs().sort().values
        assert torch.equal(left, right)
    weight, shuffled = network.layers[1].weight.detach(), other.layers[1].weight.detach()
    assert abs(float(torch.corrcoef(torch.stack([weight.flatten(), shuffled.flatten()]))[0, 1])) < 0.2
