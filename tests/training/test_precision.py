"""Which operations are rounded."""

from __future__ import annotations

import torch
from torch import Tensor

from annvil.training.nodes import Trace
from annvil.training.precision import LEAST, in_bfloat16
from annvil.training.program import Arena, bind
from annvil.training.tracing import trace


def names(recorded: Trace) -> list[tuple[str, torch.dtype]]:
    return [(node.op._opname, node.form.dtype) for node in recorded.nodes if node.op is not None]


def test_only_large_products_are_rounded_and_each_factor_once() -> None:
    def function(x: Tensor, w: Tensor, small: Tensor) -> list[Tensor]:
        h = torch.bmm(x, w)
        return [torch.bmm(h, small), torch.bmm(x.transpose(1, 2), h)]

    generator = torch.Generator().manual_seed(0)
    shapes = (2, LEAST, LEAST), (2, LEAST, LEAST), (2, LEAST, 8)
    inputs = [torch.randn(shape, generator=generator) for shape in shapes]
    recorded = trace(function, inputs)
    rounded = in_bfloat16(recorded, 0)
    assert [dtype for name, dtype in names(recorded)] == [torch.float32] * 3
    products = [dtype for name, dtype in names(rounded) if name == "bmm"]
    assert sorted(map(str, products)) == ["torch.bfloat16", "torch.bfloat16", "torch.float32"]
    # Rounded: x and w; h stays as it is. Widened: h for the small product, and what the function returns.
    copies = [dtype for name, dtype in names(rounded) if name == "_to_copy"]
    assert (copies.count(torch.bfloat16), copies.count(torch.float32)) == (2, 2)
    outputs = [torch.zeros(node.form.shape) for node in rounded.outputs]
    bind(rounded, inputs, outputs, Arena()).run()
    for mine, exact in zip(outputs, function(*inputs), strict=True):
        assert (mine - exact).abs().max() < 0.02 * exact.abs().max()
        assert not torch.equal(mine, exact)


def test_a_product_with_a_summand() -> None:
    def function(b: Tensor, x: Tensor, w: Tensor) -> list[Tensor]:
        return [torch.addmm(b, x, w)]

    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=generator) for shape in ((LEAST,), (LEAST, LEAST), (LEAST, LEAST))]
    rounded = in_bfloat16(trace(function, inputs), 0)
    assert [name for name, _ in names(rounded)] == ["_to_copy"] * 3 + ["addmm", "_to_copy"]
    output = torch.zeros(LEAST, LEAST)
    bind(rounded, inputs, [output], Arena()).run()
    assert (output - function(*inputs)[0]).abs().max() < 0.3
