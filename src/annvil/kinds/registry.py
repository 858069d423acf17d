"""Which kinds of data there are, and who competes on each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from annvil.data.dataset import ColumnNote, Dataset, Inputs
from annvil.models.contract import Contender
from annvil.text.words import Words

if TYPE_CHECKING:
    from annvil.kinds.pictures.contenders.pretrained import Start


def contenders_for(dataset: Dataset[Inputs], start: Start | None = None, refusal: str | None = None) -> list[Contender]:
    """Every contender for inputs of this kind, in the order in which they run and are shown; the dummy first.

    ``start`` is the network for pictures to go on from (None: the one that ships), ``refusal`` why it must not compete.
    """
    from annvil.kinds.pictures.contenders.registry import contenders_for_pictures
    from annvil.kinds.tables.contenders import contenders_for_tables

    of_pictures = dataset.inputs.form.kind == "pictures"
    return contenders_for_pictures(start, refusal) if of_pictures else contenders_for_tables()


def words_of(columns: Iterable[ColumnNote]) -> Words:
    """What the rows of data with these columns are called."""
    from annvil.kinds.pictures.words import WORDS as OF_PICTURES
    from annvil.kinds.tables.words import WORDS as OF_TABLES

    return OF_PICTURES if any(column.kind == "image" for column in columns) else OF_TABLES
