"""Graphs before and after each pass compute the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from annvil.training.graph.convolutions import channels_last, side_by_side, with_channels_last, with_wide_gradients
from annvil.training.graph.lowering import in_whole_numbers, lowered, prepared, with_summands
from annvil.training.graph.memory_plan import Arena
from annvil.training.graph.nodes import Trace
from annvil.training.graph.pooling import relu_pool, relu_pool_backward, with_fused_pools
from annvil.training.graph.precision import in_bfloat16, rounds
from annvil.training.graph.program import bind
from annvil.training.graph.rewriting import improved, laid_alike, pooled_first
from annvil.training.graph.tracing import trace

BATCH = 64


def computed(recorded: Trace, inputs: Sequence[Tensor]) -> list[Tensor]:
    """What a graph gives when its program runs for the second time."""
    outputs = [torch.zeros(node.form.shape, dtype=node.form.dtype) for node in recorded.outputs]
    program = bind(recorded, inputs, outputs, Arena())
    with torch.no_grad():
        program.run()
        program.run()
    return outputs


def names(recorded: Trace) -> list[str]:
    return [node.op._opname for node in recorded.nodes if node.op is not None]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Images(nn.Module):
    """Two convolutions, pooled; with ``height`` 8 the second sees images of 4 × 4."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, channels, 3, padding=1), nn.Conv2d(channels, 32, 3, padding=1)
        self.out = nn.Linear(32 * 2 * 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.max_pool2d(torch.relu(self.first(x)), 2)
        x = torch.max_pool2d(torch.relu(self.second(x)), 2)
        return self.out(x.flatten(1))


def step_of(network: nn.Module, target: Tensor) -> tuple[Callable[..., list[Tensor]], list[Tensor]]:
    """A step that returns gradients and loss, and the weights it starts from."""
    parameters = dict(network.named_parameters())

    def step(*tensors: Tensor) -> list[Tensor]:
        *weights, x = tensors
        with torch.enable_grad():
            own = [weight.detach().requires_grad_() for weight in weights]
            output = torch.func.functional_call(network, dict(zip(parameters, own, strict=True)), (x,))
            loss = nn.functional.cross_entropy(output.float(), target)
            return [*torch.autograd.grad(loss, own), loss.detach()]

    return step, [parameter.detach() for parameter in parameters.values()]


@pytest.fixture
def images() -> tuple[Trace, list[Tensor], list[Tensor]]:
    """A recorded step, its inputs, and what PyTorch computes from them."""
    torch.manual_seed(3)
    step, weights = step_of(channels_last(Images()), torch.arange(BATCH) % 3)
    inputs = [*weights, drawn(BATCH, 1, 8, 8)]
    return trace(step, inputs), inputs, step(*inputs)


def error(mine: Tensor, other: Tensor) -> float:
    return float((mine - other).norm() / other.norm())


def test_pooling_goes_before_relu_and_changes_nothing(images: tuple[Trace, list[Tensor], list[Tensor]]) -> None:
    recorded, inputs, expected = images
    first = pooled_first(recorded)
    order = [name for name in names(first) if name in ("clamp_min", "max_pool2d_with_indices")]
    assert order == ["max_pool2d_with_indices", "clamp_min"] * 2
    before = computed(recorded, inputs)
    for mine, same, theirs in zip(computed(first, inputs), before, expected, strict=True):
        assert torch.equal(mine, same)
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_a_relu_that_others_look_at_stays_where_it_is() -> None:
    def function(x: Tensor) -> list[Tensor]:
        h = torch.relu(x)
        return [torch.max_pool2d(h, 2), h + 1]

    recorded = trace(function, [drawn(2, 3, 4, 4)])
    assert pooled_first(recorded) is recorded


def test_gradients_are_brought_to_the_format_of_the_images(images: tuple[Trace, list[Tensor], list[Tensor]]) -> None:
    recorded, inputs, _ = images
    alike = laid_alike(pooled_first(recorded))
    assert names(alike).count("clone") == names(recorded).count("clone") + 1
    for mine, same in zip(computed(alike, inputs), computed(recorded, inputs), strict=True):
        torch.testing.assert_close(mine, same, rtol=1e-5, atol=1e-7)


def test_an_image_that_is_viewed_keeps_its_format() -> None:
    def function(first: Tensor, last: Tensor) -> list[Tensor]:
        return [(first * last).permute(0, 2, 3, 1).sum(1)]

    inputs = [drawn(2, 3, 4, 5), with_channels_last(drawn(2, 3, 4, 5, seed=1))]
    (mine,) = computed(laid_alike(trace(function, inputs)), inputs)
    torch.testing.assert_close(mine, function(*inputs)[0])


def test_images_of_one_channel_say_that_their_channels_lie_last() -> None:
    for channels in (1, 3):
        x = drawn(2, channels, 4, 5)
        last = with_channels_last(x)
        assert torch.equal(last, x)
        assert last.stride() == (20 * channels, 1, 5 * channels, channels)


@pytest.mark.parametrize("shape", [(5, 16, 8, 6), (3, 4, 7, 9), (2, 1, 2, 2)])
def test_relu_and_pooling_on_bits(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annvil.training.graph.pooling._AT_ONCE", 1000)  # several parts
    x = with_channels_last(drawn(*shape).bfloat16()).requires_grad_()
    pooled = torch.max_pool2d(torch.relu(x), 2)
    gradient = with_channels_last(drawn(*pooled.shape, seed=1).bfloat16())
    (expected,) = torch.autograd.grad(pooled, x, gradient)
    out = torch.full_like(pooled, 7).detach()
    relu_pool(x.detach(), out)
    assert torch.equal(out, pooled)
    back = torch.full_like(x, 7).detach()
    relu_pool_backward(gradient, x.detach(), back)
    windows = back[:, :, : 2 * out.shape[2], : 2 * out.shape[3]].unfold(2, 2, 2).unfold(3, 2, 2)
    assert torch.equal(windows.sum((-2, -1)), torch.where(pooled > 0, gradient, 0))  # everybody's gradient arrives once
    assert (back != expected).float().mean() < 0.01  # among equals, another one may get it
    assert (back[:, :, 2 * out.shape[2] :] == 0).all()
    assert (back[:, :, :, 2 * out.shape[3] :] == 0).all()


def test_convolutions_are_rounded_and_what_lies_between_stays_so(
    images: tuple[Trace, list[Tensor], list[Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annvil.training.graph.precision.LEAST_CONVOLVED", 1000)
    recorded, inputs, expected = images
    assert rounds(recorded)
    rounded = in_bfloat16(improved(recorded), n_weights=6)
    narrow = {node.op._opname for node in rounded.nodes if node.op is not None and node.form.dtype == torch.bfloat16}
    assert {"convolution", "clamp_min", "threshold_backward", "max_pool2d_with_indices_backward"} <= narrow
    assert not {"addmm", "_log_softmax", "mm"} & narrow
    with torch.autocast("cpu", torch.bfloat16):
        network = Images()
        step, _ = step_of(network, torch.arange(BATCH) % 3)
        autocast = step(*inputs)
    for trace_ in (rounded, lowered(rounded), prepared(recorded, 6, True)):
        for mine, theirs, exact in zip(computed(trace_, inputs), autocast, expected, strict=True):
            assert mine.dtype == torch.float32
            assert error(mine, exact) < 1.5 * error(theirs, exact) + 1e-3


def test_small_images_are_laid_side_by_side(
    images: tuple[Trace, list[Tensor], list[Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annvil.training.graph.precision.LEAST_CONVOLVED", 1000)
    recorded, inputs, _ = images
    rounded = in_bfloat16(improved(recorded), n_weights=6)
    wide = with_wide_gradients(rounded)
    assert names(wide).count("side_by_side") == 4
    assert names(wide).count("convolution_backward") == 3  # the first layer's input needs no gradient
    # Processors without products in bfloat16 round the sum after every image. A rounding is off by at most 2^-8, evenly
    # spread 2^-8 / sqrt(3) in the mean square, and a sum grows as it goes: n images leave 2^-8 sqrt(n / 6). Here one
    # gradient comes from 64 images, the other from at most 16 wide ones, and their errors add in the mean square.
    for mine, same in zip(computed(wide, inputs), computed(rounded, inputs), strict=True):
        assert error(mine, same) < 2**-8 * ((BATCH + BATCH / 4) / 6) ** 0.5


@pytest.mark.parametrize(("channels", "size", "together"), [(1, 8, 4), (16, 4, 8)])
def test_the_gradient_of_images_side_by_side_is_that_of_the_images(channels: int, size: int, together: int) -> None:
    def gradient(backward: Tensor, x: Tensor) -> Tensor:
        weight = torch.zeros(32, channels, 3, 3, dtype=x.dtype)
        rest = [32], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [False, True, False]
        return torch.ops.aten.convolution_backward(backward, x, weight, *rest)[1]

    def laid(images: Tensor) -> Tensor:
        shape = BATCH // together, size, together * (size + 1), images.shape[1]
        out = torch.full(shape, 7.0, dtype=images.dtype).permute(0, 3, 1, 2)
        side_by_side(images, out)
        return out

    backward, x = (with_channels_last(drawn(BATCH, n, size, size).double()) for n in (32, channels))
    torch.testing.assert_close(gradient(laid(backward), laid(x)), gradient(backward, x), rtol=1e-12, atol=1e-12)


def test_pooling_and_relu_become_one(
    images: tuple[Trace, list[Tensor], list[Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annvil.training.graph.precision.LEAST_CONVOLVED", 1000)
    recorded, inputs, _ = images
    rounded = in_bfloat16(improved(recorded), n_weights=6)
    fused = with_fused_pools(rounded)
    assert names(fused).count("relu_pool") == names(fused).count("relu_pool_backward") == 2
    assert "max_pool2d_with_indices" not in names(fused)
    for mine, same in zip(computed(fused, inputs), computed(rounded, inputs), strict=True):
        assert error(mine, same) < 0.05  # among equals, another one may get the gradient


def test_bias_and_relu_of_rounded_products() -> None:
    def function(weight: Tensor, bias: Tensor, x: Tensor) -> list[Tensor]:
        h = torch.relu(x @ weight + bias)
        return [h @ weight, torch.ops.aten.threshold_backward(h @ weight, h, 0) @ weight]

    inputs = [drawn(128, 128) / 12, drawn(128, seed=1), drawn(256, 128, seed=2)]
    rounded = in_bfloat16(trace(function, inputs), n_weights=2)
    fused = with_summands(rounded)
    assert names(rounded).count("add") == 1
    assert "addmm" in names(fused)
    assert "add" not in names(fused)
    on_bits = in_whole_numbers(fused)
    assert sum(node.form.dtype == torch.int16 and node.op is not None for node in on_bits.nodes) == 2
    exact = [tensor.double() for tensor in inputs]
    for mine, same, theirs in zip(computed(on_bits, inputs), computed(fused, inputs), function(*exact), strict=True):
        assert torch.equal(mine, same)
        assert error(mine.double(), theirs) < 0.05  # where h is all but 0, its sign may be another
    assert error(computed(rounded, inputs)[0].double(), function(*exact)[0]) < 0.01


def test_targets_and_what_meets_them_are_not_rounded() -> None:
    def function(weight: Tensor, x: Tensor, target: Tensor) -> list[Tensor]:
        difference = x @ weight - target
        return [(difference * difference).sum(), difference @ weight]

    inputs = [drawn(128, 128), drawn(128, 128, seed=1), drawn(128, 128, seed=2)]
    rounded = in_bfloat16(trace(function, inputs), n_weights=1)
    wide = {node.op._opname for node in rounded.nodes if node.op is not None and node.form.dtype == torch.float32}
    assert {"sub", "mul", "sum"} <= wide


def test_a_program_keeps_the_channels_of_single_channel_images_last() -> None:
    # With strides that could mean both, oneDNN takes six times as long in bfloat16.
    network = channels_last(nn.Sequential(nn.Conv2d(1, 4, 3)))
    recorded = trace(lambda x: [network(x).detach()], [drawn(2, 1, 5, 5)])
    program = bind(recorded, [drawn(2, 1, 5, 5)], [torch.zeros(2, 4, 3, 3)], Arena())
    images = [args[0] for _, args, _ in program.instructions if args and isinstance(args[0], Tensor)]
    convolved = [a[1][0] for _, a, _ in program.instructions if a and a[0] is torch.ops.aten.convolution.default]
    convolved += [image for image in images if image.shape == (2, 1, 5, 5)]
    assert convolved
    assert all(image.stride() == (25, 1, 5, 1) for image in convolved)


def test_batch_norm_takes_rounded_images_beside_statistics_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annvil.training.graph.precision.LEAST_CONVOLVED", 1000)
    torch.manual_seed(3)
    layers = nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8, track_running_stats=False), nn.ReLU(), nn.Conv2d(8, 3, 8)
    step, weights = step_of(channels_last(nn.Sequential(*layers, nn.Flatten())), torch.arange(BATCH) % 3)
    inputs = [*weights, drawn(BATCH, 2, 8, 8)]
    recorded = trace(step, inputs)
    rounded = prepared(recorded, len(weights), True)
    (normalisation,) = (node for node in rounded.nodes if node.op is torch.ops.aten.native_batch_norm.default)
    assert [node.form.dtype for node in normalisation.args[:3]] == [torch.bfloat16, torch.float32, torch.float32]
    for mine, exact in zip(computed(rounded, inputs), step(*inputs), strict=True):
        assert mine.dtype == torch.float32
        assert (mine - exact).norm() < 0.1 * exact.norm() + 1e-3
