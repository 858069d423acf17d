"""A graph whose convolutions compute in 8 bits: onnxruntime's static quantisation, made fit for a bundle.

Around every convolution values become integers and integers values again ("QDQ"); onnxruntime then computes in between
with integers. Weights have 7 bits and a scale for each output channel: with 8, processors without VNNI instructions
overflow in a sum of two products, and the same file would predict differently on another machine. What rounding adds
to the mean of a channel is taken from its bias (Nagel et al., "Data-free quantization through weight equalization and
bias correction", ICCV 2019, section 4.2, with means measured on pictures, as in its appendix). What lies before and
after the convolutions (scaling of pictures, softmax, calibration) stays as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from annvil.onnx.validator import check_graph
from annvil.system import onnx_runtime

if TYPE_CHECKING:
    import onnx

WRITTEN = frozenset({"DequantizeLinear", "QuantizeLinear"})
"""Operators that a graph in 8 bits has beside those of the graph it was made from."""

Feeds = Mapping[str, NDArray[Any]]


def has_convolutions(graph: bytes) -> bool:
    """Whether there is anything to compute in 8 bits; all else is a small part of what networks for pictures do."""
    import onnx

    return any(node.op_type == "Conv" for node in onnx.load_from_string(graph).graph.node)


def in_eight_bits(graph: bytes, batches: Sequence[Feeds]) -> bytes:
    """The graph with convolutions in 8 bits.

    Parameters
    ----------
    graph : of float32 convolutions
    batches : inputs of the graph; the least and greatest value that a convolution takes or gives on them become the
        ends of its 256 steps, and what lies beyond is clipped
    """
    import onnx

    ort = onnx_runtime.load("quantization")

    class Reader(ort.CalibrationDataReader):  # type: ignore[misc, name-defined]
        """Hands the batches over."""

        def __init__(self) -> None:
            self._left = iter(batches)

        def get_next(self) -> Feeds | None:
            return next(self._left, None)

    with TemporaryDirectory(prefix="annvil-eight-bits-") as folder, _quiet():
        made = Path(folder) / "model.onnx"
        ort.quantize_static(
            onnx.load_from_string(graph),
            made,
            Reader(),
            quant_format=ort.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
        )
        model = onnx.load(made)
    _correct_biases(onnx.load_from_string(graph), model, batches)
    model.ClearField("producer_version")
    model.ClearField("metadata_props")
    model.producer_name = "annvil"
    model.graph.ClearField("value_info")
    for tensor in model.graph.initializer:
        tensor.ClearField("data_location")  # says only that the values are in this file
    content = bytes(model.SerializeToString(deterministic=True))
    check_graph(content)
    return content


def _correct_biases(plain: onnx.ModelProto, quantised: onnx.ModelProto, batches: Sequence[Feeds]) -> None:
    """Let every channel of every convolution of ``quantised`` have the mean it has in ``plain``, first to last.

    The names of values are the same in both. What comes before a convolution is corrected when its own turn comes.
    """
    from onnx import numpy_helper

    names = [node.output[0] for node in plain.graph.node if node.op_type == "Conv"]
    wanted = dict(zip(names, _channel_means(plain, names, batches), strict=True))
    constants = {tensor.name: tensor for tensor in quantised.graph.initializer}
    sources = {node.output[0]: node.input for node in quantised.graph.node if node.op_type == "DequantizeLinear"}
    for node in [node for node in quantised.graph.node if node.op_type == "Conv"]:
        (mean,) = _channel_means(quantised, [node.output[0]], batches)
        biases, scales = (constants[name] for name in sources[node.input[2]][:2])
        steps = np.rint((wanted[node.output[0]] - mean) / numpy_helper.to_array(scales))
        corrected = (numpy_helper.to_array(biases) + steps).astype(np.int32)
        biases.CopyFrom(numpy_helper.from_array(corrected, biases.name))


def _channel_means(model: onnx.ModelProto, names: Sequence[str], batches: Sequence[Feeds]) -> list[NDArray[Any]]:
    """Mean of each channel of the values ``(n, channels, height, width)`` of these names, float64 ``(channels,)``."""
    import onnx

    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnx_runtime.session(shown.SerializeToString(), n_threads=1)  # sums in one order
    sums, n = [np.zeros(1) for _ in names], 0
    for batch in batches:
        values = session.run(list(names), dict(batch))
        n += len(values[0])
        sums = [s + v.mean(axis=(2, 3), dtype=np.float64).sum(axis=0) for s, v in zip(sums, values, strict=True)]
    return [total / n for total in sums]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's advice to simplify the graph first, which it gives to the root logger (ours is simple)."""

    def wanted(record: logging.LogRecord) -> bool:
        return "quantization" not in record.pathname

    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)  # without any, the first message would put one on stderr for good
    root.addFilter(wanted)
    try:
        yield
    finally:
        root.removeFilter(wanted)
        root.removeHandler(silent)
