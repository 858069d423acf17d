"""Boosted trees as plain arrays, and as one ``TreeEnsembleRegressor`` node.

Parity with the fitted trees is exact up to the order of float32 sums: inputs are float32 already when the trees are
grown, and each threshold (float64, between two of them) is rounded *down* to float32, so that ``x <= threshold``
answers the same for every float32 ``x``. Leaf values become float32; base scores are added in float64.

The members of a bag stay nodes of their own: one node for five members was no quicker for one row (65 and 67 µs for
1000 trees of 31 leaves on one core; measured) and would need one preparation for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.onnx.builder import ML, Graph, Value
from annvil.tasks.base import IntArray


@dataclass(frozen=True)
class Forest:
    """Nodes of many binary trees, one after another; every array has one entry per node.

    Attributes
    ----------
    tree, node : number of the tree, and of the node within its tree (0 is the root)
    output : which output column the node's tree adds to
    is_leaf : whether ``value`` is added here; other nodes go left where ``x[feature] <= threshold``
    feature, threshold, left, right, missing_left : of inner nodes; children are numbered within the tree, and
        ``missing_left`` says where NaN goes
    value : of leaves
    """

    tree: IntArray
    node: IntArray
    output: IntArray
    is_leaf: NDArray[np.bool_]
    feature: IntArray
    threshold: NDArray[np.float32]
    left: IntArray
    right: IntArray
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float32]

    @property
    def n_parameters(self) -> int:
        """A feature and a threshold for each inner node, a value for each leaf."""
        return int(np.sum(~self.is_leaf) * 2 + np.sum(self.is_leaf))


def forest_of(rounds: Sequence[Sequence[NDArray[Any]]], outputs: Sequence[int]) -> Forest:
    """The trees of scikit-learn's histogram gradient boosting.

    Parameters
    ----------
    rounds : per boosting round, the nodes of one tree per raw score (`sklearn_private.rounds_of`)
    outputs : for each raw score, the output column it stands for
    """
    trees = [(nodes, output) for trees in rounds for nodes, output in zip(trees, outputs, strict=True)]
    nodes = np.concatenate([nodes for nodes, _ in trees])
    if nodes["is_categorical"].any():
        raise ValueError("categorical splits are not written: encode categories as numbers first")
    lengths = [len(nodes) for nodes, _ in trees]
    return Forest(
        tree=np.repeat(np.arange(len(trees)), lengths),
        node=np.concatenate([np.arange(length) for length in lengths]),
        output=np.repeat([output for _, output in trees], lengths),
        is_leaf=nodes["is_leaf"].astype(bool),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=round_down(nodes["num_threshold"]),
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        value=nodes["value"].astype(np.float32),
    )


def round_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above each value; infinities stay."""
    with np.errstate(over="ignore"):
        near = values.astype(np.float32)
        below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > values, below, near)


def write_forest(graph: Graph, features: Value, forest: Forest, n_outputs: int) -> Value:
    """Sums of leaf values, float32 ``(n_rows, n_outputs)``, from features float32 ``(n_rows, n_features)``."""
    inner, leaf = ~forest.is_leaf, forest.is_leaf
    return graph.op(
        "TreeEnsembleRegressor",
        features,
        domain=ML,
        n_targets=n_outputs,
        aggregate_function="SUM",
        post_transform="NONE",
        **_nodes(forest, inner),
        target_treeids=forest.tree[leaf],
        target_nodeids=forest.node[leaf],
        target_ids=forest.output[leaf],
        target_weights=forest.value[leaf].tolist(),
    )


WALKERS = 1 << 18
"""Rows times trees that are walked at once (assumed: some tens of MB)."""


