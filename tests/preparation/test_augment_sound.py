"""Changes of log-mel energies: what each does, that they follow from the moment alone, and that clips stay clips."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from annvil.data.batch_transform import Moment
from annvil.networks.front_end import FrontEnd, band_centres
from annvil.preparation.augment_sound import SoundAugmentation, SoundChanges

RATE, N_BANDS, FRAMES = 8_000, 40, 60
CENTRES = band_centres(N_BANDS, RATE)
ALL = SoundAugmentation(stretch=0.22, warp=0.16, shift=4, noise=0.7, time_mask=0.3, band_mask=0.2)


def batch(members: int = 2, rows: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, FRAMES + 1, (members, rows), generator=chance)
    inside = torch.arange(FRAMES) < lengths[..., None]
    return torch.randn(members, rows, N_BANDS, FRAMES, generator=chance) * inside[:, :, None], lengths


def changed(augmentation: SoundAugmentation, moment: Moment, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    features, lengths = batch(len(moment.seeds), seed=seed)
    SoundChanges(augmentation, CENTRES)((features, lengths), torch.arange(6).expand(len(moment.seeds), 6), moment)
    return features, lengths


def tone(hertz: float, seconds: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    at = torch.arange(int(seconds * RATE)) / RATE
    front = FrontEnd(RATE, mean_removal=False)
    return front(torch.sin(2 * torch.pi * hertz * at)[None], torch.tensor([len(at)]))


def loudest(features: torch.Tensor) -> float:
    """Hz of the loudest band of the first frame."""
    return CENTRES[int(features[0, :, 0].argmax())]


@given(st.integers(0, 2**32), st.sampled_from([one.name for one in fields(SoundAugmentation)]), st.booleans())
def test_clips_stay_clips_and_a_moment_repeats(seed: int, only: str, together: bool) -> None:
    """Finite, of 1 to as many frames as there are, zeros behind; another epoch is another change."""
    augmentation = ALL if together else SoundAugmentation(**{only: getattr(ALL, only)})
    features, lengths = changed(augmentation, Moment((seed, 7), 1, 2, 9), seed)
    assert features.isfinite().all()
    assert ((lengths >= 1) & (lengths <= FRAMES)).all()
    behind = torch.arange(FRAMES) >= lengths[..., None]
    assert not features[behind[:, :, None].expand_as(features)].any()
    again = changed(augmentation, Moment((seed, 7), 1, 2, 9), seed)
    assert torch.equal(features, again[0])
    assert torch.equal(lengths, again[1])
    if together:
        assert not torch.equal(features, changed(augmentation, Moment((seed, 7), 2, 2, 9), seed)[0])


def test_a_member_is_changed_the_same_whoever_is_beside_it() -> None:
    two, one = batch(2), batch(2)
    changes, rows = SoundChanges(ALL, CENTRES), torch.arange(6).expand(2, 6)
    changes(two, rows, Moment((3, 4), 0, 0, 1))
    alone = one[0][1:].clone(), one[1][1:].clone()
    changes(alone, rows[1:], Moment((4,), 0, 0, 1))
    assert torch.equal(two[0][1:], alone[0])
    assert torch.equal(two[1][1:], alone[1])


def test_nothing_is_nothing() -> None:
    found, lengths = changed(SoundAugmentation(), Moment((1, 2), 0, 0, 1))
    assert torch.equal(found, batch()[0])
    assert torch.equal(lengths, batch()[1])
    assert SoundAugmentation().describe() == "unchanged"
    assert "tempo up to 25% faster or slower" in ALL.describe()


@pytest.mark.parametrize("tempo", [0.8, 1.25])
def test_tempo_changes_how_long_a_clip_is(tempo: float) -> None:
    """A line over time stays one, of another slope."""
    line = torch.arange(40.0).expand(1, N_BANDS, 40)
    wide = torch.nn.functional.pad(line, (0, 40))
    drawn = {"tempo": np.array([tempo], np.float32), "ends": np.zeros((1, 2), np.int64)}
    found, counts = SoundChanges(ALL, CENTRES).changed(wide, torch.tensor([40]), drawn)
    assert counts.tolist() == [round(40 / tempo)]
    inside = int(39 / tempo)
    np.testing.assert_allclose(found[0, 0, :inside], tempo * torch.arange(inside), atol=1e-4)


def test_a_shift_cuts_and_repeats() -> None:
    line = torch.arange(1.0, 11.0).expand(1, N_BANDS, 10)
    wide = torch.nn.functional.pad(line, (0, 10))
    drawn = {"tempo": np.ones(1, np.float32), "ends": np.array([[-2, 3]])}
    found, counts = SoundChanges(ALL, CENTRES).changed(wide, torch.tensor([10]), drawn)
    assert counts.tolist() == [15]
    assert found[0, 0, :15].tolist() == [1, 1, *range(1, 11), 10, 10, 10]


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.18])
def test_a_warp_moves_frequencies_by_its_factor(factor: float) -> None:
    """A tone of 1000 Hz becomes the tone that is so many times higher, to within a band."""
    features, lengths = tone(1_000)
    found, _ = SoundChanges(ALL, CENTRES).changed(features, lengths, {"warp": np.array([1 / factor])})
    heard, _ = tone(1_000 * factor)
    assert loudest(found) == pytest.approx(loudest(heard), rel=0.08)


@pytest.mark.parametrize("below", [5.0, 20.0])
def test_noise_has_the_energy_that_was_asked_for(below: float) -> None:
    """So many decibels below the clip's mean energy; where none was drawn nothing changes."""
    features = torch.zeros(1, N_BANDS, FRAMES)
    drawn = {
        "below": np.array([below], np.float32),
        "tilt": np.zeros(1, np.float32),
        "fluctuation": np.zeros((1, N_BANDS, FRAMES), np.float32),
    }
    changes, lengths = SoundChanges(ALL, CENTRES), torch.tensor([FRAMES])
    found, _ = changes.changed(features, lengths, drawn)
    np.testing.assert_allclose(found.exp() - 1, 10 ** (-below / 10), rtol=1e-3)
    drawn["below"][:] = np.inf
    assert torch.equal(changes.changed(features, lengths, drawn)[0], features)


def test_what_is_hidden_is_the_mean_of_its_band() -> None:
    """In whole stretches of time and whole bands, and no more than was asked for."""
    features, lengths = (one[0] for one in batch(1, seed=5))
    features, lengths = features + 3.0, torch.full_like(lengths, FRAMES)
    changes = SoundChanges(SoundAugmentation(time_mask=0.3, band_mask=0.2), CENTRES)
    found, _ = changes.changed(features, lengths, changes.draw(np.random.default_rng(0), 6, N_BANDS, FRAMES))
    other = found != features
    assert other.any()
    mean = features.mean(dim=2, keepdim=True).expand_as(found)
    np.testing.assert_allclose(found[other], mean[other], atol=1e-5)
    assert other.all(dim=1).sum(dim=1).max() <= 2 * 0.3 * FRAMES
    assert other.all(dim=2).sum(dim=1).max() <= 2 * 0.2 * N_BANDS
