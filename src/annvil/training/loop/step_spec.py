"""What a step computes for one batch: all that its recording, or PyTorch's autograd, needs to know of a population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from annvil.training.loop.stack import Layout
from annvil.training.losses.named import Loss
from annvil.training.recipe import Bytes, Recipe


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """The network of a step, what it is called with, and its loss.

    Attributes
    ----------
    network : serves for its structure; its own weights are not used
    layout : its parameters and buffers, and their order
    inputs : rows of them are what it is called with
    loss : of its outputs
    recipe : says how inputs of type uint8 reach it
    batched : whether members are vmapped; otherwise packs hold one each
    draws : whether it draws from PyTorch's default generator, which is then seeded for every step
    bfloat16 : whether large products are rounded (see `annvil.training.graph.precision`)
    """

    network: nn.Module
    layout: Layout
    inputs: tuple[Tensor, ...]
    loss: Loss
    recipe: Recipe
    batched: bool = True
    draws: bool = False
    bfloat16: bool = False

    def loss_of(self, output: Any, prepared: Sequence[Tensor]) -> Tensor:
        """The loss of one member's output, a scalar.

        A network may ask for a penalty of its own: in training it then returns a pair, outputs and a scalar that is
        added to the loss of the outputs; in evaluation outputs alone, so that validation is without penalty.
        """
        if not isinstance(output, tuple):
            return self.loss.value(output, *prepared)
        outputs, penalty = output
        loss: Tensor = self.loss.value(outputs, *prepared) + penalty
        return loss


def widened(rows: Sequence[Tensor], byte_inputs: Bytes) -> list[Tensor]:
    """Inputs as the network takes them: bytes as "fractions", value / 255, or as "integers"; all others as they are."""
    if byte_inputs == "integers":
        return list(rows)
    return [tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor for tensor in rows]
