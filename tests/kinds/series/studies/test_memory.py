"""What is measured on networks, against networks whose answer is known by construction."""

import numpy as np
import pytest
import torch

from annvil.kinds.series.contenders.member import RecurrentBag, SeriesTensors
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.studies.memory import as_saved, reach, seconds_by_length, streamed
from annvil.kinds.series.studies.sides import CELLS, sides_for
from annvil.networks.recurrent import RecurrentArchitecture, RecurrentNetwork, RecurrentStep
from annvil.networks.step_bag import StepBagArchitecture, StepBagNetwork
from annvil.tasks.union import make_task

RNG = np.random.default_rng(0)


def network(cell, patch=1, n_channels=2):
    one = RecurrentNetwork(RecurrentArchitecture(n_channels, 3, cell, 8, patch=patch))
    one.initialise(torch.Generator().manual_seed(1))
    return one.eval()


def series(*lengths, n_channels=2):
    return series_from_arrays([RNG.normal(size=(n_channels, n)) for n in lengths])


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.2])
def test_gradients_of_a_linear_recurrence_fade_or_grow_by_its_factor(factor):
    """Near 0 it is h ← factor · h + W x: the gradient by an input k steps back is factor^k · W."""
    one = network("rnn")
    with torch.no_grad():
        cell = one.recurrences[0]
        cell.weight_hh_l0.copy_(factor * torch.eye(8))
        cell.weight_ih_l0.mul_(1e-4)
        cell.bias_ih_l0.zero_(), cell.bias_hh_l0.zero_()
    np.testing.assert_allclose(reach(one, series(20, 20, 12)), factor ** np.arange(20.0), rtol=1e-3)


def test_an_open_lstm_carries_its_gradient_without_loss():
    """Forget gate open, all others at a half and no way from state to gates: the cell only adds up."""
    one = network("lstm")
    with torch.no_grad():
        cell = one.recurrences[0]
        for weight in cell.parameters():
            weight.zero_()
        cell.weight_ih_l0[16:24, :].normal_(generator=torch.Generator().manual_seed(0)).mul_(1e-3)
        cell.bias_ih_l0[8:16] = 30.0
    np.testing.assert_allclose(reach(one, series(15, 15)), 1.0, rtol=1e-3)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("patch", [1, 4])
@pytest.mark.parametrize("n", [1, 7, 16, 33])
def test_a_stream_says_the_same_as_the_whole_series(cell, patch, n):
    gap, took = streamed(saved(network(cell, patch)), series(n, 5))
    assert gap <= 1e-5
    assert took > 0


def test_a_stream_that_forgets_is_found(monkeypatch):
    """The state thrown away between steps: the difference shows it."""
    step = RecurrentStep.forward
    monkeypatch.setattr(RecurrentStep, "forward", lambda self, values, state: step(self, values, 0 * state))
    assert streamed(saved(network("gru")), series(16))[0] > 1e-3


def saved(one):
    task = make_task("multiclass", "y", ("a", "b", "c"))
    return as_saved(RecurrentBag(SeriesTensors(), (one,), (1.0,), None, task.link), series(5).form, task)


def test_times_are_of_a_quarter_to_four_times_the_length():
    found = seconds_by_length(network("gru"), series(16, 8))
    assert list(found) == [4, 8, 16, 32, 64]
    assert all(one > 0 for some in found.values() for one in some)


@pytest.mark.parametrize("seed", range(3))
def test_a_bag_of_steps_does_not_see_their_order_nor_what_lies_behind_the_end(seed):
    bag = StepBagNetwork(StepBagArchitecture(2, 3, 16))
    bag.initialise(torch.Generator().manual_seed(seed))
    values = torch.randn(5, 2, 20, generator=torch.Generator().manual_seed(seed))
    lengths = torch.tensor([20, 20, 9, 1, 15])
    order = torch.randperm(20, generator=torch.Generator().manual_seed(seed))
    mixed = values[:2, :, order]
    torch.testing.assert_close(bag(mixed, lengths[:2]), bag(values[:2], lengths[:2]), rtol=1e-5, atol=1e-6)
    for row, n in enumerate(lengths.tolist()):
        alone = bag(values[row : row + 1, :, :n], lengths[row : row + 1])
        torch.testing.assert_close(bag(values, lengths)[row : row + 1], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("channels", "longest", "n_outputs"), [(1, 8, 2), (1, 150, 2), (6, 128, 12), (3, 5_000, 1)])
def test_all_sides_have_about_as_many_weights(channels, longest, n_outputs):
    form = SeriesForm(tuple(f"c{place}" for place in range(channels)), longest, longest)
    sides = sides_for(form, n_outputs)
    counts = [side.n_parameters for side in sides.values()]
    assert max(counts) <= 1.08 * min(counts)
    assert set(CELLS) < set(sides)
