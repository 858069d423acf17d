"""Whatever people keep rows in → tensors: NumPy arrays, frames, lists, tensors; one input or several."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from annvil.errors import DataError, RequestError, did_you_mean, name_rows
from annvil.text.phrases import shorten

LARGE = 50.0  # inputs beyond are worth a word: weights are initialised for numbers near -1 to 1 (assumed)


def input_tensors(X: Any, network: nn.Module, name: str = "X", n_rows: int | None = None) -> tuple[Tensor, ...]:
    """The network's inputs, rows first: float32, or int64 for whole numbers.

    Parameters
    ----------
    X : an array, a tensor, a frame of numbers or a nested list; several inputs as a tuple, as a dict by the names of
        the arguments of the network's forward, or as a list of arrays
    network : whose forward is called with them
    name : for messages
    n_rows : where known, the number of rows: it tells a list of inputs from a list of rows

    Raises
    ------
    DataError, RequestError
        For texts, missing values, ragged lists, inputs of unlike length, and things that hold no rows.
    """
    if isinstance(X, Mapping) and not _is_frame(X):
        parts = _by_argument(X, network, name)
    elif isinstance(X, tuple) or (isinstance(X, list) and _are_inputs(X, n_rows)):
        parts = [(f"{name}[{number}]" if len(X) > 1 else name, part) for number, part in enumerate(X)]
    else:
        parts = [(name, X)]
    tensors = tuple(input_tensor(part, label) for label, part in parts)
    if not tensors:
        raise DataError(f"{name} is empty; pass at least one array.")
    lengths = {len(tensor) for tensor in tensors}
    if len(lengths) > 1:
        told = ", ".join(f"{label} has {len(tensor)}" for (label, _), tensor in zip(parts, tensors, strict=True))
        raise DataError(f"The inputs have unlike numbers of rows: {told}.")
    if lengths == {0}:
        raise DataError(f"{name} has no rows.")
    return tensors


def _are_inputs(X: list[Any], n_rows: int | None) -> bool:
    """Whether a list holds inputs (arrays with all rows each) rather than rows."""
    if not X or not all(hasattr(part, "shape") and len(part.shape) >= 1 for part in X):
        return False
    return len(X) != n_rows and (n_rows is None or all(len(part) == n_rows for part in X))


def _by_argument(X: Mapping[Any, Any], network: nn.Module, name: str) -> list[tuple[str, Any]]:
    """The dict's values in the order of the arguments of ``forward``."""
    parameters = inspect.signature(network.forward).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arguments = [parameter for parameter in parameters if parameter.kind in kinds]
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):  # takes any: the dict's own order
        return [(f"{name}[{key!r}]", value) for key, value in X.items()]
    known = [argument.name for argument in arguments]
    strange = next((str(key) for key in X if key not in known), None)
    if strange is not None:
        raise RequestError(
            f"{name} has an input {strange!r}, which {type(network).__name__}.forward does not take."
            f"{did_you_mean(strange, known)} It takes {', '.join(known)}."
        )
    last = max(map(known.index, X), default=-1)  # those before it must be there
    for place, argument in enumerate(arguments):
        if argument.name not in X and (argument.default is argument.empty or place < last):
            raise RequestError(f"{name} lacks the input {argument.name!r} of {type(network).__name__}.forward.")
    return [(f"{name}[{key!r}]", X[key]) for key in known if key in X]


def input_tensor(X: Any, name: str) -> Tensor:
    """One input as a tensor: float32, int64 for whole numbers, or uint8 for images ``(rows, …, …)`` of bytes."""
    if type(X).__name__ in ("DataLoader", "Dataset", "TensorDataset") or isinstance(X, torch.utils.data.Dataset):
        raise RequestError(
            f"{name} is a {type(X).__name__}; pass the arrays or tensors themselves: data in memory needs no loader, "
            "and is trained on faster without one."
        )
    tensor = X.detach().cpu() if isinstance(X, Tensor) else _tensor(_numbers(X, name))
    if tensor.is_complex():
        raise DataError(f"{name} holds complex numbers; pass real and imaginary part as two columns.")
    if tensor.dim() == 0:
        raise DataError(f"{name} is a single number; it must hold rows.")
    if tensor.is_floating_point() or tensor.dtype == torch.bool:
        return _finite(tensor.float(), name)
    return tensor if tensor.dtype == torch.uint8 and tensor.dim() >= _IMAGE_AXES else tensor.long()


