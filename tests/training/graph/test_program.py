"""Programs that point at results instead of copying them."""

from __future__ import annotations

import torch
from torch import Tensor

from annvil.training.graph.memory_plan import LARGE, Arena, Held
from annvil.training.graph.nodes import TensorForm
from annvil.training.graph.program import bind
from annvil.training.graph.tracing import trace


def test_views_of_large_results_follow_them_and_memory_is_let_go() -> None:
    def function(x: Tensor) -> list[Tensor]:
        values, places = torch.sort(x, dim=1)  # has no form that writes into given memory
        inner = values[1:, 3:]
        return [inner * 2, places.sum(1), torch.flip(inner, (0,)) + 1]

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 400, generator=generator)
    assert x.nbytes >= LARGE
    arena = Arena()
    recorded = trace(function, [x])
    outputs = [torch.zeros(node.form.shape, dtype=node.form.dtype) for node in recorded.outputs]
    program = bind(recorded, [x], outputs, arena)
    assert arena.held_bytes >= x.nbytes
    for _ in range(2):
        x.copy_(torch.randn(300, 400, generator=generator))
        program.run()
        for mine, theirs in zip(outputs, function(x), strict=True):
            assert torch.equal(mine, theirs)
    held = [
        getattr(do, "__self__", None) for do, _, _ in program.instructions if getattr(do, "__name__", "") == "let_go"
    ]
    assert held
    assert all(isinstance(one, Held) and one.tensor.untyped_storage().nbytes() == 0 for one in held)


def test_a_result_that_lies_otherwise_than_recorded_is_laid_right() -> None:
    values = torch.arange(6.0).reshape(2, 3)
    held = Held(TensorForm.dense((2, 3), torch.float32))
    second = held.view(TensorForm((2,), (3,), 1, torch.float32))
    held.take(values.T.contiguous().T)
    assert torch.equal(held.tensor, values)
    assert held.tensor.is_contiguous()
    assert torch.equal(second, values[:, 1])
