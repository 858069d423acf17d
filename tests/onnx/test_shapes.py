"""Other shapes, parts and places: onnxruntime against PyTorch on 10,000 rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.onnx.parity import ROWS, Calls, check
from torch import Tensor, nn
from torch.nn import functional as F


def rows(*sizes: int, seed: int = 0) -> Tensor:
    return torch.randn(ROWS, *sizes, generator=torch.Generator().manual_seed(seed))


def _row_set(x: Tensor) -> Tensor:
    y = torch.zeros(x.shape[0], 3, 4)
    y[:, 1] = x[:, 0]
    y[:, :, 2] += 1
    y[..., ::2] *= 3
    y.view(-1, 12)[:, 5] = 7.0
    return y.transpose(1, 2)


def _view_followed(x: Tensor) -> Tensor:
    y = x * 2
    first = y[:, 0]
    y += 1
    first.mul_(10)
    return y + first.unsqueeze(1)


SHAPES: dict[str, Any] = {
    "view": lambda x: x.view(x.shape[0], -1),
    "view by the batch": lambda x: x.reshape(x.shape[0] * 3, 4).reshape(-1, 12) + 1,
    "rows twice": lambda x: torch.cat([x, x.flip(2)], 0),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "squeeze": lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze(1).squeeze(-1),
    "transpose": lambda x: x.transpose(1, 2) + x.mT,
    "rows last": lambda x: x.permute(1, 2, 0) * 2,
    "movedim": lambda x: x.movedim(1, -1),
    "expand": lambda x: x[:, :, None].expand(-1, -1, 2, -1),
    "repeat": lambda x: x.repeat(1, 2, 3),
    "tile": lambda x: torch.tile(x, (2,)),
    "repeat_interleave": lambda x: x.repeat_interleave(3, dim=1),
    "stack": lambda x: torch.stack([x, x * 2], dim=2),
    "hstack": lambda x: torch.hstack([x, x]),
    "split": lambda x: x.split(2, dim=2)[1] - x.split([1, 3], dim=2)[1][..., :2],
    "chunk": lambda x: x.chunk(2, dim=-1)[0] * x.chunk(2, dim=-1)[1],
    "unbind": lambda x: sum(x.unbind(1)),
    "slices": lambda x: x[:, 1:, ::2] + x[:, :-1, -2:],
    "ellipsis": lambda x: x[..., -1],
    "narrow": lambda x: x.narrow(2, 1, 2),
    "flip": lambda x: x.flip(1, 2),
    "roll": lambda x: x.roll((1, -1), dims=(1, 2)),
    "index_select": lambda x: x.index_select(2, torch.tensor([3, 0])),
    "list as an index": lambda x: x[:, [2, 0, 0]],
    "two lists as indices": lambda x: x[:, [2, 0], [1, -1]],
    "gather": lambda x: x.gather(2, x[..., :2].argsort(2)),
    "index by values": lambda x: torch.arange(5.0)[(x * 0.5).long().clamp(0, 4)],
    "one_hot": lambda x: F.one_hot(x[..., 0].round().long().clamp(0, 3), 4),
    "tril": lambda x: x.tril() + x.triu(1) * 2,
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), value=3.0),
    "pad by reflection": lambda x: F.pad(x, (2, 1), mode="reflect"),
    "pad by replication": lambda x: F.pad(x, (2, 1), mode="replicate"),
    "pad, negative": lambda x: F.pad(x, (-1, 1)),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x.reshape(-1, 12, 1, 1), 2),
    "unfold": lambda x: F.unfold(x.reshape(-1, 1, 3, 4), 2),
    "diagonal of products": lambda x: torch.einsum("bij,bkj->bik", x, x).diagonal(dim1=1, dim2=2),
    "rows set": _row_set,
    "a view of what changes": _view_followed,
    "counting rows": lambda x: x[:, 0, 0] + torch.arange(x.shape[0]),
    "the number of rows": lambda x: x * x.shape[0],
    "several results": lambda x: (x, [x * 2, x[:, 0] > 0]),
    "a constant result": lambda x: (x, torch.ones(x.shape[0], 2)),
    "meshgrid": lambda x: x[:, :, :3] * torch.meshgrid(torch.arange(3.0), torch.arange(3.0), indexing="ij")[0],
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    check(Calls(SHAPES[name]), rows(3, 4))


REDUCTIONS: dict[str, Any] = {
    "sum": lambda x: x.sum(1) + x.sum((1, 2), keepdim=True)[:, 0],
    "sum of truths": lambda x: (x > 0).sum(-1),
    "mean": lambda x: x.mean(-1, keepdim=True) + x.mean((1, 2))[:, None, None],
    "prod": lambda x: x.prod(1),
    "extremes": lambda x: x.amax((1, 2)) - x.amin((1, 2)) + x.max(1).values[:, 0] + x.min(2)[0][:, 0],
    "places": lambda x: x.argmax(1) + x.max(1).indices * 10 + x.argmin(1),
    "any, all": lambda x: (x > 0).any(1) & (x > -1).all(1),
    "std": lambda x: x.std(1) + x.var(1) + x.std(1, correction=0),
    "var_mean": lambda x: torch.var_mean(x, (1, 2)),
    "norms": lambda x: x.norm(dim=1) + torch.linalg.vector_norm(x, 1, dim=1) + x.norm(3, dim=1),
    "logsumexp": lambda x: x.logsumexp(1),
    "cumsum": lambda x: x.cumsum(1) + x.cumsum(-1),
    "topk": lambda x: x.topk(2, dim=1),
    "topk of the least": lambda x: x.topk(2, dim=-1, largest=False),
    "sort": lambda x: x.sort(dim=-1, descending=True),
    "argsort": lambda x: x.argsort(1),
    "median": lambda x: x.sort(dim=1).values[:, 1],
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    check(Calls(REDUCTIONS[name]), rows(3, 4))


def test_embeddings() -> None:
    codes = torch.randint(0, 7, (ROWS, 4), generator=torch.Generator().manual_seed(0))
    check(nn.Sequential(nn.Embedding(7, 3, padding_idx=0), nn.Flatten(), nn.Linear(12, 2)), codes)


def test_two_inputs() -> None:
    check(Calls(lambda x, y: torch.cat([x, y.float()], 1)), rows(3), torch.arange(ROWS)[:, None])
