"""Changed pixels against NumPy, by hand, and against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from annvil.data.batch_transform import Mixing, Moment
from annvil.errors import RequestError
from annvil.preparation.augment_batches import PictureChanges, alternates, interpolated, picked
from annvil.preparation.augmentation import Augmentation

EVERYTHING = Augmentation(
    "random", True, 2, "reflect", 0.2, 15.0, 0.1, 0.3, 0.4, 1.0, 0.1, 0.2, 0.3, 0.05
)  # fmt: skip


def pictures(n: int = 6, height: int = 8, width: int = 10, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, height, width, channels), dtype=torch.uint8, generator=generator)


def applied(
    of: Augmentation, given: Tensor, epoch: int = 0, step: int = 0, seeds: tuple[int, ...] = (3,), **layout: Any
) -> tuple[Tensor, Mixing | None]:
    """The batch of one member (or of several, where ``given`` has their axis), changed."""
    batch = given.clone() if len(seeds) > 1 else given.clone().unsqueeze(0)
    rows = torch.arange(batch.shape[1], dtype=torch.int32).expand(len(seeds), -1)
    mixing = PictureChanges(of, **layout)([batch], rows, Moment(seeds, epoch, step, 10))
    return (batch if len(seeds) > 1 else batch[0]), mixing


def test_shifted_pictures_are_cut_from_their_padded_selves() -> None:
    given = pictures()
    shift = np.array([[0, 0], [2, -1], [-3, 4], [1, 1], [0, 5], [-7, 0]])
    for padding, mode in (("reflect", "reflect"), ("edge", "edge")):
        changed = picked(given, {"shift": shift}, padding)
        padded = np.pad(given.numpy(), ((0, 0), (7, 7), (7, 7), (0, 0)), mode)  # type: ignore[call-overload]
        for k, (down, across) in enumerate(shift):
            expected = padded[k, 7 - down : 15 - down, 7 - across : 17 - across]
            np.testing.assert_array_equal(changed[k].numpy(), expected)


def test_flips() -> None:
    given, every = pictures(), np.ones(6, dtype=bool)
    assert torch.equal(picked(given, {"flip": every}, "edge"), given.flip(2))
    assert torch.equal(picked(given, {"flip_vertical": every}, "edge"), given.flip(1))


def test_alternating_flips_show_both_sides_in_two_epochs() -> None:
    rows = np.arange(10_000)
    first, second = (alternates(rows, 5, epoch) for epoch in (3, 4))
    assert (first != second).all()
    assert abs(first.mean() - 0.5) < 0.02
    assert abs((first[1:] == first[:-1]).mean() - 0.5) < 0.02
    assert (alternates(rows, 6, 3) != first).any()
    given = pictures()
    one, other = (applied(Augmentation(flip="alternate"), given, epoch=epoch)[0] for epoch in (0, 1))
    for k in range(len(given)):
        assert {one[k].numpy().tobytes(), other[k].numpy().tobytes()} == {
            given[k].numpy().tobytes(), given[k].flip(1).numpy().tobytes()
        }  # fmt: skip


def test_interpolating_whole_pixels_is_picking_them() -> None:
    given = pictures()
    drawn = {
        "shift": np.array([[0, 0], [2, -1], [-2, 3], [1, 1], [0, 3], [-1, 0]]),
        "flip": np.array([True, False] * 3),
        "flip_vertical": np.array([True, True, False] * 2),
    }
    smooth = interpolated(given, {**drawn, "angle": np.zeros(6)}, "edge")
    np.testing.assert_allclose(smooth.numpy(), picked(given, drawn, "edge").numpy(), atol=0.01)


def test_a_quarter_turn() -> None:
    given = pictures(height=9, width=9)
    turned = interpolated(given, {"angle": np.full(6, 90.0)}, "edge")
    np.testing.assert_allclose(turned.numpy(), np.rot90(given.numpy(), 1, (1, 2)), atol=0.01)


def test_a_crop_is_a_part_enlarged() -> None:
    given = pictures(height=8, width=8)
    drawn = {"crop": np.full(6, 0.5), "crop_at": np.full((6, 2), -1.0)}
    quarter = given[:, :4, :4].permute(0, 3, 1, 2).float()
    expected = torch.nn.functional.interpolate(quarter, scale_factor=2, mode="bilinear")
    inner = interpolated(given, drawn, "edge").permute(0, 3, 1, 2)[:, :, :7, :7]  # the last ones see beyond the quarter
    torch.testing.assert_close(inner, expected[:, :, :7, :7], atol=0.01, rtol=0)


def test_cutout_paints_a_square_with_the_mean() -> None:
    given = pictures(height=10)
    changed, _ = applied(Augmentation(cutout=0.4), given)
    differs = (changed != given).any(-1)
    assert 0 < int(differs.flatten(1).sum(1).max()) <= 16
    for k in range(len(given)):
        mean = given[k].float().mean((0, 1)).round().to(torch.uint8)
        assert (changed[k][differs[k]] == mean).all()


def test_brightness_contrast_and_colour_by_hand() -> None:
    given = pictures().float()
    changes = PictureChanges(Augmentation(colour=0.5))
    drawn = {"colour": np.linspace(-0.5, 0.5, 6), "contrast": np.linspace(0.2, -0.2, 6), "brightness": np.full(6, 0.01)}
    changed = changes.changed(given, drawn)
    for k in range(6):
        value = given[k].numpy()
        mean = value.mean()
        grey = (value * [0.299, 0.587, 0.114]).sum(-1, keepdims=True)
        value = grey + (value - grey) * (1 + drawn["colour"][k])
        value = mean + (value - mean) * (1 + drawn["contrast"][k]) + 0.01 * 255
        np.testing.assert_allclose(changed[k].numpy(), value.clip(0, 255), atol=0.01)


def test_noise_has_the_deviation_asked_for() -> None:
    given = torch.full((1, 400, 400, 1), 128, dtype=torch.uint8)
    changed = PictureChanges(Augmentation(noise=0.1)).changed(given, {"noise": np.random.default_rng(0).normal(
        0, 0.1, given.shape).astype(np.float32)})  # fmt: skip
    assert abs(float(changed.float().std()) - 25.5) < 0.2
    deviations = [float(applied(Augmentation(noise=0.1), given, step=step)[0].float().std()) for step in range(20)]
    assert min(deviations) > 0
    assert max(deviations) < 25.6


def test_mixup_mixes_pixels_and_says_in_which_shares() -> None:
    given = pictures()
    changed, mixing = applied(Augmentation(mixup=0.5), given)
    assert mixing is not None
    share, partner = mixing.share[0], mixing.partner[0]
    assert ((share >= 0) & (share <= 1)).all()
    own = share.view(-1, 1, 1, 1)
    expected = own * given.float() + (1 - own) * given[partner].float()
    torch.testing.assert_close(changed.float(), expected, atol=0.51, rtol=0)


def test_cutmix_pastes_a_rectangle_and_says_its_area() -> None:
    given = pictures(n=40)
    changed, mixing = applied(Augmentation(cutmix=1.0), given)
    assert mixing is not None
    own = (changed == given).all(-1).float().flatten(1).mean(1)
    theirs = (changed == given[mixing.partner[0]]).all(-1).float().flatten(1).mean(1)
    pairs = mixing.partner[0] != torch.arange(40)
    torch.testing.assert_close(own[pairs], mixing.share[0][pairs], atol=0.03, rtol=0)
    torch.testing.assert_close(theirs[pairs], 1 - mixing.share[0][pairs], atol=0.03, rtol=0)


def test_companions_change_nothing() -> None:
    given = torch.stack([pictures(), pictures().flip(0)])
    together, mixed = applied(EVERYTHING, given, seeds=(3, 4))
    assert mixed is not None
    for k, seed in enumerate((3, 4)):
        alone, mixing = applied(EVERYTHING, given[k], seeds=(seed,))
        assert mixing is not None
        assert torch.equal(alone, together[k])
        assert torch.equal(mixing.share[0], mixed.share[k])
        assert torch.equal(mixing.partner[0], mixed.partner[k])


def test_it_follows_from_seed_epoch_and_step() -> None:
    first = applied(EVERYTHING, pictures())[0]
    assert torch.equal(first, applied(EVERYTHING, pictures())[0])
    for other in ({"epoch": 1}, {"step": 1}, {"seeds": (4,)}):
        assert not torch.equal(first, applied(EVERYTHING, pictures(), **other)[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("of", [EVERYTHING, Augmentation(shift=2, flip="alternate")])
def test_layouts(of: Augmentation) -> None:
    given = pictures()
    last, _ = applied(of, given)
    first, _ = applied(of, given.permute(0, 3, 1, 2).contiguous(), layout="channels-first")
    assert torch.equal(first.permute(0, 2, 3, 1), last)
    grey = given[..., 0].contiguous()
    assert torch.equal(applied(of, grey, layout="grey")[0], applied(of, grey.unsqueeze(-1))[0][..., 0])
    with pytest.raises(RequestError, match="three axes"):
        applied(of, grey)


def test_fractions_stay_within_their_range() -> None:
    changed, _ = applied(EVERYTHING, pictures().float() / 255, low=0.0, high=1.0)
    assert changed.dtype == torch.float32
    assert 0 <= float(changed.min()) < float(changed.max()) <= 1


def test_doing_nothing_touches_nothing() -> None:
    given = pictures()
    changed, mixing = applied(Augmentation(padding="edge"), given)
    assert mixing is None
    assert torch.equal(changed, given)
