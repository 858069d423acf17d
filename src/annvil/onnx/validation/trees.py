"""What the trees of a graph may be: onnxruntime follows them without looking, and builds them by recursion.

Every node belongs to one tree, has one parent or is a root, and leads to leaves in few steps; features and outputs are
there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.onnx.validation.tensor_reader import refusal

DEEPEST = 1000
"""Steps from root to leaf (onnxruntime ends the process at 20,000, measured; forests grown on data have tens)."""

_LISTS = ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")


def check_trees(attributes: dict[str, Any], n_features: int, n_targets: int) -> None:
    """Return if the trees are some.

    Parameters
    ----------
    attributes : of a TreeEnsembleRegressor of ai.onnx.ml 3
    n_features, n_targets : columns that it takes and gives

    Raises
    ------
    BundleError
        When they are none, or too deep.
    """
    trees, nodes, features, left, right = (_list(attributes, f"nodes_{name}") for name in _LISTS)
    values, weights = (_list(attributes, name, "f") for name in ("nodes_values", "target_weights"))
    leaf = _leaves(attributes.get("nodes_modes"))
    n_nodes = len(leaf)
    targets = [*(_list(attributes, f"target_{name}") for name in ("treeids", "nodeids", "ids")), weights]
    missing = _list(attributes, "nodes_missing_value_tracks_true")
    lengths = {len(part) for part in (trees, nodes, features, left, right, values, missing)}
    if lengths != {n_nodes} or not n_nodes or len({len(part) for part in targets}) != 1:
        raise refusal("its trees have lists of unlike lengths")
    if not _within(features, n_features) or not _within(targets[2], n_targets):
        raise refusal("its trees use a feature or an output that is not there")
    places = _Places(trees, nodes)
    places.of(targets[0], targets[1])  # only to refuse those of no node
    inner = np.flatnonzero(~leaf)
    children = np.stack([places.of(trees[inner], side[inner]) for side in (left, right)])
    n_parents = np.bincount(children.ravel(), minlength=n_nodes)
    at, steps, seen = np.flatnonzero(n_parents == 0), 0, 0
    below = np.full((2, n_nodes), -1)
    below[:, inner] = children
    n_roots = len(at)
    while len(at):
        steps, seen = steps + 1, seen + len(at)
        if steps > DEEPEST:
            raise refusal(f"its trees are more than {DEEPEST} nodes deep")
        at = below[:, at].ravel()
        at = at[at >= 0]
    if n_parents.max() > 1 or seen != n_nodes or n_roots != len(np.unique(trees)):
        raise refusal("its trees are none: a node has two parents, or leads back to itself")


def _within(numbers: NDArray[Any], most: int) -> bool:
    return bool(((numbers >= 0) & (numbers < most)).all())


def _list(attributes: dict[str, Any], name: str, kind: str = "i") -> NDArray[Any]:
    found = attributes.get(name)
    if not isinstance(found, np.ndarray) or found.dtype.kind != kind:
        raise refusal(f"its trees have no list {name}")
    return found


def _leaves(modes: Any) -> NDArray[np.bool_]:
    if not isinstance(modes, bytes):
        raise refusal("its trees have no list nodes_modes")
    plain = modes.replace(b"\x4a\x04LEAF", b"\x01").replace(b"\x4a\x0aBRANCH_LEQ", b"\x00")
    found = np.frombuffer(plain, np.uint8)
    if found.max(initial=0) > 1:
        raise refusal("its trees have nodes of a kind that Annvil does not write")
    return found.astype(bool)


class _Places:
    """Where the nodes of trees stand in the lists, by number of tree and node."""

    def __init__(self, trees: NDArray[Any], nodes: NDArray[Any]) -> None:
        if not _within(trees, 1 << 31) or not _within(nodes, 1 << 31):
            raise refusal("its trees have nodes of impossible numbers")
        keys = trees << 31 | nodes
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        if bool((np.diff(self._sorted) == 0).any()):
            raise refusal("its trees have two nodes of one number")

    def of(self, trees: NDArray[Any], nodes: NDArray[Any]) -> NDArray[np.intp]:
        if not _within(trees, 1 << 31) or not _within(nodes, 1 << 31):
            raise refusal("its trees have nodes of impossible numbers")
        wanted = trees << 31 | nodes
        places = np.searchsorted(self._sorted, wanted)
        if len(wanted) and (places.max() >= len(self._sorted) or bool((self._sorted[places] != wanted).any())):
            raise refusal("its trees lead to a node that is not there")
        return np.asarray(self._order[places])
