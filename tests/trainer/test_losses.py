"""Losses by their many names, against PyTorch's; what a network ends in; what is said of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from annvil.trainer.arguments.losses import (
    binary_of_probabilities,
    canonical,
    choose,
    cross_entropy_of_probabilities,
    cross_entropy_of_shares,
    ending_of,
    poisson,
)
from annvil.trainer.inputs.targets import Target

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(7, 4, generator=GENERATOR)
CODES = torch.randint(0, 4, (7,), generator=GENERATOR)
YES = torch.randint(0, 2, (7, 4), generator=GENERATOR).float()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("cross-entropy", "cross-entropy"),
        ("sparse_categorical_crossentropy", "cross-entropy"),
        ("BCE", "binary-cross-entropy"),
        ("mean squared error", "squared-error"),
        ("mae", "absolute-error"),
        ("auto", "auto"),
    ],
)
def test_losses_have_many_names(written, name):
    assert canonical(written) == name


def test_classes_of_losses_are_made():
    assert isinstance(canonical(nn.MSELoss), nn.MSELoss)


def test_losses_of_probabilities_are_those_of_the_logits_behind_them():
    expected = functional.cross_entropy(LOGITS, CODES, reduction="none")
    torch.testing.assert_close(cross_entropy_of_probabilities("softmax", LOGITS.softmax(1), CODES), expected)
    shares = torch.softmax(torch.randn(7, 4, generator=GENERATOR), 1)
    expected = functional.cross_entropy(LOGITS, shares, reduction="none")
    torch.testing.assert_close(cross_entropy_of_shares("softmax", LOGITS.softmax(1), shares), expected)
    torch.testing.assert_close(cross_entropy_of_shares("", LOGITS, shares), expected)
    expected = functional.binary_cross_entropy_with_logits(LOGITS, YES, reduction="none")
    torch.testing.assert_close(binary_of_probabilities(LOGITS.sigmoid(), YES), expected)


def test_outputs_that_are_certain_and_wrong_cost_a_finite_amount():
    certain = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert torch.isfinite(cross_entropy_of_probabilities("softmax", certain, torch.tensor([1, 0]))).all()
    assert torch.isfinite(binary_of_probabilities(certain, 1 - certain)).all()


def test_counts():
    counts = torch.poisson(torch.full((7, 4), 3.0), generator=GENERATOR)
    expected = functional.poisson_nll_loss(LOGITS, counts, log_input=True, full=False, reduction="none")
    torch.testing.assert_close(poisson(LOGITS, counts), expected)


def test_sub_networks_meet_the_target_each():
    outputs = torch.randn(7, 3, 4, generator=GENERATOR).softmax(-1)
    both = cross_entropy_of_probabilities("softmax", outputs, CODES)
    for k in range(3):
        torch.testing.assert_close(both[:, k], cross_entropy_of_probabilities("softmax", outputs[:, k], CODES))
    torch.testing.assert_close(binary_of_probabilities(outputs, YES)[:, 1], binary_of_probabilities(outputs[:, 1], YES))


class ByFunction(nn.Module):
    def __init__(self, last) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(3, 2), last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layer(x))


@pytest.mark.parametrize(
    ("network", "ending"),
    [
        (nn.Linear(3, 2), ""),
        (nn.Sequential(nn.Linear(3, 2), nn.Softmax(1)), "softmax"),
        (ByFunction(lambda x: functional.softmax(x, dim=-1)), "softmax"),
        (ByFunction(lambda x: torch.sigmoid(x).squeeze()), "sigmoid"),
        (ByFunction(lambda x: x.sigmoid().view(-1, 2, 1).flatten(1)), "sigmoid"),
        (ByFunction(lambda x: x.log_softmax(-1)), "log-softmax"),
        (ByFunction(lambda x: x.softmax(-1) * 2), ""),
        (ByFunction(torch.relu), ""),
    ],
)
def test_what_a_network_ends_in(network, ending):
    assert ending_of(network(torch.randn(5, 3))) == ending


def test_a_doubled_softmax_is_pointed_out_and_a_loss_of_probabilities_explained():
    target = Target("classes", (4,), (0, 1, 2, 3), "softmax")
    _, notices = choose(nn.CrossEntropyLoss(), target)
    assert "CrossEntropyLoss expects logits, but the network ends in Softmax, so that is applied twice" in notices[0]
    _, notices = choose("auto", target)
    assert notices[1].startswith("The network ends in Softmax, so cross-entropy takes its outputs for probabilities")
    _, notices = choose(nn.BCEWithLogitsLoss(), Target("binary", (1,), (0, 1), "sigmoid"))
    assert "ends in Sigmoid" in notices[0]
    assert choose("auto", Target("classes", (4,), (0, 1, 2, 3), "log-softmax", why="x"))[1] == [
        "Loss: cross-entropy, because x."
    ]


def test_pytorchs_means_are_taken_apart_so_that_rows_may_weigh():
    target = Target("as given", (4,))
    chosen, _ = choose(nn.SmoothL1Loss(), target)
    torch.testing.assert_close(chosen.engine(LOGITS, YES), functional.smooth_l1_loss(LOGITS, YES, reduction="none"))
    weighted = nn.CrossEntropyLoss(weight=torch.ones(4))
    assert choose(weighted, target)[0].engine is weighted  # its mean is one of weights: only it can take that
    summed = nn.MSELoss(reduction="sum")
    assert choose(summed, target)[0].engine is summed