_IMAGE_AXES = 3  # rows, height, width


def as_type(tensor: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """The tensor in the type that training had.

    Raises
    ------
    DataError
        Where training had whole numbers or bytes and these are no such.
    """
    if tensor.dtype == dtype:
        return tensor
    if tensor.dtype == torch.uint8 and dtype == torch.float32:
        raise DataError(f"{name} holds bytes (uint8), training had float numbers; pass the same type.")
    if dtype == torch.float32:
        return tensor.float()
    if tensor.is_floating_point() or dtype == torch.uint8:
        had = "bytes (uint8)" if dtype == torch.uint8 else "whole numbers"
        raise DataError(f"{name} holds values of type {tensor.dtype}, training had {had}; pass the same type.")
    return tensor.to(dtype)


def _tensor(array: NDArray[Any]) -> Tensor:
    if array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    elif array.dtype.kind in "iu" and not (array.dtype == np.uint8 and array.ndim >= _IMAGE_AXES):
        array = array.astype(np.int64, copy=False)
    array = np.ascontiguousarray(array)
    with warnings.catch_warnings():
        # Memory-mapped files are read-only; so is what training does with its inputs.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(array)


def _numbers(X: Any, name: str) -> NDArray[Any]:
    """As a NumPy array of numbers."""
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise DataError(f"{name} is a sparse matrix; pass {name}.toarray(), or fewer columns if that is too large.")
    array = _of_frame(X, name) if _is_frame(X) else _array(X, name, "rows: an array, a tensor or a frame")
    if array.dtype.kind in "OSU":
        return _numbers_of_texts(array, name)
    if array.dtype.kind not in "biufc":
        raise DataError(f"{name} holds values of type {array.dtype}; a network takes numbers.")
    return array


def _array(given: Any, name: str, what: str) -> NDArray[Any]:
    """As a NumPy array, of objects where it holds texts."""
    plain = isinstance(given, (str, bytes, int, float, type(None)))
    if plain or not (hasattr(given, "__len__") or hasattr(given, "__array__")):
        raise RequestError(f"{name} must hold {what}; got {described(given)}.")
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:
        raise DataError(f"The rows of {name} have unlike lengths; a network needs rows of one shape.") from error


def _is_frame(X: Any) -> bool:
    """Whether it is a frame or a series of a library that narwhals knows."""
    if type(X).__module__.partition(".")[0] not in ("pandas", "polars", "pyarrow", "modin", "duckdb", "cudf", "dask"):
        return False
    return isinstance(nw.from_native(X, pass_through=True, allow_series=True), nw.DataFrame | nw.LazyFrame | nw.Series)


def _collected(X: Any) -> Any:
    """A frame or a series as narwhals has it."""
    frame = nw.from_native(X, allow_series=True)
    return frame.collect() if isinstance(frame, nw.LazyFrame) else frame


def _of_frame(X: Any, name: str) -> NDArray[Any]:
    """Float32 columns of a frame, int64 where all are whole; a series is one column of its own."""
    frame = _collected(X)
    if not hasattr(frame, "columns"):
        return _column(frame, name)
    columns = [(str(label), column) for label, column in zip(frame.columns, frame.iter_columns(), strict=True)]
    if not columns:
        raise DataError(f"{name} has no columns.")
    whole = all(column.dtype.is_integer() and not column.null_count() for _, column in columns)
    made = [_column(column, f"Column {label!r} of {name}") for label, column in columns]
    return np.stack([column.astype(np.int64 if whole else np.float32) for column in made], axis=1)


def _column(column: Any, name: str) -> NDArray[Any]:
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        raise DataError(
            f"{name} holds {column.dtype}, not numbers; encode it first, or let annvil.fit read the table, which does."
        )
    gaps = np.flatnonzero(column.is_null().to_numpy())
    if len(gaps):
        raise DataError(f"{name} is missing or infinite in {name_rows(gaps[:5], len(gaps))}; fill it before training.")
    values = np.asarray(column.to_numpy())
    return values.astype(np.float64) if values.dtype.kind in "Ob" else values


def _numbers_of_texts(array: NDArray[Any], name: str) -> NDArray[Any]:
    """An array of objects or texts as numbers, where all of them are."""
    flat = array.ravel().tolist()
    if any(isinstance(value, (np.ndarray, list, tuple)) for value in flat[:100]):
        raise DataError(f"The rows of {name} have unlike lengths; a network needs rows of one shape.")
    strange = next((value for value in flat if isinstance(value, (str, bytes))), None)
    if strange is None:
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError):
            strange = next(value for value in flat if not isinstance(value, (int, float, np.number, bool)))
    raise DataError(
        f"{name} holds {described(strange)}, which is no number; encode texts as numbers first, or let annvil.fit read "
        "the table, which does."
    )


