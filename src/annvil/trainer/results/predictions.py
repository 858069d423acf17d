"""A trained network and rows → outputs, labels, probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.trainer.arguments.train_request import Request
from annvil.trainer.inputs.arrays import as_type, input_tensors
from annvil.trainer.inputs.targets import Target
from annvil.training.loop.step_spec import widened
from annvil.training.recipe import Bytes

_NUMBERS_AT_ONCE = 1 << 20  # input numbers in one pass (assumed: some MB, and tens of MB inside wide networks)
EXAMPLES = 64  # rows kept (assumed: enough for every branch of a network, and of pictures still some MB)


@dataclass(frozen=True)
class Predictor:
    """A network with what is needed to call it on a user's rows.

    Attributes
    ----------
    network : in evaluation mode
    target : what its outputs stand for
    forms : type and shape of one row of each input, as in training
    byte_inputs : how bytes reach the network, see `annvil.training.Recipe`
    examples : some of the rows it learnt from, for whoever checks what is made of the network
    """

    network: nn.Module
    target: Target
    forms: tuple[tuple[torch.dtype, tuple[int, ...]], ...]
    byte_inputs: Bytes = "fractions"
    examples: tuple[Tensor, ...] = ()

    @classmethod
    def of(cls, request: Request, network: nn.Module) -> Predictor:
        """For a network that was trained as ``request`` asked."""
        forms = tuple((tensor.dtype, tuple(tensor.shape[1:])) for tensor in request.inputs)
        examples = tuple(tensor[:EXAMPLES].clone() for tensor in request.inputs)
        return cls(network, request.target, forms, request.recipe.byte_inputs, examples)

    def outputs(self, X: Any) -> Tensor:
        """Raw outputs, float32, rows first.

        Raises
        ------
        RequestError, DataError
            Where ``X`` is not like the rows that the network learnt from.
        """
        inputs = input_tensors(X, self.network)
        if len(inputs) != len(self.forms):
            raise RequestError(f"The network learnt from {len(self.forms)} inputs; X has {len(inputs)}.")
        for number, (tensor, (_, shape)) in enumerate(zip(inputs, self.forms, strict=True)):
            if tuple(tensor.shape[1:]) != shape:
                which = "X" if len(inputs) == 1 else f"X[{number}]"
                raise RequestError(
                    f"Rows of {which} have shape {tuple(tensor.shape[1:])}; the network learnt from rows of shape "
                    f"{shape}."
                )
        typed = tuple(as_type(tensor, dtype, "X") for tensor, (dtype, _) in zip(inputs, self.forms, strict=True))
        numbers = sum(tensor[:1].numel() for tensor in typed)
        rows = max(16, _NUMBERS_AT_ONCE // max(numbers, 1))
        with torch.no_grad():
            parts = zip(*(torch.split(tensor, rows) for tensor in typed), strict=True)
            return torch.cat([self.network(*widened(part, self.byte_inputs)).float() for part in parts])


class Predicting:
    """What a trained network, or several as one, say of rows."""

    predictor: Predictor

    def predict(self, X: Any) -> NDArray[Any]:
        """What the network says of rows, in the user's terms.

        Labels as they stood in ``y`` where there are classes; 0 and 1 for several labels at once; class numbers for
        positions; numbers otherwise, with as many axes as ``y`` had.
        """
        return self.predictor.target.predict(self.outputs(X))

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Probabilities, float32 ``(rows, classes)`` in the order of the labels; of several labels, one for each.

        Raises
        ------
        RequestError
            Where what was learnt are no classes.
        """
        return self.predictor.target.shares(self.outputs(X)).numpy()

    def outputs(self, X: Any) -> Tensor:
        """Raw outputs as of a single network, float32, rows first."""
        return self.predictor.outputs(X)
