"""One network of projections as a member: what it says, and the sum that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from annvil.models.networks.bag import NetworkBag
from annvil.models.networks.index_rows import IndexColumns
from annvil.models.networks.orthonormal import defect
from annvil.models.networks.ridge_functions import Ridges
from annvil.models.terms import Additive, Term
from annvil.onnx.builder import Graph, Value
from annvil.preparation.base import Feature
from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from annvil.networks import IndexNetwork


class IndexBag(NetworkBag):
    """A `NetworkBag` of one `annvil.networks.IndexNetwork` in float64; an average of several could not be read."""

    @property
    def network(self) -> IndexNetwork:
        """The one."""
        return cast("IndexNetwork", self.networks[0])

    @property
    def directions(self) -> FloatArray:
        """The projections as columns ``(n_projected, k)``."""
        return np.asarray(self.network.directions.detach().double().numpy())

    @property
    def features(self) -> tuple[Feature, ...]:
        """Prepared features: those that are projected, then those with offsets."""
        return cast(IndexColumns, self.preparation).features

    def double(self) -> IndexBag:
        """It is."""
        return self

    def write(self, graph: Graph, *raw: Value) -> Value:
        """The same as nodes, in float64."""
        return self.said(graph, _exported(graph, self.network, self._prepared(graph, *raw)))

    def _prepared(self, graph: Graph, *raw: Value) -> Value:
        (prepared,) = self.preparation.write(graph, *raw)
        return graph.cast(prepared, "float64")

    def additive(self) -> Additive:
        """A term for each projection of several features, and one for each other column that features come from.

        A projection of one feature is part of its column's main effect. Without `TargetScaling`'s limits.
        """
        terms, groups = terms_of(self.directions, self.features)
        module = Contributions(
            self.network, torch.from_numpy(groups), 1.0 if self.target is None else self.target.scale
        )
        of_projection = groups[:, : self.network.directions.shape[1]] * np.array([[t.is_projection] for t in terms])

        def numbers(inputs: Any) -> Tensor:
            return self.preparation.transform(inputs)[0].double()

        def contributions(inputs: Any) -> FloatArray:
            with torch.inference_mode():
                parts = [module(part) for part in torch.split(numbers(inputs), 4096)]
                return np.asarray(torch.cat(parts).numpy())

        def projected(inputs: Any) -> FloatArray:
            x = numbers(inputs)[:, : self.network.n_projected].numpy()
            return np.asarray(x @ self.directions @ of_projection.T)

        def write(graph: Graph, *raw: Value) -> Value:
            return _exported(graph, module, self._prepared(graph, *raw))

        with torch.inference_mode():
            base = module.scored(self.network.bias[None]).numpy()[0]
        base = base + (0.0 if self.target is None else self.target.mean)
        return Additive(terms, base, contributions, write, projected)


def terms_of(directions: FloatArray, features: tuple[Feature, ...]) -> tuple[tuple[Term, ...], FloatArray]:
    """The terms, and which of projections and offsets each is the sum of: 0 and 1, ``(n_terms, k + n_others)``."""
    n_projected, k = directions.shape
    terms: list[Term] = []
    places: list[int] = []
    main: dict[str, int] = {}

    def of_column(source: str) -> int:
        if source not in main:
            main[source] = len(terms)
            terms.append(Term((source,)))
        return main[source]

    for j in range(k):
        used = np.flatnonzero(directions[:, j])
        if len(used) == 1:
            places.append(of_column(features[used[0]].source))
            continue
        sources = tuple(dict.fromkeys(features[i].source for i in used))
        places.append(len(terms))
        names = tuple(features[i].name for i in used)
        terms.append(Term(sources, names, tuple(float(directions[i, j]) for i in used)))
    places += [of_column(feature.source) for feature in features[n_projected:]]
    groups = np.zeros((len(terms), len(places)))
    groups[places, np.arange(len(places))] = 1.0
    return tuple(terms), groups


class Contributions(nn.Module):
    """Of prepared numbers ``(batch, n_features)`` what each term adds to the scores ``(batch, n_terms, n_outputs)``."""

    def __init__(self, network: IndexNetwork, groups: Tensor, unit: float) -> None:
        super().__init__()
        self.network, self.unit = network, unit
        self.register_buffer("groups", groups)

    def forward(self, numbers: Tensor) -> Tensor:
        return self.scored(torch.matmul(self.groups, self.network.contributions(numbers)))  # type: ignore[arg-type]

    def scored(self, sums: Tensor) -> Tensor:
        """In the unit of the target, or with the 0 of the first of two classes."""
        return torch.cat([torch.zeros_like(sums), sums], -1) if self.network.is_binary else sums * self.unit

    def examples(self) -> tuple[Tensor]:
        """One row of what `forward` takes."""
        return self.network.examples()


def _exported(graph: Graph, module: IndexNetwork | Contributions, prepared: Value) -> Value:
    from annvil.onnx.export import export_module

    (value,) = export_module(graph, module, prepared, examples=module.examples())
    return value


def network_of(ridges: Ridges, n_outputs: int, is_classification: bool) -> IndexNetwork:
    """The network that says what the ridges do, in float64."""
    from annvil.networks import IndexNetwork

    start, made = torch.from_numpy(ridges.directions), torch.Generator().manual_seed(0)
    network = IndexNetwork(
        start, len(ridges.offsets), n_outputs, is_classification, made, units=ridges.heights.shape[1]
    ).double()
    assert defect(ridges.directions) <= 1e-9
    values = {
        "slopes": ridges.slopes,
        "shifts": ridges.shifts,
        "heights": ridges.heights[:, :, None],
        "lines": ridges.lines[:, None],
        "bias": np.array([ridges.bias]),
    } | ({"offsets": ridges.offsets[:, None]} if len(ridges.offsets) else {})
    with torch.no_grad():
        for name, value in values.items():
            network.get_parameter(name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return network.eval()