def _finite(tensor: Tensor, name: str) -> Tensor:
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor.sum(dtype=torch.float64))):
        wrong = (~torch.isfinite(tensor)).reshape(len(tensor), -1).any(1).nonzero().flatten()
        if len(wrong):
            rows = name_rows(wrong[:5].tolist(), len(wrong))
            raise DataError(f"{name} is missing or infinite in {rows}; fill or drop these rows before training.")
    return tensor


def target_array(y: Any, name: str = "y") -> NDArray[Any]:
    """``y`` as a NumPy array: whole numbers int64, numbers float64 (float32 stays), texts and mixtures as objects."""
    if isinstance(y, Tensor):
        y = y.detach().cpu()
        return np.asarray((y.float() if y.dtype in (torch.bfloat16, torch.float16) else y).numpy())
    if _is_frame(y):
        y = _target_of_frame(y, name)
    array = _array(y, name, "one target for each row")
    if array.dtype.kind in "mMc":
        raise DataError(f"{name} holds values of type {array.dtype}; it must hold classes or numbers.")
    if array.dtype.kind == "U" and not isinstance(y, np.ndarray) and not all(isinstance(value, str) for value in y):
        array = np.array(list(y), dtype=object)  # a list of texts and numbers: NumPy would make all of them texts
    if array.dtype.kind == "O" and not any(isinstance(v, (str, bool, bytes)) for v in array.ravel()):
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            return array
    return array.astype(np.int64) if array.dtype.kind in "iu" else array


def _target_of_frame(y: Any, name: str) -> Any:
    frame = _collected(y)
    if isinstance(frame, nw.DataFrame):
        if len(frame.columns) > 1:
            return _of_frame(y, name)
        frame = next(iter(frame.iter_columns()))
    if frame.dtype.is_numeric() and not frame.null_count():
        return frame.to_numpy()
    return np.array(frame.to_list(), dtype=bool if frame.dtype == nw.Boolean and not frame.null_count() else object)


def row_weights(sample_weight: Any, n_rows: int, name: str = "sample_weight") -> Tensor:
    """Weights float32 ``(n_rows,)``, finite and at least 0, some of them above it."""
    weights = _tensor(np.asarray(target_array(sample_weight, name), dtype=np.float64).copy())
    if weights.dim() == 0 or len(weights) != n_rows:
        raise DataError(f"{name} has {len(weights) if weights.dim() else 1} values for {n_rows} rows; they must agree.")
    wrong = (~(torch.isfinite(weights) & (weights >= 0))).reshape(n_rows, -1).any(1).nonzero().flatten()
    if len(wrong):
        raise DataError(f"{name} must be finite and at least 0; see {name_rows(wrong[:5].tolist(), len(wrong))}.")
    if not bool((weights > 0).any()):
        raise DataError(f"{name} is 0 in every row; then there is nothing to learn from.")
    return weights


def described(value: Any) -> str:
    """What was given instead of rows or a network, for a message."""
    plain = isinstance(value, (str, bytes, int, float, type(None)))
    return shorten(repr(value), 60) if plain else f"a {type(value).__name__}"
