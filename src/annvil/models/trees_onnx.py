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
        nodes_treeids=forest.tree,
        nodes_nodeids=forest.node,
        nodes_featureids=np.where(inner, forest.feature, 0),
        nodes_modes=np.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
        nodes_values=np.where(inner, forest.threshold, np.float32(0)).tolist(),
        nodes_truenodeids=np.where(inner, forest.left, 0),
        nodes_falsenodeids=np.where(inner, forest.right, 0),
        nodes_missing_value_tracks_true=np.where(inner, forest.missing_left, False).astype(np.int64),
        target_treeids=forest.tree[leaf],
        target_nodeids=forest.node[leaf],
        target_ids=forest.output[leaf],
        target_weights=forest.value[leaf].tolist(),
    )
