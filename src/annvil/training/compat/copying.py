"""Copies of networks that compute as they do."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedBuffer


def copied(network: nn.Module) -> nn.Module:
    """A deep copy, with what `copy.deepcopy` forgets: hooks on weights; and of lazy modules, whose buffers it refuses.

    The hooks are the same functions.
    """
    waiting = {id(buffer): buffer for buffer in network.buffers() if isinstance(buffer, UninitializedBuffer)}
    make: Any = UninitializedBuffer
    memo = {key: make(device=buffer.device, dtype=buffer.dtype) for key, buffer in waiting.items()}
    own = copy.deepcopy(network, memo)
    mine: Any
    for theirs, mine in zip(network.parameters(), own.parameters(), strict=True):
        for hook in (theirs._backward_hooks or {}).values():
            mine.register_hook(hook)
        for hook in (theirs._post_accumulate_grad_hooks or {}).values():
            mine.register_post_accumulate_grad_hook(hook)
    return own


def hooked(network: nn.Module) -> str:
    """Where somebody hears of what the network computes, or changes it, as the end of a sentence about it, or "".

    Hooks of PyTorch's own (spectral norm) are part of the computation, and can be recorded with it.
    """
    for name, parameter in network.named_parameters():
        if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
            return f"a hook is registered on {name}"
    for name, module in network.named_modules():
        for kind in _KINDS_OF_HOOKS:
            for hook in vars(module)[kind].values():
                where = getattr(hook, "__module__", None) or type(hook).__module__
                if not str(where).startswith("torch."):
                    return f"a hook is registered on {name or 'it'}"
    return ""


_KINDS_OF_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
