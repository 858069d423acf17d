"""Tables: read, checked, conformed; which contenders compete on them."""

from __future__ import annotations

from typing import Any


class _Tables:
    """The kind of data that is rows of typed columns."""

    name = "tables"
    unit = "row"


KIND: Any = _Tables()
