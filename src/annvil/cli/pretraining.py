"""`annvil pretrain`: follow, and say where the network lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from annvil.cli.console import error_console, result_console


def pretrain(sources: Sequence[str], out: Path, options: Mapping[str, Any], *, quiet: bool) -> None:
    """Pretrain and say what it can; ``options`` are those of
    `annvil.kinds.pictures.contenders.pretraining.pretrain`."""
    from annvil.kinds.pictures.contenders.pretraining import pretrain

    said = error_console()
    start = pretrain(list(sources), out, **options, tell=(lambda text: None) if quiet else said.print)
    pictures = sum(taught.n_rows for taught in start.taught)
    result_console().print(
        f"{out}: a network that learnt from {pictures:,} pictures. Start from it: annvil fit DATA --from {out}",
        soft_wrap=True,
        markup=False,
    )
