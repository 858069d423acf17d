"""An ONNX graph under construction: the one language in which every part writes itself down.

A preparation writes its steps, a tree ensemble its nodes, a network its layers; nobody needs to know who comes
before or after. Values are handled by name (`Value` is a string). Two inputs exist in every table graph:

- ``numbers``: float64, shape ``(n_rows, n_numbers)``; NaN is a missing number or date (dates: seconds since 1970, UTC)
- ``texts``: string, shape ``(n_rows, n_texts)``; the empty string is a missing category

>>> graph = Graph()
>>> numbers = graph.input("numbers", "float64", ["rows", 2])
>>> doubled = graph.op("Mul", numbers, graph.constant(2.0))
>>> model = graph.finish({"output": (doubled, "float64", ["rows", 2])})
>>> isinstance(model, bytes)
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import onnx

Value = str

OPSET = 20  # GELU arrives with 20; onnxruntime 1.17 and later read it
ML_OPSET = 3  # TreeEnsemble* with float64 inputs
IR_VERSION = 10
ML = "ai.onnx.ml"

Shape = Sequence[int | str]


class Graph:
    """Collects nodes, constants, inputs and outputs; `finish` returns the checked model as bytes.

    Nodes are pure, so asking twice for the same node gives the same value: members that share a preparation share its
    nodes.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._known_nodes: dict[bytes, list[Value]] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def input(self, name: str, dtype: str, shape: Shape) -> Value:
        """Declare a graph input; ``dtype`` is a NumPy name (``"float64"``) or ``"string"``."""
        from onnx import helper

        self._inputs.append(helper.make_tensor_value_info(name, _onnx_type(dtype), list(shape)))
        return name

    def constant(self, values: ArrayLike, dtype: str | None = None) -> Value:
        """A tensor known in advance, stored once however often it is asked for. Strings become a string tensor."""
        from onnx import helper, numpy_helper

        array: NDArray[Any] = np.asarray(values, dtype=dtype)
        if array.dtype.kind in "UO":
            texts = [str(text) for text in array.ravel().tolist()]
            key = ("string", array.shape, "\0".join(texts).encode())
        else:
            key = (array.dtype.str, array.shape, array.tobytes())
        if key in self._known:
            return self._known[key]
        name = self._fresh("constant")
        if array.dtype.kind in "UO":
            tensor = helper.make_tensor(name, _onnx_type("string"), array.shape, texts)  # type: ignore[arg-type]
        else:
            tensor = numpy_helper.from_array(np.asarray(array, order="C"), name)
        self._constants.append(tensor)
        self._known[key] = name
        return name

    def op(self, kind: str, *inputs: Value, domain: str = "", **attributes: Any) -> Value:
        """Add a node with one output and return that output's name."""
        return self.ops(kind, *inputs, n_outputs=1, domain=domain, **attributes)[0]

    def ops(self, kind: str, *inputs: Value, n_outputs: int, domain: str = "", **attributes: Any) -> list[Value]:
        """Add a node with several outputs, unless it is there already, and return their names."""
        from onnx import helper

        return self._add(helper.make_node(kind, list(inputs), [""] * n_outputs, domain=domain, **attributes))

    def _add(self, node: onnx.NodeProto) -> list[Value]:
        """The outputs of a node that has no names for them yet."""
        key = node.SerializeToString(deterministic=True)
        if key not in self._known_nodes:
            outputs = [self._fresh(node.op_type.lower()) for _ in node.output]
            node.output[:] = outputs
            self._nodes.append(node)
            self._known_nodes[key] = outputs
        return self._known_nodes[key]

    def include(self, model: bytes) -> Value:
        """Add all of a finished model with one output, on the inputs of the same names; the name of its output.

        Nodes and constants that several included models share are added once.
        """
        import onnx

        body = onnx.load_from_string(model).graph
        declared = {one.name for one in self._inputs}
        self._inputs += [one for one in body.input if one.name not in declared]
        names = {one.name: one.name for one in body.input}
        for tensor in body.initializer:
            old, tensor.name = tensor.name, ""
            key = "included", (), tensor.SerializeToString(deterministic=True)
            if key not in self._known:
                self._known[key] = tensor.name = self._fresh("constant")
                self._constants.append(tensor)
            names[old] = self._known[key]
        for node in body.node:
            outputs = list(node.output)
            node.input[:] = [names[name] if name else "" for name in node.input]
            node.output[:] = [""] * len(outputs)
            names.update(zip(outputs, self._add(node), strict=True))
        return str(names[body.output[0].name])

    def columns(self, value: Value, columns: Sequence[int]) -> Value:
        """Columns of a matrix, in the order given: shape ``(n_rows, len(columns))``."""
        return self.op("Gather", value, self.constant(np.asarray(columns, dtype=np.int64)), axis=1)

    def cast(self, value: Value, dtype: str) -> Value:
        """The value in another element type (a NumPy name)."""
        return self.op("Cast", value, to=_onnx_type(dtype))

    def concat(self, values: Sequence[Value]) -> Value:
        """Matrices side by side."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=1)

    def finish(self, outputs: Mapping[str, tuple[Value, str, Shape]]) -> bytes:
        """The model as bytes; ``outputs`` maps a public name to ``(value, dtype, shape)``."""
        import onnx
        from onnx import helper

        infos = []
        for name, (value, dtype, shape) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
            infos.append(helper.make_tensor_value_info(name, _onnx_type(dtype), list(shape)))
        body = helper.make_graph(self._nodes, "annvil", self._inputs, infos, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="annvil")
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _fresh(self, stem: str) -> Value:
        self._count += 1
        return f"{stem}_{self._count}"


def _onnx_type(dtype: str) -> int:
    from onnx import TensorProto, helper

    if dtype == "string":
        return int(TensorProto.STRING)
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
