"""Losses against PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from annvil.errors import DataError, RequestError
from annvil.training.losses.named import Batch
from annvil.training.losses.resolve import CustomLoss, make_loss

GENERATOR = torch.Generator().manual_seed(0)
WEIGHT = torch.softmax(torch.randn(5, generator=GENERATOR), 0)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=GENERATOR)


def value(
    loss: str | CustomLoss,
    output: Tensor,
    targets: Tensor,
    smoothing: float = 0.0,
    weight: Tensor = WEIGHT,
    row_weights: Tensor | None = None,
) -> Tensor:
    chosen = make_loss(loss)
    checked = chosen.check(output, targets, row_weights)
    buffers = chosen.buffers(1, 5)
    smooth = torch.full((1, 1, 1), smoothing) if smoothing else None
    chosen.fill(buffers, Batch(checked.unsqueeze(0), weight.unsqueeze(0), smooth))
    return chosen.value(output, *[buffer[0] for buffer in buffers])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing: float) -> None:
    output, targets = normal(5, 4), torch.tensor([0, 3, 1, 1, 2])
    rows = functional.cross_entropy(output, targets, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(value("cross-entropy", output, targets, smoothing), (rows * WEIGHT).sum())


PYTORCHS: dict[str, Callable[..., Tensor]] = {
    "squared-error": functional.mse_loss,
    "absolute-error": functional.l1_loss,
    "huber": functional.huber_loss,
    "binary-cross-entropy": functional.binary_cross_entropy_with_logits,
}


@pytest.mark.parametrize("loss", list(PYTORCHS))
def test_losses_of_numbers(loss: str) -> None:
    output, targets = normal(5, 2) * 2, torch.rand(5, 2, generator=GENERATOR)
    rows = PYTORCHS[loss](output, targets, reduction="none").mean(1)
    torch.testing.assert_close(value(loss, output, targets), (rows * WEIGHT).sum())
    output.requires_grad_()
    (mine,) = torch.autograd.grad(value(loss, output, targets), output)
    rows = PYTORCHS[loss](output, targets, reduction="none").mean(1)
    (theirs,) = torch.autograd.grad((rows * WEIGHT).sum(), output)
    torch.testing.assert_close(mine, theirs)


def test_binary_cross_entropy_with_smoothed_labels() -> None:
    output, targets = normal(5, 1), torch.tensor([0, 1, 1, 0, 1])
    rows = functional.binary_cross_entropy_with_logits(output[:, 0], targets * 0.8 + 0.1, reduction="none")
    torch.testing.assert_close(value("binary-cross-entropy", output, targets, 0.2), (rows * WEIGHT).sum())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropies_of_labels_add_up(smoothing: float) -> None:
    output, targets = normal(5, 3), (normal(5, 3) > 0).float()
    smooth = targets * (1 - smoothing) + smoothing / 2
    rows = functional.binary_cross_entropy_with_logits(output, smooth, reduction="none").sum(1)
    torch.testing.assert_close(value("label-cross-entropy", output, targets, smoothing), (rows * WEIGHT).sum())
    torch.testing.assert_close(
        value("label-cross-entropy", output, targets, smoothing),
        3 * value("binary-cross-entropy", output, targets, smoothing),
    )


@pytest.mark.parametrize(
    ("loss", "targets"), [("cross-entropy", torch.tensor([0, 1, 1, 0, 1])), ("squared-error", normal(5, 2))]
)
def test_k_networks_in_one_give_the_mean_of_their_losses(loss: str, targets: Tensor) -> None:
    outputs = normal(5, 3, 2)
    each = torch.stack([value(loss, outputs[:, k], targets) for k in range(3)])
    torch.testing.assert_close(value(loss, outputs, targets), each.mean())


MASK = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0], [0, 1, 0, 1]]).float()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_every_position(smoothing: float) -> None:
    output, targets = normal(5, 4, 3), torch.randint(0, 3, (5, 4), generator=GENERATOR)
    rows = functional.cross_entropy(output.transpose(1, 2), targets, reduction="none", label_smoothing=smoothing)
    mine = value("cross-entropy", output, targets, smoothing)
    torch.testing.assert_close(mine, (rows.mean(1) * WEIGHT).sum())
    masked = targets.masked_fill(MASK == 0, -100)  # what stands under a mask does not count, whatever it is
    mine = value("cross-entropy", output, masked, smoothing, MASK / MASK.sum(), MASK)
    theirs = functional.cross_entropy(output.transpose(1, 2), masked, ignore_index=-100, label_smoothing=smoothing)
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(("out", "of_targets"), [((5, 4), (5, 4)), ((5, 4, 1), (5, 4)), ((5, 4, 2), (5, 4, 2))])
def test_errors_of_every_position(out: tuple[int, ...], of_targets: tuple[int, ...]) -> None:
    output, targets = normal(*out), normal(*of_targets)
    squares = (output - targets.reshape(out)).square().reshape(5, 4, -1).mean(2)
    torch.testing.assert_close(value("squared-error", output, targets), (squares.mean(1) * WEIGHT).sum())
    holes = targets.masked_fill((MASK == 0).reshape(5, 4, *[1] * (targets.dim() - 2)), torch.nan)
    mine = value("squared-error", output, holes, 0.0, MASK / MASK.sum(), MASK)
    torch.testing.assert_close(mine, (squares * MASK).sum() / MASK.sum())


def test_outputs_without_an_axis_of_their_own() -> None:
    output, targets = normal(5), normal(5)
    expected = ((output - targets).square() * WEIGHT).sum()
    torch.testing.assert_close(value("squared-error", output, targets), expected)
    torch.testing.assert_close(value("squared-error", output, targets.unsqueeze(1)), expected)
    torch.testing.assert_close(value("squared-error", output.unsqueeze(1), targets), expected)


EVEN = torch.full((5,), 0.2)


@pytest.mark.parametrize(
    ("loss", "output", "targets"),
    [
        (nn.CrossEntropyLoss(), normal(5, 4), torch.tensor([0, 3, 1, 1, 2])),
        (nn.CrossEntropyLoss(ignore_index=1), normal(5, 4, 6), torch.randint(0, 4, (5, 6), generator=GENERATOR)),
        (nn.MSELoss(), normal(5, 2), normal(5, 2)),
        (nn.SmoothL1Loss(), normal(5, 1), normal(5, 1)),
        (nn.BCEWithLogitsLoss(), normal(5, 3), torch.ones(5, 3)),
        (functional.cross_entropy, normal(5, 4), torch.tensor([0, 3, 1, 1, 2])),
        (lambda output, target: (output - target).abs().mean(), normal(5, 2), normal(5, 2)),
    ],
)
def test_losses_as_pytorchs_users_write_them(loss: CustomLoss, output: Tensor, targets: Tensor) -> None:
    assert not _checked(loss, output, targets).takes_weights  # type: ignore[attr-defined]
    torch.testing.assert_close(value(loss, output, targets, weight=EVEN), loss(output, targets))
    # A validation batch whose rows are half of all rows counts half.
    torch.testing.assert_close(value(loss, output, targets, weight=EVEN / 2), loss(output, targets) / 2)


def _checked(loss: CustomLoss, output: Tensor, targets: Tensor) -> object:
    chosen = make_loss(loss)
    chosen.check(output, targets)
    return chosen


def test_losses_of_each_row_take_weights() -> None:
    output, targets = normal(5, 4), torch.tensor([0, 3, 1, 1, 2])
    loss = nn.CrossEntropyLoss(reduction="none")
    expected = (loss(output, targets) * WEIGHT).sum()
    torch.testing.assert_close(value(loss, output, targets, row_weights=torch.ones(5)), expected)
    output, targets = normal(5, 2), normal(5, 2)
    rows = (output - targets).square().mean(1)
    torch.testing.assert_close(value(nn.MSELoss(reduction="none"), output, targets), (rows * WEIGHT).sum())
    output, targets = normal(5, 3, 4), torch.randint(0, 3, (5, 4), generator=GENERATOR)
    mine = value(loss, output, targets, 0.0, MASK / MASK.sum(), MASK)
    torch.testing.assert_close(mine, (loss(output, targets) * MASK).sum() / MASK.sum())


@pytest.mark.parametrize(
    ("loss", "output", "targets", "weights", "message"),
    [
        ("cross-entropy", normal(5, 4), normal(5, 4), None, r"class numbers of shape \(rows,\) for outputs of"),
        ("cross-entropy", normal(5, 4), torch.ones(5, 2).long(), None, r"shape \(rows,\) .* got torch.int64 of shape"),
        ("cross-entropy", normal(5, 6, 4), torch.ones(5, 7).long(), None, r"numbers of shape \(rows, 6\) for outputs"),
        ("squared-error", normal(5, 3), normal(5, 2), None, r"has 3 outputs; the targets have shape \(5, 2\)"),
        ("huber", normal(5, 3, 2), normal(5, 4), None, r"outputs of shape \(rows, 3, 2\); the targets have shape"),
        (nn.CrossEntropyLoss(), normal(5, 4), normal(5), None, r"loss cannot take outputs of shape \(rows, 4\)"),
        (nn.MSELoss(), normal(5, 1), normal(5), None, "would compare every output with every target"),
        (lambda o, t: (o - t).mean(0), normal(5, 2), normal(5, 2), None, "one number for each of its 5 rows; got"),
        (lambda o, t: 1.0, normal(5, 2), normal(5, 2), None, "one number for each of its 5 rows; got a float"),
        (lambda o, t, w: (o - t)[:, 0], normal(5, 2), normal(5, 2), None, r"tensor without axes; got shape \(5,\)"),
        (nn.MSELoss(), normal(5, 2), normal(5, 2), WEIGHT, "need a loss that returns one number for each row"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_sentence(
    loss: str | CustomLoss, output: Tensor, targets: Tensor, weights: Tensor | None, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        make_loss(loss).check(output, targets, weights)


def test_labels_out_of_range_are_named_with_their_rows() -> None:
    with pytest.raises(DataError, match=r"between 0 and 3, since .* rows 2 and 4 hold others, such as 9"):
        make_loss("cross-entropy").check(normal(5, 4), torch.tensor([0, 9, 1, -1, 2]))
    with pytest.raises(DataError, match=r"Labels must lie between 0 and 1; row 3 hold others, such as 2"):
        make_loss("binary-cross-entropy").check(normal(5, 1), torch.tensor([0, 1, 2, 0, 1]))


@pytest.mark.parametrize("shape", [(3, 32, 10), (2, 64, 2), (3, 4, 2), (2, 32, 5, 4), (2, 128, 70)])
@pytest.mark.parametrize("smoothing", [None, 0.1])
def test_the_layout_of_cross_entropy_changes_no_gradient(shape: tuple[int, ...], smoothing: float | None) -> None:
    """Few classes come first, many last; PyTorch's own cross-entropy is the truth for both."""
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(shape, generator=generator)
    targets = torch.randint(0, shape[-1], shape[:-1], generator=generator)
    loss = make_loss("cross-entropy")
    loss.check(outputs[0], targets[0])
    prepared = loss.buffers(*shape[:2])
    weights = torch.full(shape[:2], 1 / shape[1])
    smooth = None if smoothing is None else torch.full((shape[0], 1, 1), smoothing)
    loss.fill(prepared, Batch(targets, weights, smooth))
    for k in range(shape[0]):
        mine, theirs = (outputs[k].clone().requires_grad_() for _ in range(2))
        value = loss.value(mine, *(tensor[k] for tensor in prepared))
        truth = functional.cross_entropy(theirs.flatten(0, -2), targets[k].flatten(), label_smoothing=smoothing or 0.0)
        torch.testing.assert_close(value, truth)
        torch.testing.assert_close(*torch.autograd.grad(value, mine), *torch.autograd.grad(truth, theirs))
