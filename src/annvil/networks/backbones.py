"""A pretrained network of Hugging Face's transformers as a body: resizing, its normalisation, its features.

Needs the extra ``hub``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from annvil.errors import MachineError
from annvil.networks.bodies import Body

SMALLEST_SIDE = 64
"""Convolutional backbones see pictures in their own size, but for the shorter side never below this (assumed: they
halve them five times)."""

STAGES = 6
"""Steps from full to least learning rate, however many layers there are (assumed)."""

LARGEST_COUNT, MOST_LAYERS = 1 << 17, 1000
"""Of the whole numbers in a configuration, and of those that count layers (assumed: vocabularies are the largest)."""

_NUMBERED = re.compile(r"(?:^|\.)(?:layers?|stages?|blocks?|h)\.(\d+)\.")


class BackboneBody(Body):
    """The features of a backbone.

    Of maps it is what the backbone pools them to; of tokens their mean, behind the class token where there is one.

    Parameters
    ----------
    values : ``config`` (of transformers), ``side`` in pixels, ``fixed`` (whether it takes no other), ``mean`` and
        ``deviation`` of its three channels in [0, 1]
    height, width, channels : of the pictures to come; grey is shown as three equal channels
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, values: Mapping[str, Any], height: int, width: int, channels: int) -> None:
        super().__init__((height, width), seen_size(values, height, width))
        self.repeats = 3 // channels
        for name in ("mean", "deviation"):
            self.register_buffer(name, 255 * torch.tensor(values[name], dtype=torch.float32).view(3, 1, 1))
        self.model = model_of(values["config"])
        self.has_class_token = any(name.endswith("cls_token") for name, _ in self.model.named_parameters())
        self.n_features = int(values["n_features"])

    def features(self, pixels: Tensor) -> Tensor:
        """See the class."""
        x = self.resized(pixels)
        return self.seen((x.expand(-1, 3, -1, -1) if self.repeats == 3 else x).sub(self.mean) / self.deviation)

    def seen(self, x: Tensor) -> Tensor:
        """Features of normalised pictures ``(n, 3, height, width)``."""
        found = self.model(pixel_values=x)
        states: Tensor = found.last_hidden_state
        if states.dim() == 4:
            pooled = getattr(found, "pooler_output", None)
            return (states.mean((2, 3)) if pooled is None else pooled).flatten(1)
        mean = states.mean(1)
        return torch.cat([states[:, 0], mean], 1) if self.has_class_token else mean

    def depths(self) -> dict[str, int]:
        """By the numbers of layers or stages in the names; what has none lies below the first, or above the last."""
        names = [name for name, value in self.named_parameters() if value.requires_grad]
        numbers = {name: int(found[1]) for name in names if (found := _NUMBERED.search(name))}
        last = max(numbers.values(), default=0)
        first_numbered = next((place for place, name in enumerate(names) if name in numbers), len(names))
        rank = {n: numbers.get(n, -1 if place < first_numbered else last) for place, n in enumerate(names)}
        return {n: 1 + round((STAGES - 1) * (last - number) / (last + 1)) for n, number in rank.items()}


def model_of(config: Mapping[str, Any]) -> nn.Module:
    """The network of that configuration, with weights by chance.

    Raises
    ------
    MachineError
        Without transformers.
    ValueError
        When it asks for more than any network has.
    """
    transformers = transformers_or_say()
    _check(config)
    rest = {name: value for name, value in config.items() if name != "model_type"}
    own = transformers.AutoConfig.for_model(config["model_type"], **rest)
    model: nn.Module = transformers.AutoModel.from_config(own)
    return model.eval()


def _check(values: Any, name: str = "") -> None:
    """No count in it is beyond what networks have."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            _check(value, str(key))
    elif isinstance(values, list | tuple):
        if len(values) > LARGEST_COUNT:
            raise ValueError(f"its configuration lists {len(values)} values of {name[:40]!r}")
        for value in values:
            _check(value, name)
    elif isinstance(values, int) and abs(values) > (
        MOST_LAYERS if "layer" in name or "depth" in name else LARGEST_COUNT
    ):
        raise ValueError(f"its configuration has {values} as {name[:40]!r}")


def transformers_or_say() -> Any:
    """The library, or a sentence that says how to get it."""
    try:
        import transformers
    except ImportError:
        raise MachineError(
            "A backbone needs Hugging Face's transformers. Install them: pip install 'annvil[hub]'."
        ) from None
    return transformers


def seen_size(values: Mapping[str, Any], height: int, width: int) -> tuple[int, int]:
    """Height and width in which a backbone sees pictures of this size.

    Its own side where it takes no other; else the pictures' size within `SMALLEST_SIDE` and its own, aspect kept.
    """
    side = int(values["side"])
    if values["fixed"]:
        return side, side
    factor = float(np.clip(1.0, SMALLEST_SIDE / min(height, width), max(side, SMALLEST_SIDE) / min(height, width)))
    return round(height * factor), round(width * factor)
