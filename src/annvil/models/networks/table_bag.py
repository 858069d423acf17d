"""Networks on prepared columns, averaged, and the gradient of what they say."""

from __future__ import annotations

from typing import Any, cast

from annvil.models.gradients import ExplainedScore, Gradients
from annvil.models.networks.bag import NetworkBag
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray


class TableBag(NetworkBag):
    """A `NetworkBag` of column networks (`annvil.networks.embeddings.ColumnNetwork`)."""

    def gradients(self, score: ExplainedScore, inputs: Any, shares: FloatArray | None) -> Gradients:
        """From the mean point of ``inputs`` in the space of prepared columns and trained vectors of categories."""
        from annvil.models.networks.path_gradients import mean_point, write_gradient
        from annvil.models.networks.table_family import ColumnTensors

        preparation = cast(ColumnTensors, self.preparation)
        columns, module = mean_point(preparation.columns, self, score, inputs, shares)

        def write(graph: Graph, share: Value, *raw: Value) -> tuple[Value, Value]:
            return write_gradient(graph, module, share, *preparation.write(graph, *raw))

        return Gradients(columns, write)
