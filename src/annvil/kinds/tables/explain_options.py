"""Options of ``annvil explain`` that models of tables alone have."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from annvil.options import Option, split_names
from annvil.text.safe import composed

ROWS_OF_TABLES = "Tables"
"""Where the help lists them."""


def _names(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    return tuple(composed(name) for name in (split_names([given]) if isinstance(given, str) else map(str, given)))


def _method(given: Any) -> str | None:
    return None if given is None else str(given).strip().lower()


class TableExplainOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``annvil explain`` may be told of tables."""

    rows: Annotated[
        str | None,
        Option("Rows of FILE, the first is 1: 3, or 1-20, or 1,4-6.", metavar="ROWS", panel=ROWS_OF_TABLES),
    ] = None
    method: Annotated[
        str | None,
        Option(
            "How contributions are found: exact, shapley or integrated-gradients. Default: exact where that can be.",
            metavar="NAME",
            panel=ROWS_OF_TABLES,
            clean=_method,
        ),
    ] = None
    change: Annotated[
        tuple[str, ...] | None,
        Option(
            "Find the smallest change of these columns that makes the model say what is --wanted.",
            metavar="COLUMNS",
            panel=ROWS_OF_TABLES,
            clean=_names,
        ),
    ] = None
    wanted: Annotated[
        str | None,
        Option(
            "With --change: a class, or a bound such as '>= 30'. Default: the other of two classes.",
            metavar="WHAT",
            panel=ROWS_OF_TABLES,
        ),
    ] = None
