"""`annvil compare`: what kinds of networks owe to how they are made, measured on the pictures of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from annvil.cli.console import print_json, result_console, safe

if TYPE_CHECKING:
    from annvil.kinds.pictures.studies import DenseAndConvolutional


def compare(run: Path, budget: str, *, dense_vs_cnn: bool, as_json: bool, quiet: bool) -> None:
    """Study the run and show the table."""
    from annvil.errors import RequestError

    if not dense_vs_cnn:
        raise RequestError(f"Say what to compare: annvil compare {run} --dense-vs-cnn")
    from annvil.run.studying import compare_dense_with_convolutional

    def tell(message: str) -> None:
        if not quiet:
            sys.stderr.write(f"{safe(message)}\n")

    found = compare_dense_with_convolutional(run, budget, tell)
    if as_json:
        print_json(found.to_json())
    else:
        _show(found, run)


def _show(found: DenseAndConvolutional, run: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    console = result_console()
    for row in found.findings:
        table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, title=safe(row.what))
        table.title_justify, table.title_style = "left", "bold"
        table.add_column("Dense network", ratio=1, overflow="fold")
        table.add_column("Convolutional network", ratio=1, overflow="fold")
        table.add_row(safe(row.dense), safe(row.convolutional))
        console.print(table)
        console.print(f"→ {safe(row.sentence)}\n", soft_wrap=False)
    for sentence in (*found.remarks, *found.left_out):
        console.print(safe(sentence))
    console.print(f"Report    {safe(str(run / 'report.html'))}")
