"""Networks that do more than compute layer after layer, and the plain loop of PyTorch that says what comes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import annvil

GENERATOR = torch.Generator().manual_seed(1)
ROWS = torch.randn(48, 6, generator=GENERATOR)
CLASSES = torch.randint(0, 3, (48,), generator=GENERATOR)
WORDS = torch.randint(0, 20, (48, 7), generator=GENERATOR)
SERIES, LENGTHS = torch.randn(48, 5, 6, generator=GENERATOR), torch.randint(1, 6, (48,), generator=GENERATOR)
STRIDED = torch.randn(6, 8, generator=GENERATOR).T  # lies column by column

Network = Callable[[], nn.Module]


def plain(network: nn.Module, inputs: tuple[Tensor, ...], epochs: int, size: int, after: Any = None) -> list[float]:
    """The mean losses of a plain loop; ``after(epoch)`` is called after every epoch."""
    wanted = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(wanted, lr=0.05, momentum=0.9, nesterov=True)
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.split(torch.arange(len(CLASSES)), size):
            optimizer.zero_grad()
            loss = functional.cross_entropy(network.train()(*(tensor[rows] for tensor in inputs)), CLASSES[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(rows) / len(CLASSES)
        losses.append(total)
        if after is not None:
            after(epoch)
    return losses


def trained(network: Any, inputs: tuple[Tensor, ...], epochs: int = 4, size: int = 16, **more: Any) -> Any:
    settings = {"batch_size": size, "shuffle": False, "batches": "exact", "optimizer": "sgd", "learning_rate": 0.05}
    X = inputs if len(inputs) > 1 else inputs[0]
    return annvil.train(network, X, CLASSES, epochs=epochs, verbose=False, health=False, **settings | more)


def alike(make: Network) -> tuple[nn.Module, nn.Module]:
    """Two networks with the same weights."""
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        networks.append(make())
    return networks[0], networks[1]


class Head(nn.Module):
    """Something before a last layer."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.body, self.out = nn.Linear(6, width), nn.Linear(width, 3)


class Frozen(Head):
    def __init__(self) -> None:
        super().__init__()
        self.body.weight = nn.Parameter(STRIDED, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x).tanh())


class Matrix(Head):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mix", torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(2)))[0])

    def forward(self, x: Tensor) -> Tensor:
        return self.out((self.body(x) @ self.mix).relu())


class Expanded(Head):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 1), 0.1).expand(1, 6))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x - self.mean).tanh())


class Embedded(nn.Module):
    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(20, 4, **settings), nn.Linear(4, 3)

    def forward(self, words: Tensor) -> Tensor:
        return self.out(self.table(words).mean(1))


class Reversed(Embedded):
    def forward(self, words: Tensor) -> Tensor:
        return self.out(self.table(19 - words).mean(1))


class Whole(Embedded):
    """Arithmetic of whole numbers, of several kinds."""

    def forward(self, words: Tensor) -> Tensor:
        places = (3 * words + 1 - words // 2) % 20
        return self.out((self.table(places) * (1 - (words > 3).int()).unsqueeze(-1)).mean(1))


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.out = nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.long(), batch_first=True, enforce_sorted=False)
        return self.out(self.recurrent(packed)[1][0][-1])


class TensorHook(Head):
    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).tanh()
        if self.training:
            hidden.register_hook(lambda gradient: -2 * gradient)
        return self.out(hidden)


class Plain(Head):
    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x).tanh())


def weight_hook() -> nn.Module:
    network = Plain()
    mask = (torch.arange(48).view(8, 6) % 3 > 0).float()
    network.body.weight.register_hook(lambda gradient: gradient * mask)
    return network


def module_hook() -> nn.Module:
    network = Plain()
    network.body.register_forward_hook(lambda module, inputs, output: 2 * output)
    network.out.register_full_backward_hook(lambda module, inputs, outputs: (0.5 * inputs[0],))
    return network


class Mean(Head):
    """A buffer that is replaced through ``.data``."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x)
        if self.training:
            self.mean.data = 0.9 * self.mean.data + 0.1 * hidden.detach().mean(0) + 0.1
        return self.out((hidden - self.mean).tanh())


class Clipped(Head):
    """Weights that are replaced through ``.data``."""

    def forward(self, x: Tensor) -> Tensor:
        self.body.weight.data = self.body.weight.data.clamp(-0.2, 0.2)
        return self.out(self.body(x).tanh())


class ClippedInPlace(Head):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.body.weight.clamp_(-0.2, 0.2)
        return self.out(self.body(x).tanh())


class DetachedByData(Head):
    """A second use of weights, which gives them no gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x).tanh() + (x @ self.body.weight.data.T).tanh())


class Codebook(nn.Module):
    """Codes that follow the rows, as in VQ-VAE: frozen weights which the network writes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.out = nn.Linear(6, 4), nn.Linear(4, 3)
        self.codes = nn.Embedding(5, 4)
        self.codes.weight.requires_grad_(False)
        self.register_buffer("counts", torch.ones(5))
        self.register_buffer("sums", self.codes.weight.data.clone())

    def forward(self, x: Tensor) -> Tensor:
        z = self.body(x)
        one = functional.one_hot(torch.cdist(z.detach(), self.codes.weight).argmin(1), 5).float()
        if self.training:
            self.counts = 0.9 * self.counts + 0.1 * one.sum(0)
            self.sums = 0.9 * self.sums + 0.1 * one.T @ z.detach()
            self.codes.weight.data.copy_(self.sums / (self.counts + 1e-5)[:, None])
        return self.out(z + (one @ self.codes.weight - z).detach())


def orthogonal() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.orthogonal(nn.Linear(6, 6)), nn.ReLU(), nn.Linear(6, 3))


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(3))


KINDS: dict[str, tuple[Network, tuple[Tensor, ...]]] = {
    "frozen, column by column": (Frozen, (ROWS,)),
    "a buffer, column by column": (Matrix, (ROWS,)),
    "a frozen table, column by column": (
        lambda: nn.Sequential(nn.Embedding.from_pretrained(STRIDED.repeat(3, 1)), nn.Flatten(), nn.Linear(42, 3)),
        (WORDS,),
    ),
    "orthogonal": (orthogonal, (ROWS,)),
    "an expanded buffer": (Expanded, (ROWS,)),
    "padding": (lambda: Embedded(padding_idx=3), (WORDS,)),
    "padding, counted from the end": (lambda: Embedded(padding_idx=-17), (WORDS,)),
    "gradients by frequency": (lambda: Embedded(scale_grad_by_freq=True), (WORDS,)),
    "rows of limited length": (lambda: Embedded(max_norm=1.0), (WORDS,)),
    "a number less whole numbers": (Reversed, (WORDS,)),
    "whole numbers": (Whole, (WORDS,)),
    "packed": (Packed, (SERIES, LENGTHS)),
    "a hook on a tensor": (TensorHook, (ROWS,)),
    "a hook on weights": (weight_hook, (ROWS,)),
    "hooks on modules": (module_hook, (ROWS,)),
    "a buffer replaced": (Mean, (ROWS,)),
    "weights replaced": (Clipped, (ROWS,)),
    "weights changed in place": (ClippedInPlace, (ROWS,)),
    "weights read through data": (DetachedByData, (ROWS,)),
    "a codebook": (Codebook, (ROWS,)),
    "spectral norm": (lambda: nn.Sequential(nn.utils.spectral_norm(nn.Linear(6, 3))), (ROWS,)),
    "weight norm": (lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 3))), (ROWS,)),
}