@dataclass(frozen=True)
class AveragedForest:
    """Trees whose leaves each say a value of every output; what the forest says is their mean.

    Attributes
    ----------
    trees : nodes of all trees; ``output`` and ``value`` of leaves are not used
    values : float32 ``(n_nodes, n_outputs)``, already divided by the number of trees; zeros at inner nodes
    base : float64 ``(n_outputs,)``, added to the sum
    """

    trees: Forest
    values: NDArray[np.float32]
    base: NDArray[np.float64]

    @property
    def n_parameters(self) -> int:
        """A feature and a threshold for each inner node, a value of each output for each leaf."""
        return int(np.sum(~self.trees.is_leaf) * 2 + np.sum(self.trees.is_leaf) * self.values.shape[1])

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Float64 ``(n_rows, n_outputs)``: rows walk down all trees side by side, one level at a time."""
        starts = np.flatnonzero(self.trees.node == 0)
        chunks = np.array_split(features, max(1, len(features) * len(starts) // WALKERS))
        return np.concatenate([self._walked(chunk, starts) for chunk in chunks])

    def _walked(self, features: NDArray[np.float32], starts: IntArray) -> NDArray[np.float64]:
        trees = self.trees
        row, start = (part.ravel() for part in np.meshgrid(np.arange(len(features)), starts, indexing="ij"))
        at = start.copy()
        walking = np.flatnonzero(~trees.is_leaf[at])
        while len(walking):
            here = at[walking]
            x = features[row[walking], trees.feature[here]]
            left = np.where(np.isnan(x), trees.missing_left[here], x <= trees.threshold[here])
            at[walking] = start[walking] + np.where(left, trees.left[here], trees.right[here])
            walking = walking[~trees.is_leaf[at[walking]]]
        said = self.values[at].reshape(len(features), len(starts), -1)
        return np.asarray(said.sum(axis=1, dtype=np.float64) + self.base)


def averaged_forest_of(model: Any, leaves: Sequence[NDArray[np.float64]], base: NDArray[np.float64]) -> AveragedForest:
    """The trees of a forest of scikit-learn's; ``leaves`` are what the nodes of each tree say."""
    trees = [tree.tree_ for tree in model.estimators_]
    lengths = [tree.node_count for tree in trees]
    is_leaf = np.concatenate([tree.children_left < 0 for tree in trees])
    nodes = Forest(
        tree=np.repeat(np.arange(len(trees)), lengths),
        node=np.concatenate([np.arange(length) for length in lengths]),
        output=np.zeros(len(is_leaf), dtype=np.int64),
        is_leaf=is_leaf,
        feature=np.concatenate([np.maximum(tree.feature, 0) for tree in trees]).astype(np.int64),
        threshold=round_down(np.concatenate([tree.threshold for tree in trees])),
        left=np.concatenate([tree.children_left for tree in trees]).astype(np.int64),
        right=np.concatenate([tree.children_right for tree in trees]).astype(np.int64),
        missing_left=np.concatenate([tree.missing_go_to_left for tree in trees]).astype(bool),
        value=np.zeros(len(is_leaf), dtype=np.float32),
    )
    values = np.where(is_leaf[:, None], np.concatenate(leaves) / len(trees), 0.0).astype(np.float32)
    return AveragedForest(nodes, values, base)


def write_averaged_forest(graph: Graph, features: Value, forest: AveragedForest) -> Value:
    """What the forest says, float64 ``(n_rows, n_outputs)``, from features float32 ``(n_rows, n_features)``."""
    leaf, output = np.nonzero(forest.values)
    inner, trees = ~forest.trees.is_leaf, forest.trees
    summed = graph.op(
        "TreeEnsembleRegressor",
        features,
        domain=ML,
        n_targets=forest.values.shape[1],
        aggregate_function="SUM",
        post_transform="NONE",
        **_nodes(trees, inner),
        target_treeids=trees.tree[leaf],
        target_nodeids=trees.node[leaf],
        target_ids=output,
        target_weights=forest.values[leaf, output].tolist(),
    )
    return graph.op("Add", graph.cast(summed, "float64"), graph.constant(forest.base[None, :]))


def _nodes(trees: Forest, inner: NDArray[np.bool_]) -> dict[str, Any]:
    """The attributes that tell where rows go."""
    return {
        "nodes_treeids": trees.tree,
        "nodes_nodeids": trees.node,
        "nodes_featureids": np.where(inner, trees.feature, 0),
        "nodes_modes": np.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_values": np.where(inner, trees.threshold, np.float32(0)).tolist(),
        "nodes_truenodeids": np.where(inner, trees.left, 0),
        "nodes_falsenodeids": np.where(inner, trees.right, 0),
        "nodes_missing_value_tracks_true": np.where(inner, trees.missing_left, False).astype(np.int64),
    }
