"""Networks on prepared columns, averaged, and the gradient of what they say."""

from __future__ import annotations

from typing import Any, cast

from annvil.models.gradients import ExplainedScore, Gradients
from annvil.models.networks.bag import NetworkBag
from annvil.models.networks.column_tensors import ColumnTensors
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray

MOST_WAYS_BACK = 30
"""Networks times scores up to which gradients are written (measured: 2.5 s for 30 networks and one score)."""


class TableBag(NetworkBag):
    """A `NetworkBag` of column networks (`annvil.networks.embeddings.ColumnNetwork`)."""

    def gradients(self, score: ExplainedScore, inputs: Any, shares: FloatArray | None) -> Gradients | None:
        """From the mean point of ``inputs`` in the space of prepared columns and trained vectors of categories.

        None of more than `MOST_WAYS_BACK`.
        """
        if len(self.networks) * score.matrix.shape[1] > MOST_WAYS_BACK:
            return None
        from annvil.models.networks.path_gradients import mean_point, slopes_at, write_gradient

        preparation = cast(ColumnTensors, self.preparation)
        columns, module = mean_point(preparation.columns, self, score, inputs, shares)

        def at(inputs: Any, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
            return slopes_at(module, preparation.transform(inputs), shares)

        def write(graph: Graph, share: Value, *raw: Value) -> tuple[Value, Value]:
            return write_gradient(graph, module, share, *preparation.write(graph, *raw))

        return Gradients(columns, at, write)
