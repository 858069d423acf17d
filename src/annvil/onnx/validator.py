"""What an ONNX graph may contain, checked on its bytes before onnxruntime sees them.

A graph is a program. Annvil runs one only if it could have written it: the fields that `annvil.onnx.builder` writes
and no others (so no subgraphs, functions, sparse or external tensors), operators on the list below (so no Loop, If,
Scan), constants as large as they say, and bounded counts (`validation.graph_reader`); types and sizes that fit,
bounded memory and work, no division that could end the process (`validation.inference`), and trees that are some
(`validation.trees`).
"""

from __future__ import annotations

from collections.abc import Mapping

from annvil.onnx.builder import ML, ML_OPSET, OPSET
from annvil.onnx.validation.graph_reader import ReadGraph, read_graph
from annvil.onnx.validation.inference import cost
from annvil.onnx.validation.tensor_reader import refusal
from annvil.onnx.validation.trees import check_trees

_OPERATORS = """
    Abs Acos Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization Cast Ceil Clip Concat Conv ConvTranspose
    Cos Cosh CumSum DequantizeLinear Div Einsum Elu Equal Erf Exp Expand Flatten Floor GRU Gather GatherElements
    Gelu Gemm Greater GreaterOrEqual HardSigmoid HardSwish Identity IsNaN LSTM LayerNormalization LeakyRelu Less
    LessOrEqual Log LogSoftmax MatMul Max MaxPool Min Mod Mul Neg Not Or PRelu Pad Pow QuantizeLinear RNN Reciprocal
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round Selu Shape Sigmoid
    Sign Sin Sinh Slice Softmax Softplus Sqrt Squeeze Sub Sum Tan Tanh TopK Transpose Unsqueeze Where Xor
"""

ALLOWED_OPERATORS: Mapping[str, frozenset[str]] = {
    "": frozenset(_OPERATORS.split()),
    "ai.onnx.ml": frozenset({"LabelEncoder", "TreeEnsembleRegressor"}),
}
"""Operators by domain: those that the rooms of Annvil write and no others; a test compares this with the source.

Once released, an operator stays: models that use it are on people's disks."""


def check_graph(content: bytes) -> ReadGraph:
    """The graph in ``content``, if it is one that Annvil could have written.

    Raises
    ------
    BundleError
        When it has an operator that is not allowed, a subgraph, external data, a tensor larger than its bytes, too many
        nodes, asks for too much memory or work, or is no ONNX model at all.
    """
    graph = read_graph(content, ALLOWED_OPERATORS)
    if graph.opsets not in ({"": OPSET, ML: ML_OPSET}, {"": OPSET}):
        raise refusal("its graph is of another version of ONNX than Annvil writes")
    values = cost(graph, n_rows=1).values
    for node in graph.nodes:
        if node.operator == "TreeEnsembleRegressor":
            check_trees(node.attributes, values[node.inputs[0]].shape[1], values[node.outputs[0]].shape[1])
    return graph
