"""Tables: read, checked, conformed; which contenders compete on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annvil.kinds.tables.words import WORDS

if TYPE_CHECKING:
    from annvil.kinds.tables.form import TableForm


class _Tables:
    """The kind of data that is rows of typed columns."""

    name = "tables"
    words = WORDS

    @property
    def form(self) -> type[TableForm]:
        """The class of forms of tables."""
        from annvil.kinds.tables.form import TableForm

        return TableForm


KIND: Any = _Tables()
