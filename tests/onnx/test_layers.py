"""Products, convolutions, pooling, normalisation, recurrence, attention: onnxruntime against PyTorch on 10,000 rows."""

from __future__ import annotations

import itertools
from typing import Any

import onnx
import pytest
import torch
from tests.onnx.parity import ROWS, Calls, check
from torch import Tensor, nn
from torch.nn import functional as F


def rows(*sizes: int, seed: int = 0, count: int = ROWS) -> Tensor:
    return torch.randn(count, *sizes, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def settled(module: nn.Module) -> nn.Module:
    """With normalisations that do something."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
        for name in ("weight", "bias"):
            if isinstance(getattr(part, name, None), Tensor) and getattr(part, name).dim() == 1:
                nn.init.normal_(getattr(part, name))
    return module


def kinds(content: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(content).graph.node if node.op_type != "Identity"]


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(5, 3), (5,)),
    "linear without bias": (lambda: nn.Linear(5, 3, bias=False), (5,)),
    "linear over sequences": (lambda: nn.Linear(5, 3), (4, 5)),
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(5, 3)), (5,)),
    "conv1d": (lambda: nn.Conv1d(3, 4, 3, stride=2, padding=1), (3, 9)),
    "conv2d": (lambda: nn.Conv2d(2, 4, 3, padding=(1, 0), dilation=(1, 2)), (2, 6, 7)),
    "conv2d same": (lambda: nn.Conv2d(2, 4, 4, padding="same"), (2, 6, 7)),
    "conv2d reflecting": (lambda: nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), (2, 6, 7)),
    "conv3d": (lambda: nn.Conv3d(1, 2, 2), (1, 3, 4, 3)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4), (4, 5, 5)),
    "conv transpose 1d": (lambda: nn.ConvTranspose1d(3, 4, 3, stride=2, padding=1, output_padding=1), (3, 5)),
    "conv transpose 2d": (lambda: nn.ConvTranspose2d(4, 2, 3, stride=2, groups=2), (4, 3, 4)),
    "max pool": (lambda: nn.MaxPool2d(3, stride=2, padding=1), (2, 7, 7)),
    "max pool, ceiled": (lambda: nn.MaxPool2d(2, ceil_mode=True), (2, 7, 7)),
    "max pool 1d": (lambda: nn.MaxPool1d(2), (2, 7)),
    "average pool": (lambda: nn.AvgPool2d(3, 2, 1), (2, 7, 7)),
    "average pool without margin": (lambda: nn.AvgPool1d(3, 2, 1, count_include_pad=False), (2, 7)),
    "adaptive average": (lambda: nn.AdaptiveAvgPool2d(1), (2, 7, 7)),
    "adaptive average, equal windows": (lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 4, 6)),
    "adaptive average, any windows": (lambda: nn.AdaptiveAvgPool2d((3, 5)), (2, 7, 8)),
    "adaptive max": (lambda: nn.AdaptiveMaxPool1d(2), (2, 8)),
    "nearest": (lambda: nn.Upsample(scale_factor=2), (2, 3, 4)),
    "nearest to a size": (lambda: nn.Upsample(size=(5, 7)), (2, 3, 4)),
    "bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 4)),
    "bilinear by corners": (lambda: nn.Upsample(size=(5, 7), mode="bilinear", align_corners=True), (2, 3, 4)),
    "bicubic": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), (2, 5, 4)),
    "linear interpolation": (lambda: nn.Upsample(size=9, mode="linear"), (2, 5)),
    "batch norm 1d": (lambda: settled(nn.BatchNorm1d(5)), (5,)),
    "batch norm over time": (lambda: settled(nn.BatchNorm1d(5)), (5, 4)),
    "batch norm 2d": (lambda: settled(nn.BatchNorm2d(3)), (3, 4, 4)),
    "batch norm without factors": (lambda: settled(nn.BatchNorm2d(3, affine=False)), (3, 4, 4)),
    "layer norm": (lambda: settled(nn.LayerNorm(5)), (4, 5)),
    "layer norm of maps": (lambda: nn.LayerNorm([4, 5], elementwise_affine=False), (4, 5)),
    "group norm": (lambda: settled(nn.GroupNorm(2, 4)), (4, 3, 3)),
    "instance norm": (lambda: settled(nn.InstanceNorm2d(4, affine=True)), (4, 3, 3)),
    "rms norm": (lambda: settled(nn.RMSNorm(5)), (4, 5)),
    "local response": (lambda: nn.LocalResponseNorm(2), (4, 3, 3)),
    "bilinear form": (lambda: Calls(lambda x, f: f(x, x * 2), f=nn.Bilinear(3, 3, 2)), (3,)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    make, sizes = LAYERS[name]
    check(make(), rows(*sizes))


def test_products() -> None:
    check(Calls(lambda x: x @ x.mT), rows(3, 4))
    check(Calls(lambda x: torch.einsum("bij, bkj -> bik", x, x)), rows(3, 4))
    check(Calls(lambda x: torch.einsum("bi,bj->bij", x[:, 0], x[:, 1])), rows(3, 4))
    check(Calls(lambda x: torch.bmm(x, x.transpose(1, 2)) + torch.baddbmm(x[:, :, :3], x, x.mT)), rows(3, 4))
    check(Calls(lambda x: torch.addmm(torch.ones(2), x, torch.ones(4, 2), beta=0.5, alpha=2)), rows(4))
    check(Calls(lambda x: x @ torch.arange(4.0)), rows(4))


def test_normalisation_goes_into_the_layer_before_it() -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    settled(net)[2].weight.data.abs_()
    assert kinds(check(net, rows(2, 6, 6))) == ["Conv", "MaxPool", "Relu"]
    assert kinds(check(settled(nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))), rows(5))) == ["Gemm"]


@pytest.mark.parametrize("width", [4, 6])
def test_a_normalisation_of_the_axis_before_the_layers_own_is_not_folded(width: int) -> None:
    """Channels are the second axis, what a linear layer makes is the last: as many or not, they are not the same."""
    check(settled(nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(4))), rows(4, 3))


def test_a_negative_factor_does_not_pass_the_pooling() -> None:
    net = settled(nn.Sequential(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.BatchNorm2d(4)))
    net[2].weight.data[1] = -1
    assert "BatchNormalization" in kinds(check(net, rows(2, 6, 6)))


def test_factors_go_into_weights() -> None:
    scale = torch.tensor([1.0, 2.0, -3.0, 0.5, 4.0])
    both = Calls(lambda x, f: f(x * scale) * 0.5, f=nn.Linear(5, 3))
    assert kinds(check(both, rows(5))) == ["Gemm"]


def test_a_layer_that_somebody_else_reads_stays_as_it_is() -> None:
    def forward(x: Tensor, f: nn.Module, g: nn.Module) -> Any:
        y = f(x)
        return y, g(y)

    check(settled(Calls(forward, f=nn.Linear(5, 3), g=nn.BatchNorm1d(3))), rows(5))


@pytest.mark.parametrize(
    ("kind", "n_layers", "both", "first", "bias"),
    [
        *itertools.product((nn.LSTM, nn.GRU, nn.RNN), (1, 2), (False, True), (True,), (True,)),
        (nn.LSTM, 1, False, False, True),
        (nn.GRU, 2, True, True, False),
    ],
)
def test_recurrent(kind: Any, n_layers: int, both: bool, first: bool, bias: bool) -> None:
    net = kind(3, 4, n_layers, batch_first=first, bidirectional=both, bias=bias)

    def forward(x: Tensor, net: nn.Module) -> Any:
        output, state = net(x if first else x.transpose(0, 1))
        return output if first else output.transpose(0, 1), state

    check(Calls(forward, net=net), rows(5, 3))


def test_recurrent_with_a_state_given() -> None:
    net = nn.GRU(3, 4, 2, batch_first=True)
    check(Calls(lambda x, s, net: net(x, s.transpose(0, 1).contiguous())[0], net=net), rows(5, 3), rows(2, 4, seed=1))
    check(Calls(lambda x, net: net(x)[0], net=nn.RNN(3, 4, nonlinearity="relu", batch_first=True)), rows(5, 3))


def test_a_cell_in_a_loop() -> None:
    def forward(x: Tensor, cell: nn.Module) -> Tensor:
        state = torch.zeros(x.shape[0], 4), torch.zeros(x.shape[0], 4)
        for step in range(x.shape[1]):
            state = cell(x[:, step], state)
        return state[0]

    check(Calls(forward, cell=nn.LSTMCell(3, 4)), rows(5, 3))


def test_attention() -> None:
    attend = F.scaled_dot_product_attention
    check(Calls(lambda x: attend(x, x, x)), rows(2, 5, 4))
    check(Calls(lambda x: attend(x, x * 2, x, is_causal=True)), rows(2, 5, 4))
    check(Calls(lambda x: attend(x, x, x, scale=0.3, attn_mask=x[:, :, :, 0, None] > -9)), rows(2, 5, 4))


@pytest.mark.parametrize("weights", [True, False])
def test_multi_head_attention(weights: bool) -> None:
    net = nn.MultiheadAttention(8, 2, batch_first=True)
    check(Calls(lambda x, net: net(x, x, x, need_weights=weights)[: 1 + weights], net=net), rows(5, 8))


def test_transformer() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, activation="gelu")
    check(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), rows(5, 8))


def test_padded_tokens_are_not_attended_to() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    lengths = torch.arange(ROWS)[:, None] % 5 + 1
    check(Calls(lambda x, n, net: net(x, src_key_padding_mask=torch.arange(5) >= n), net=layer), rows(5, 8), lengths)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("length", [16, 10])
def test_spectrogram(center: bool, length: int) -> None:
    window = torch.hann_window(length)

    def forward(x: Tensor) -> Tensor:
        spectrum = torch.stft(x, 16, 8, length, window, center=center, return_complex=True, normalized=True)
        return torch.log(spectrum.abs() ** 2 + 1) + torch.view_as_real(spectrum)[..., 0] + spectrum.imag

    check(Calls(forward), rows(40, count=1000))
