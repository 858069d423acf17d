"""Networks on sound: what they are given, what they never see, and that they learn more than they were shown."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from annvil.kinds.sound.contenders.networks import SoundNetworks
from annvil.kinds.sound.contenders.sound_family import LONG_CLIPS, energies_of, epochs_for
from annvil.kinds.sound.contenders.speech_energies import SpeechEnergies
from annvil.kinds.sound.reading.arrays import clips_from_arrays
from annvil.kinds.sound.spoken import QUIET
from annvil.networks.front_end import FrontEnd
from annvil.networks.sound import SoundArchitecture, SoundNetwork

RATE = 4_000


def test_energies_are_those_of_the_front_end_cut_at_what_is_usual() -> None:
    """In the order of the clips, whatever the order in which they were made; the longest of many are cut."""
    random = np.random.default_rng(0)
    parts = [(0.1 * random.normal(size=n)).astype(np.float32) for n in (*random.integers(400, 900, 250), 9_000)]
    clips = clips_from_arrays(parts, RATE)  # less their means
    energies, frames = energies_of(clips)
    front = FrontEnd(RATE, mean_removal=False)
    usual = sorted(int(front.frames_of(torch.tensor(len(part)))) for part in parts)[math.ceil(LONG_CLIPS * 250)]
    assert energies.shape == (251, 40, usual)
    for row in (0, 17, 250):
        expected, count = front(torch.from_numpy(clips.one(row).copy())[None], torch.tensor([len(parts[row])]))
        size = min(usual, int(count))
        assert int(frames[row]) == size
        np.testing.assert_allclose(energies[row, :, :size], expected[0, :, :size], atol=1e-4)
        assert not energies[row, :, size:].any()


@pytest.mark.parametrize(("before", "behind"), [(0, 0), (30, 0), (0, 22), (11, 47)])
def test_quiet_before_and_behind_is_left_away(before: int, behind: int) -> None:
    """A hum at a hundredth of the amplitude, however long, changes neither what is kept nor how many frames it has,
    but for the frames in which both are heard; quiet between two sounds stays."""
    module = SpeechEnergies(RATE, 40)
    hop = module.front_end.hop
    random = np.random.default_rng(1)
    word = 0.2 * random.normal(size=40 * hop)
    word[15 * hop : 25 * hop] *= 0.005
    hum = 0.001 * random.normal(size=(before + behind) * hop)
    samples = np.concatenate([hum[: before * hop], word, hum[before * hop :]]).astype(np.float32)
    kept, count = module(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    whole, frames = module.front_end(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    mean = whole[0].mean(dim=0)[: int(frames)]
    loud = torch.nonzero(mean >= mean.max() - QUIET).flatten()
    first, last = int(loud[0]), int(loud[-1])
    within = math.ceil(module.front_end.window / hop)
    assert before - within <= first <= before
    assert int(count) == last - first + 1
    assert abs(int(count) - 40) <= 2 * within
    torch.testing.assert_close(kept[0, :, : int(count)], whole[0, :, first : last + 1])
    assert not kept[0, :, int(count) :].any()


@pytest.mark.parametrize("body", ["residual", "gru"])
@pytest.mark.parametrize("n_cepstra", [0, 13])
def test_what_lies_behind_the_end_is_never_seen(body, n_cepstra) -> None:
    """In training and after it; and a clip says the same in any company once training is over."""
    network = SoundNetwork(SoundArchitecture(40, 3, body, 12, n_cepstra))
    network.initialise(torch.Generator().manual_seed(0))
    energies, frames = torch.randn(4, 40, 30, generator=torch.Generator().manual_seed(1)), torch.tensor([30, 9, 1, 16])
    network.look_at(energies, frames)
    inside = (torch.arange(30) < frames[:, None])[:, None]
    other = torch.where(inside, energies, torch.tensor(50.0))
    for mode in (True, False):
        network.train(mode)
        with torch.no_grad():
            torch.testing.assert_close(network(energies, frames), network(other, frames))
    with torch.no_grad():
        together, alone = network(energies, frames), network(energies[1:2, :, :9], frames[1:2])
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)


def test_a_training_has_so_many_steps_however_many_clips_there_are() -> None:
    assert [epochs_for(n, 1.0) for n in (50, 400, 2_400, 100_000)] == [250, 77, 27, 2]
    assert epochs_for(50, 0.0) == 15


def test_candidates_differ_in_more_than_their_place() -> None:
    for body in ("residual", "gru"):
        said = [one.describe() for one in SoundNetworks(body, "name", "Title").portfolio()]
        assert len(set(said)) == len(said)


@pytest.mark.parametrize("body", ["residual", "gru"])
def test_microphone_and_loudness_change_nothing(body) -> None:
    """What is the same in all frames of a clip is taken away, however much of it there is; what moves counts."""
    network = SoundNetwork(SoundArchitecture(40, 3, body, 12))
    network.initialise(torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(1)
    energies, frames = torch.randn(4, 40, 30, generator=random), torch.tensor([30, 9, 2, 16])
    network.look_at(energies, frames)
    network.eval()
    with torch.no_grad():
        plain = network(energies, frames)
        elsewhere = network(energies + 5 * torch.randn(4, 40, 1, generator=random), frames)
        farther = network(2 * energies, frames)
    torch.testing.assert_close(elsewhere, plain, atol=1e-4, rtol=1e-4)
    assert ((farther - plain).abs().amax(dim=1) > 1e-3).all()
