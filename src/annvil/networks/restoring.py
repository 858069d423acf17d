"""A saved network for pictures as a module again: its architecture in JSON and its weights by name.

A bundle's weights are data of somebody's file. The module is therefore built without memory for its numbers and takes
over the arrays as they are, so that what is allocated is what the file holds, whatever its architecture claims.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from annvil.errors import BundleError
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork
from annvil.networks.transfer import TransferArchitecture, TransferNetwork

Values = Mapping[str, Any]

PictureNetwork = ConvolutionalNetwork | TransferNetwork
"""Either says of pixels what its last layer is told (`features`)."""


def _convolutional(values: Values) -> PictureNetwork:
    architecture = ConvolutionalArchitecture.from_json(values)
    return ConvolutionalNetwork(msgspec.convert(asdict(architecture), ConvolutionalArchitecture))


def _transfer(values: Values) -> PictureNetwork:
    architecture = TransferArchitecture.from_json(values)
    if architecture.body.get("kind") == "backbone":
        with torch.device("cpu"):  # transformers keep numbers that are neither weights nor saved
            return TransferNetwork(architecture)
    return TransferNetwork(architecture)


KINDS: dict[str, Callable[[Values], PictureNetwork]] = {"convolutional": _convolutional, "transfer": _transfer}
"""``architecture["kind"]`` → a network of that architecture, its numbers yet to come."""


def restore(architecture: Values, weights: Mapping[str, NDArray[Any]]) -> PictureNetwork:
    """The network of ``architecture`` with ``weights``, float32, in evaluation mode.

    Parameters
    ----------
    architecture : what the network's ``architecture.to_json()`` gave, as in a bundle's ``manifest.info.architecture``
    weights : its ``state_dict`` as arrays, as from `annvil.bundle.load_weights`; they are copied

    Raises
    ------
    BundleError
        When the kind is unknown, the architecture is none, or the weights are not those of it.
    """
    kind = architecture.get("kind")
    if kind not in KINDS:
        raise BundleError(
            f"A network of the kind {str(kind)[:40]!r} cannot be restored; known are {', '.join(KINDS)}. "
            "Upgrade annvil, or fit the model again."
        )
    try:
        with torch.device("meta"):
            network = KINDS[kind](architecture)
        network.load_state_dict({name: _tensor(array) for name, array in weights.items()}, assign=True)
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()[:200].rstrip(".")
        raise BundleError(
            f"The saved weights are not those of the network that the manifest describes: {reason}."
        ) from None
    return network.eval()


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """A copy: floats as float32, whole numbers as int64."""
    return torch.from_numpy(np.array(array, dtype=np.float32 if array.dtype.kind == "f" else np.int64))
