"""The result of a run on standard output: the answer first, then the evidence, then where things are."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from annvil.cli.console import safe
from annvil.cli.steps import is_plain
from annvil.cli.tables import paragraphs, standings_table
from annvil.text import quantities as wording

if TYPE_CHECKING:
    from annvil.run import Run


MOST_REASONS = 5
"""Sentences under the headline; the rest are in the report. More push the headline off a small screen (tried)."""


def show_run(console: Console, run: Run, *, preparation: bool, notices: bool) -> None:
    """Print verdict, scores with their cost and paths; preparation and notices if asked for."""
    comparison, verdict = run.comparison, run.verdict
    answer = [Text(safe(verdict.headline), style="bold")]
    reasons = [text for text in (verdict.recommended_because, *verdict.sentences) if text]
    answer += [Text(safe(text)) for text in reasons[:MOST_REASONS]]
    answer += [Text(safe(verdict.base_rate), style="dim")] if verdict.base_rate else []
    lines: list[tuple[str, Any]] = [("Verdict", Text("\n").join(answer))]
    if preparation:
        lines += _labelled("Prepared", run.model.manifest.info.preparation)
    if notices:
        lines += _labelled("Notice", comparison.notices)
    console.print(paragraphs(lines))
    console.print()
    words = run.kind.words
    console.print(
        standings_table(
            comparison.standings,
            comparison.metric,
            console.width,
            recommended=verdict.recommended,
            words=words,
            plain=is_plain(console),
        )
    )
    console.print()
    folder = shlex.quote(str(run.folder))
    if comparison.ended:
        console.print(Text(f"The race ended because {safe(comparison.ended)}."))
        console.print()
    n_more = len(reasons) - MOST_REASONS
    more = f"  ({wording.plain_count(n_more, 'more reason')}, and the evidence)" if n_more > 0 else ""
    new = words.example
    places = [
        ("Report", str(run.report_path) + more),
        ("Model", str(run.folder / "model")),
        ("Use it", f"annvil predict {folder} {new} -o predictions.csv"),
    ]
    if any(standing.still_improves for standing in comparison.standings):
        places.append(("More time", f"annvil resume {folder} --budget {2 * comparison.plan.budget_seconds:g}s"))
    for label, text in places:  # unwrapped, so that they can be copied
        console.print(Text.assemble((f"{label:<10}", "bold cyan"), safe(text)), soft_wrap=True)


def _labelled(label: str, sentences: tuple[str, ...]) -> list[tuple[str, Any]]:
    """The sentences, the first of them beside the label."""
    return [("" if number else label, sentence) for number, sentence in enumerate(sentences)]
