"""Pictures of any size brought to a model's form inside its graph, as the reader of files does it.

`annvil.kinds.pictures.reading.decoding.placed` scales with Pillow's bilinear filter; here the same filter is two
matrices that the graph makes from the size of the pictures, one for the width and one for the height. A picture that
has the size of the form meets two identity matrices and stays as it is to the bit. For others the result is Pillow's to
within 1 of 255 (measured on noise of 300 pairs of sizes): of most pictures one value in a thousand differs, at worst
three or four in a hundred, where a sum lies half-way and Pillow's 22 binary digits tip it the other way. Pillow 13
scales pictures that are much taller than wide down before across, so that another rounding comes in between; here it is
always across before down, as in older versions, and up to a quarter of the values of such a picture differ by 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annvil.kinds.pictures.form import PictureForm
from annvil.onnx.builder import Graph, Value

PRECISION = 2.0**22
"""Pillow rounds weights to multiples of 1 over this (`PRECISION_BITS` of its Resample.c): half-way sums hang on it."""


@dataclass(frozen=True)
class _Axis:
    """How one side is scaled: values float64 ``(1,)`` in a graph.

    Of ``length`` pixels those from ``origin`` on are scaled, ``step`` pixels for one of the form; they fill ``extent``
    pixels of the form from ``offset`` on.
    """

    side: int
    length: Value
    origin: Value
    step: Value
    offset: Value
    extent: Value


def write_in_form(graph: Graph, pixels: Value, form: PictureForm) -> Value:
    """Nodes from uint8 ``(n, any height, any width, channels)`` to uint8 ``(n, height, width, channels)`` of the form.

    The pictures of one call share one size.
    """
    sides = _sides(graph, pixels, form)
    down, across = (_padded if form.fit == "pad" else _cropped)(graph, form, *sides)
    values = graph.cast(graph.op("Transpose", pixels, perm=[0, 3, 1, 2]), "float32")
    values = _rounded(graph, graph.op("MatMul", values, _filter(graph, across)))
    values = graph.op("Transpose", values, perm=[0, 1, 3, 2])
    values = _rounded(graph, graph.op("MatMul", values, _filter(graph, down)))
    if form.fit == "pad":
        values = _with_border(graph, values, down, across)
    return graph.op("Transpose", graph.cast(values, "uint8"), perm=[0, 3, 2, 1])


def _sides(graph: Graph, pixels: Value, form: PictureForm) -> tuple[Value, Value]:
    """Height and width of the pictures, float64 ``(1,)``."""
    sizes = graph.cast(graph.op("Shape", pixels), "float64")
    height, width = (graph.op("Gather", sizes, graph.constant([place], "int64")) for place in (1, 2))
    return height, width


def _padded(graph: Graph, form: PictureForm, height: Value, width: Value) -> tuple[_Axis, _Axis]:
    """The whole picture, as large as fits, in the middle."""
    scale = graph.op("Min", _over(graph, form.height, height), _over(graph, form.width, width))
    found = []
    for side, length in ((form.height, height), (form.width, width)):
        extent = graph.op("Round", graph.op("Mul", length, scale))
        extent = graph.op("Max", extent, graph.constant([1.0]))
        free = graph.op("Sub", graph.constant([float(side)]), extent)
        offset = graph.op("Floor", graph.op("Mul", free, graph.constant([0.5])))
        step = graph.op("Div", length, extent)
        found.append(_Axis(side, length, graph.constant([0.0]), step, offset, extent))
    return found[0], found[1]


def _cropped(graph: Graph, form: PictureForm, height: Value, width: Value) -> tuple[_Axis, _Axis]:
    """The middle of the picture, which fills the form; Pillow keeps the box in single precision."""
    scale = graph.op("Max", _over(graph, form.height, height), _over(graph, form.width, width))
    found = []
    for side, length in ((form.height, height), (form.width, width)):
        whole = graph.op("Div", graph.constant([float(side)]), scale)
        before = graph.op("Mul", graph.op("Sub", length, whole), graph.constant([0.5]))
        first = graph.cast(graph.op("Max", before, graph.constant([0.0])), "float32")
        last = graph.cast(graph.op("Min", graph.op("Add", before, whole), length), "float32")
        step = graph.cast(graph.op("Sub", last, first), "float64")
        step = graph.op("Div", step, graph.constant([float(side)]))
        origin = graph.cast(first, "float64")
        found.append(_Axis(side, length, origin, step, graph.constant([0.0]), graph.constant([float(side)])))
    return found[0], found[1]


def _filter(graph: Graph, axis: _Axis) -> Value:
    """Weights float32 ``(length, side)``: in each column a triangle over at least two pixels, which sums to 1.

    Columns of pixels that lie outside the picture are zero.
    """
    places = _places(graph, axis)
    inner = graph.op("Add", graph.op("Sub", places, axis.offset), graph.constant([0.5]))
    centres = graph.op("Add", axis.origin, graph.op("Mul", inner, axis.step))
    width = graph.op("Max", axis.step, graph.constant([1.0]))
    ones = graph.op("Expand", graph.constant([1.0]), graph.cast(axis.length, "int64"))
    middles = graph.op("Sub", graph.op("CumSum", ones, graph.constant(0, "int64")), graph.constant([0.5]))
    middles = graph.op("Unsqueeze", middles, graph.constant([1], "int64"))
    distances = graph.op("Div", graph.op("Abs", graph.op("Sub", middles, centres)), width)
    weights = graph.op("Max", graph.op("Sub", graph.constant([1.0]), distances), graph.constant([0.0]))
    weights = graph.op("Mul", weights, _inside(graph, axis))
    sums = graph.op("ReduceSum", weights, graph.constant([0], "int64"), keepdims=1)
    weights = graph.op("Div", weights, graph.op("Max", sums, graph.constant([1e-6])))
    weights = graph.op("Mul", weights, graph.constant([PRECISION]))
    weights = graph.op("Floor", graph.op("Add", weights, graph.constant([0.5])))
    return graph.cast(graph.op("Mul", weights, graph.constant([1 / PRECISION])), "float32")


def _places(graph: Graph, axis: _Axis) -> Value:
    """0, 1, … along the side of the form, float64 ``(side,)``."""
    return graph.constant(np.arange(axis.side, dtype=np.float64))


def _inside(graph: Graph, axis: _Axis) -> Value:
    """1 where a pixel of the form shows the picture, else 0: float64 ``(side,)``."""
    places = _places(graph, axis)
    begun = graph.op("Sub", graph.op("Add", places, graph.constant([1.0])), axis.offset)
    left = graph.op("Sub", graph.op("Add", axis.offset, axis.extent), places)
    return graph.op("Mul", _to_one(graph, begun), _to_one(graph, left))


def _with_border(graph: Graph, values: Value, down: _Axis, across: _Axis) -> Value:
    """``values (n, channels, width, height)``, around the picture the mean of its outermost pixels."""
    upright = graph.constant([1], "int64")
    ends = graph.op("Add", graph.op("Unsqueeze", _ends(graph, across), upright), _ends(graph, down))
    edges = graph.op("Mul", values, graph.cast(ends, "float32"))
    total = graph.op("ReduceSum", edges, graph.constant([2, 3], "int64"), keepdims=1)
    count = graph.op("Mul", graph.op("Add", down.extent, across.extent), graph.constant([2.0]))
    mean = graph.op("Round", graph.op("Div", graph.cast(total, "float64"), count))
    shown = graph.op("Mul", graph.op("Unsqueeze", _inside(graph, across), upright), _inside(graph, down))
    around = graph.cast(graph.op("Sub", graph.constant([1.0]), shown), "float32")
    return graph.op("Add", values, graph.op("Mul", around, graph.cast(mean, "float32")))


def _ends(graph: Graph, axis: _Axis) -> Value:
    """Inside the picture: 1 at its first and at its last pixel, 2 where they are one; float64 ``(side,)``."""
    last = graph.op("Sub", graph.op("Add", axis.offset, axis.extent), graph.constant([1.0]))
    marks = []
    for end in (axis.offset, last):
        apart = graph.op("Abs", graph.op("Sub", _places(graph, axis), end))
        marks.append(_to_one(graph, graph.op("Sub", graph.constant([1.0]), apart)))
    return graph.op("Add", *marks)


def _over(graph: Graph, side: int, length: Value) -> Value:
    return graph.op("Div", graph.constant([float(side)]), length)


def _to_one(graph: Graph, value: Value) -> Value:
    return graph.op("Clip", value, graph.constant(0.0), graph.constant(1.0))


def _rounded(graph: Graph, values: Value) -> Value:
    """To whole numbers, halves up, as Pillow does after each direction."""
    return graph.op("Floor", graph.op("Add", values, graph.constant(0.5, "float32")))
