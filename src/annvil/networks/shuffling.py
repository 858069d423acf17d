"""A network without its knowledge: what its explanations must not be those of."""

from __future__ import annotations

import copy

import torch
from torch import nn


def without_knowledge(network: nn.Module, seed: int) -> nn.Module:
    """A copy whose parameters are shuffled, each in itself, and the signs of matrices and filters drawn anew.

    Layers keep their scales (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, arXiv 1810.03292, section
    3, initialise them anew). With their signs, weights that are all positive would still mark whatever is large; biases
    and the factors of norms keep theirs, so that fewer units die.
    """
    other = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in other.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
            if parameter.dim() > 1:
                parameter.mul_(2 * torch.randint(2, parameter.shape, generator=generator) - 1)
    return other
