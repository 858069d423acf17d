"""What a step computes for one batch: all that its recording, or PyTorch's autograd, may know of a population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from annvil.training.loop.stack import Layout
from annvil.training.losses.named import Loss
from annvil.training.recipe import Bytes


@dataclass(frozen=True)
class StepSpec:
    """A step of `TrainingJob`: the network, what it is called with, and its loss.

    Attributes
    ----------
    network : serves for its structure; its own weights are not used
    layout : its parameters and buffers, and their order
    n_inputs : tensors that it is called with
    loss : of its outputs
    byte_inputs : how inputs of type uint8 reach it (see `Recipe`)
    batched : whether members are vmapped; otherwise there is one
    draws : whether it draws from PyTorch's default generator
    bfloat16 : whether large products are rounded (see `annvil.training.graph.precision`)
    """

    network: nn.Module
    layout: Layout
    n_inputs: int
    loss: Loss
    byte_inputs: Bytes
    batched: bool = True
    draws: bool = False
    bfloat16: bool = False


def widened(rows: Sequence[Tensor], byte_inputs: Bytes) -> list[Tensor]:
    """Inputs as the network takes them: bytes as "fractions", value / 255, or as "integers"; all others as they are."""
    if byte_inputs == "integers":
        return list(rows)
    return [tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor for tensor in rows]
