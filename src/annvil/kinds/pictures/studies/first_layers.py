"""What the first layers look for: filters of the convolutional network, units of the dense one, as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from annvil.kinds.pictures.contenders.member import PictureMember
from annvil.kinds.pictures.explanation.feature_maps import first_filters, painted_filters, sorts
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.studies.findings import KEY, ORDER, Finding
from annvil.models.members import Fitted
from annvil.models.on_features import OnFeaturesMember, table_of
from annvil.sections import Picture, Section, png
from annvil.tasks.base import FloatArray
from annvil.text.quantities import minus

MOST_UNITS = 32
"""Units of the dense network that are kept, the strongest first (assumed: more are not looked at)."""

AGREES = 0.2
"""Correlation of neighbouring weights from which a unit is said to have found that pixels are neighbours (assumed)."""

SIDE = 56
"""Pixels of a unit's or a filter's picture."""


def first_looks(fitted: Fitted, images: Images) -> FloatArray | None:
    """Weights of the first layer as pictures, ``(n, channels, height, width)``; None where they cannot be read.

    Of the dense network: the derivative of each unit of its first layer by the prepared pixels, at the mean of
    ``images``, which is its row of weights where pixels go in as they are.
    """
    member = fitted.members[0]
    if isinstance(member, PictureMember):
        return first_filters(member.network)
    return _units(member, images) if isinstance(member, OnFeaturesMember) else None


def _units(member: OnFeaturesMember, images: Images) -> FloatArray | None:
    import torch

    from annvil.kinds.pictures.contenders.features import PixelFeatures
    from annvil.models.networks.bag import NetworkBag

    bag = member.inner
    if not isinstance(bag, NetworkBag) or not isinstance(member.features, PixelFeatures):
        return None
    rows, columns = member.features.blocks.rows_and_columns
    depth = member.features.blocks.depth
    numbers, codes = bag.preparation.transform(table_of(images, member.features))
    network: Any = bag.networks[0]
    sums: list[torch.Tensor] = []
    hook = network.layers[0].register_forward_hook(lambda module, inputs, output: sums.append(output))

    def first_layer(at: torch.Tensor) -> torch.Tensor:
        sums.clear()
        network(at, codes[:1])
        return sums[0][0]

    try:
        slopes: Any = torch.autograd.functional.jacobian(first_layer, numbers.mean(0, keepdim=True))  # type: ignore[no-untyped-call]
    finally:
        hook.remove()
    weights = slopes[:, 0, : rows * columns * depth].double().numpy()
    if weights.shape[1] != rows * columns * depth:
        return None  # the preparation left out columns, so places are no longer known
    pictures = weights.reshape(-1, rows, columns, depth).transpose(0, 3, 1, 2)
    strongest = np.argsort(-np.square(weights).sum(axis=1), kind="stable")[:MOST_UNITS]
    return np.asarray(pictures[np.sort(strongest)])


def agreement(maps: FloatArray) -> float:
    """Correlation between weights of neighbouring pixels, over all maps and both directions."""
    one = np.concatenate([maps[:, :, :, :-1].ravel(), maps[:, :, :-1].ravel()])
    other = np.concatenate([maps[:, :, :, 1:].ravel(), maps[:, :, 1:].ravel()])
    return float(np.corrcoef(one, other)[0, 1]) if one.std() and other.std() else 0.0


def tell_looks(dense: FloatArray, convolutional: FloatArray) -> tuple[Finding, Section]:
    """The row on first layers, and both as pictures."""
    bright, coloured, edges = sorts(convolutional)
    colours = f", {coloured} for colour" if convolutional.shape[1] > 1 else ""
    height, width = convolutional.shape[2:]
    found, pixels = agreement(dense), dense.shape[2] * dense.shape[3]
    units = (
        f"a unit has a weight for each of {pixels} pixels; weights of neighbours correlate by {minus(f'{found:z.2f}')}"
    )
    sorted_out = f"{edges} for edges or texture, {bright} for brightness{colours}"
    filters = f"{len(convolutional)} filters of {width} × {height} pixels: {sorted_out}"
    sentence = (
        "The dense network has found by itself that some pixels are neighbours: weights that lie side by side agree."
        if found >= AGREES
        else "The dense network has not found that pixels have neighbours: weights that lie side by side hardly agree."
    )
    sentence += " The convolutional network starts from that, and looks for the same small things everywhere."
    numbers = {"neighbours": found, "edges": edges, "brightness": bright, "colour": coloured}
    finding = Finding("first-layers", "What the first layer looks for", units, filters, sentence, numbers)
    of_units = f"Dense network: its {len(dense)} strongest units, of all pixels"
    of_filters = f"Convolutional network: filters of {width} × {height} pixels"
    pictures = (
        Picture(png(painted_filters(dense, SIDE)), of_units, sized=True),
        Picture(png(painted_filters(convolutional, SIDE)), of_filters, sized=True),
    )
    legend = "Grey is nothing, light adds, dark subtracts; each has its own contrast."
    title = "What the first layers look for"
    return finding, Section(f"{KEY}-looks", title, (sentence, legend), pictures, order=ORDER + 5)
