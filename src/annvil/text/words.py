"""What the things are called that a kind of data consists of, for sentences that are written once."""

from __future__ import annotations

import msgspec


class Words(msgspec.Struct, frozen=True):
    """The nouns of one kind of data; sentences are templates with places for them.

    Attributes
    ----------
    row, rows : one of the things a model predicts for, and several
    features : what a model learns from, and what fewer of would make faster: "columns"
    raw : what a saved model takes, for the report
    holes : what is taken away where a graph is checked on incomplete rows
    explaining : the stage in which the model is explained
    example : what new data is called where a command is shown
    example_python : what Python takes for it, in a comment
    data : all of it together, after "for" and after "is"
    has_columns : whether what is learnt from are columns with names, which a reader wants listed
    baseline : what the baseline does, after "which": it is named beside its score
    sources, new : what `fit` and `predict` take of this kind, for the help
    """

    row: str = "row"
    rows: str = "rows"
    features: str = "columns"
    raw: str = "from raw values to prediction; column order does not matter, and further columns are ignored"
    holes: str = "values removed"
    explaining: str = "Measuring which columns matter"
    example: str = "new.csv"
    example_python: str = "rows as a path, a data frame, or a list of dicts"
    has_columns: bool = True
    data: tuple[str, str] = ("tables", "a table")
    baseline: str = "ignores the inputs"
    sources: str = "a file (csv, tsv, parquet, feather, jsonl, xlsx)"
    new: str = "a file with the columns that the model needs"

    def fill(self, template: str) -> str:
        """A sentence of our own with its places filled. Never give it a text of the user's.

        >>> Words("clip", "clips").fill("{Rows} that no {row} has seen")
        'Clips that no clip has seen'
        """
        return template.format(
            row=self.row,
            rows=self.rows,
            Row=self.row.capitalize(),
            Rows=self.rows.capitalize(),
            baseline=self.baseline,
        )

    def count(self, number: int, kind: str = "") -> str:
        """ "1 row", "12,000 rows"; ``kind`` stands before the noun.

        >>> Words().count(1200, "held-out")
        '1,200 held-out rows'
        """
        return f"{number:,} {kind + ' ' if kind else ''}{self.row if number == 1 else self.rows}"


ROWS = Words()
"""What is said where nobody says otherwise."""
