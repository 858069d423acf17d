"""The result of a run on standard output: the report's first screen in the same order, then where things are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from annvil.cli.console import safe
from annvil.cli.steps import is_plain
from annvil.cli.tables import paragraphs, standings_table
from annvil.report.first_screen import Chance, first_screen

if TYPE_CHECKING:
    from annvil.run import Run

STRIP = 24
"""Signs of the strip of chances: with its labels it fits 80 columns."""

_STRIP = {"network": ("█", "#", "blue"), "equal": ("▒", "=", "dim"), "simple": ("░", "-", "yellow")}
_FLAGS = {"serious": "bold red", "warning": "yellow"}


def show_run(console: Console, run: Run, *, preparation: bool, notices: bool) -> None:
    """Print the answer, the best models and what to do next; preparation and notices if asked for."""
    comparison, words, plain = run.comparison, run.kind.words, is_plain(console)
    first = first_screen(comparison, run.findings, words, str(run.folder))
    lines: list[tuple[str, Any]] = [
        ("Verdict", Text(first.badge, style="bold")),
        ("", safe(first.sentence)),
        ("Use", Text.assemble((safe(first.recommended), "bold"), f"  {first.score}")),
    ]
    if first.chances:
        lines.append(("Chances", _strip(first.chances, plain=plain)))
    if first.price:
        lines.append(("To read", safe(first.price)))
    console.print(paragraphs(lines))
    console.print()
    table = standings_table(
        first.leaders, comparison.metric, console.width, recommended=run.verdict.recommended, words=words, plain=plain
    )
    console.print(table)
    if first.n_more:
        console.print(Text(f"    {first.n_more} more in the report", style="dim"))
    console.print()
    flags = [("! ", flag.text, _FLAGS[flag.severity]) for flag in first.flags]
    flags += [("  ", f"{first.n_more_flags} more in the report", "dim")] if first.n_more_flags else []
    marked: list[tuple[str, Any]] = [
        ("" if number else "Look at", Text(f"{mark}{safe(text)}", style=style))
        for number, (mark, text, style) in enumerate(flags)
    ]
    if preparation:
        marked += _labelled("Prepared", run.model.manifest.info.preparation)
    if notices:
        marked += _labelled("Notice", comparison.notices)
    if marked:
        console.print(paragraphs(marked))
        console.print()
    places = [
        ("Next", first.command),
        ("Report", f"{run.report_path}  (and why)"),
        ("Model", str(run.folder / "model")),
    ]
    for label, text in places:  # unwrapped, so that they can be copied
        console.print(Text.assemble((f"{label:<10}", "bold cyan"), safe(text)), soft_wrap=True)


def _strip(chances: tuple[Chance, ...], *, plain: bool) -> Text:
    """The three chances as one bar of signs, and in numbers."""
    bar, used, total = Text(), 0, 0.0
    for chance in chances:
        total += chance.share
        full, in_ascii, style = _STRIP[chance.side]
        bar.append((in_ascii if plain else full) * (round(STRIP * total) - used), style)
        used = round(STRIP * total)
    return bar.append("  " + (" | " if plain else " · ").join(chance.text for chance in chances))


def _labelled(label: str, sentences: tuple[str, ...]) -> list[tuple[str, Any]]:
    """The sentences, the first of them beside the label."""
    return [("" if number else label, sentence) for number, sentence in enumerate(sentences)]
