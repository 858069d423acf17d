"""Prepared columns as the tensors that networks on tables take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from annvil.data.table import Table
from annvil.onnx.builder import Graph, Value
from annvil.preparation import NetworkPreparation

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ColumnTensors:
    """Prepared columns as tensors: numbers float32 ``(n_rows, d)`` and codes int64 ``(n_rows, c)``."""

    columns: NetworkPreparation

    def transform(self, inputs: Table) -> tuple[Tensor, Tensor]:
        """Numbers and codes."""
        import torch

        prepared = self.columns.transform(inputs)
        return torch.from_numpy(prepared.numbers), torch.from_numpy(prepared.codes)

    def write(self, graph: Graph, *raw: Value) -> tuple[Value, ...]:
        """The same in a graph."""
        numbers, codes = self.columns.write(graph, *raw)
        return numbers, codes or ""

    def describe(self) -> tuple[str, ...]:
        """What is done, in sentences for people."""
        return self.columns.describe()
