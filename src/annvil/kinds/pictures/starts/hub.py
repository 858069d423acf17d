"""Pretrained backbones of Hugging Face's transformers as networks to start from: a local folder, or a name."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from annvil.errors import BundleError, RequestError
from annvil.kinds.pictures.starts.pretrained import Start

USUAL_SIDE = 224
"""Of ImageNet's networks, where nothing says otherwise."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's channels, where nothing says otherwise."""


def load_backbone(path_or_name: str) -> Start:
    """A backbone as a start. Weights are read from safetensors alone, and no code of the folder is run.

    Raises
    ------
    RequestError, BundleError
        When there is no such backbone, or it is none for pictures.
    MachineError
        Without the extra ``hub``.
    """
    import torch

    from annvil.networks.backbones import BackboneBody, transformers_or_say

    transformers = transformers_or_say()
    local = Path(path_or_name).is_dir()
    with _quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(path_or_name, local_files_only=local)
            model = transformers.AutoModel.from_pretrained(
                path_or_name, config=config, use_safetensors=True, local_files_only=local, dtype=torch.float32
            )
        except (OSError, ValueError, KeyError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
            raise RequestError(
                f"{path_or_name} is no backbone that can be loaded: {reason}. Name a folder with config.json and "
                "model.safetensors, or a model on the Hugging Face hub (which needs the network)."
            ) from None
    values = _values(path_or_name, config, model, local)
    if getattr(config, "num_channels", 3) != 3 or getattr(model, "main_input_name", "") != "pixel_values":
        raise BundleError(f"{path_or_name} is no backbone for colour pictures: it is a {config.model_type}.")
    body = BackboneBody({**values, "n_features": 1}, values["side"], values["side"], 3)
    pictures = torch.zeros(1, 3, values["side"], values["side"])
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        n_features = body.seen(pictures).shape[1]
    values |= {"n_features": n_features, "operations": float(counter.get_total_flops())}
    weights = {f"model.{name}": value.numpy() for name, value in model.state_dict().items()}
    return Start(path_or_name, values, weights)


def _values(path_or_name: str, config: Any, model: Any, local: bool) -> dict[str, Any]:
    shown = _shown(path_or_name, local)
    own = getattr(config, "image_size", None)
    fixed = own is not None and getattr(config, "patch_size", None) is not None and config.model_type != "convnext"
    size: Any = own if fixed else shown.get("crop_size") or shown.get("size") or own or USUAL_SIDE
    if isinstance(size, Mapping):
        size = size.get("height") or size.get("shortest_edge") or USUAL_SIDE
    side = int(size[0] if isinstance(size, list | tuple) else size)
    kept = {name: value for name, value in config.to_diff_dict().items() if name not in _NO_WEIGHT}
    return {
        "kind": "backbone",
        "config": kept | {"model_type": config.model_type},
        "side": side,
        "fixed": bool(fixed),
        "mean": [float(x) for x in shown.get("image_mean") or IMAGENET[0]],
        "deviation": [float(x) for x in shown.get("image_std") or IMAGENET[1]],
    }


_NO_WEIGHT = {"transformers_version", "architectures", "id2label", "label2id", "dtype", "torch_dtype", "_name_or_path"}


def _shown(path_or_name: str, local: bool) -> Mapping[str, Any]:
    """What the folder says on how pictures were shown to the backbone; empty where it says nothing."""
    from transformers.image_processing_base import ImageProcessingMixin

    found: Mapping[str, Any] = {}
    with suppress(OSError, ValueError):
        found, _ = ImageProcessingMixin.get_image_processor_dict(path_or_name, local_files_only=local)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, transformers' reports on weights that are not used (heads) are not printed, nor how loading goes."""
    own: Any = import_module("transformers.utils.logging")
    logger = logging.getLogger("transformers")
    before, shows = logger.level, own.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    own.disable_progress_bar()
    try:
        yield
    finally:
        logger.setLevel(before)
        if shows:
            own.enable_progress_bar()
