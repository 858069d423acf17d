"""Options of a fit that pictures alone have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from annvil.errors import RequestError
from annvil.options import Option, lasting

PICTURES = "Pictures"
"""Where the help lists them."""


def size_in_pixels(size: int | Sequence[int] | str | None) -> tuple[int, int] | None:
    """Height and width of pictures from a side, a pair, or a text such as ``"64"`` or ``"48x64"``.

    >>> size_in_pixels(32), size_in_pixels("48x64"), size_in_pixels(None)
    ((32, 32), (48, 64), None)

    Raises
    ------
    RequestError
        When it is none of these. How large pictures may be is judged where they are read.
    """
    if size is None:
        return None
    sides = size.lower().replace("×", "x").split("x") if isinstance(size, str) else size
    try:
        found = [int(side) for side in sides] if isinstance(sides, Sequence) else [int(sides)]
    except (TypeError, ValueError):
        found = []
    if len(found) not in (1, 2):
        raise RequestError(
            f"size is the side of pictures in pixels, such as 64, or height and width, such as 48x64; got {size!r}."
        )
    return found[0], found[-1]


def _lasting(path: str | Path | None) -> str | None:
    return None if path is None else lasting(path)


def _lasting_backbone(backbone: str | Path | None) -> str | None:
    """The path so that it is found from any folder; a name on the hub stays as it is."""
    if backbone is None:
        return None
    return str(Path(backbone).absolute()) if Path(backbone).is_dir() else str(backbone)


Size = Annotated[
    tuple[int, int] | None,
    Option(
        "Side of the pictures to learn from, such as 64, or height and width, such as 48x64. Default: chosen from "
        "the pictures.",
        metavar="PIXELS",
        panel=PICTURES,
        clean=size_in_pixels,
        write=lambda size: (f"{size[0]}x{size[1]}",),
    ),
]
Workers = Annotated[
    int,
    Option("Processes that decode pictures side by side.", metavar="NUMBER", panel=PICTURES, least=1, kept=False),
]


class PictureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `fit` may be told of pictures."""

    size: Size = None
    workers: Workers = 1
    start: Annotated[
        str | None,
        Option(
            "For pictures: a network to go on from, the model of an earlier run or a folder of annvil pretrain. "
            "Default: the small one that ships, where pictures are few.",
            flag="--from",
            metavar="MODEL",
            panel=PICTURES,
            clean=_lasting,
        ),
    ] = None
    backbone: Annotated[
        str | None,
        Option(
            "For pictures: a pretrained network of Hugging Face's transformers instead, a folder or a name.",
            metavar="PATH_OR_NAME",
            panel=PICTURES,
            clean=_lasting_backbone,
        ),
    ] = None
