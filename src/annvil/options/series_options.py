"""Options that several kinds of data made of moments share: they mean the same by them."""

from __future__ import annotations

from typing import Annotated, Any

from annvil.options.declaring import Option
from annvil.text.safe import composed


def _name(name: Any) -> str | None:
    return None if name is None else composed(str(name))


SeriesColumns = Annotated[
    str | None,
    Option(
        "Column that names the series in a table with one row a step; --time names the moment of each. Forecasts take "
        "several, as store,item.",
        metavar="COLUMN",
        panel="Series",
        clean=_name,
    ),
]
