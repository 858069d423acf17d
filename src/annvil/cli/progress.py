"""How a run is followed: a live table where there is a terminal, plain lines where there is none.

Both write to standard error.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from annvil.cli.console import safe
from annvil.cli.steps import Board, chances, ending, is_plain, judged_step
from annvil.cli.tables import paragraphs, standings_table
from annvil.text.phrases import listed
from annvil.text.words import ROWS

if TYPE_CHECKING:
    from annvil.comparison.request import Moment
    from annvil.comparison.results import Standing
    from annvil.data.dataset import Dataset
    from annvil.data.form import Inputs

REFRESHES_PER_SECOND = 4
_MOST_NAMES, _MOST_FINDINGS = 12, 12
_SIGNS = {"serious": ("!", "bold red"), "warning": ("!", "yellow"), "info": ("·", "dim")}


class Progress(AbstractContextManager["Progress"]):
    """A listener of `annvil.run`; what the two ways of showing have in common.

    Parameters
    ----------
    metric : the name asked for, or None: then the default of the task
    budget_seconds : of the whole run
    """

    def __init__(self, console: Console, metric: str | None, budget_seconds: float) -> None:
        self.console = console
        self.metric = metric or ""
        self.budget_seconds = budget_seconds
        self.words = ROWS

    def read(self, dataset: Dataset[Inputs], findings: Sequence[Any]) -> None:
        """Tell what was made of the data."""
        from annvil.kinds.registry import holder

        self.metric = self.metric or dataset.task.metrics[0].name
        self.words = holder(dataset).words
        self.console.print(data_described(dataset, findings))

    def stage(self, text: str) -> None:
        """A new part of the work begins."""

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """The table as it is now."""

    def moment(self, moment: Moment) -> None:
        """What is believed now, and what comes next."""

    def notice(self, text: str) -> None:
        """Tell at once."""
        self.console.print(Text.assemble(("! ", "yellow"), safe(text)), soft_wrap=not self.console.is_terminal)

    def finished(self, run: Any) -> None:
        """All is written; the result is shown by whoever called."""


class Lines(Progress):
    """One line per event, for logs and pipes."""

    def __init__(self, console: Console, metric: str | None, budget_seconds: float) -> None:
        super().__init__(console, metric, budget_seconds)
        self._zero = time.monotonic()  # when the run would have begun without interruptions
        self._stage = ""
        self._board = Board()

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""

    def stage(self, text: str) -> None:
        """One line with the time, unless it was told already."""
        if text != self._stage:
            self._line(time.monotonic() - self._zero, text)
        self._stage = text

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """At first a line for each contender that has a score already, or does not compete; then results tell."""
        for row in standings if not self._board.rows else ():
            if self.metric in row.means:
                score = self._board.score(row, self.metric)
                self._line(spent_seconds, f"{row.title}, {judged_step(row)}: {score}, from before")
            elif row.state in ("skipped", "failed"):
                self._line(spent_seconds, f"{row.title}: {row.state}, {row.reason}")
        self._board.see(standings)
        self._zero = time.monotonic() - spent_seconds

    def moment(self, moment: Moment) -> None:
        """A line when a piece of work begins (who, which step, why) and one when it ends (what it brought)."""
        board, unit = self._board, moment.unit
        if unit is None or (unit.what == "ship" and moment.ending != "begun"):
            return  # how the model that ships is fitted is decided at once
        if moment.ending == "begun":
            self._line(moment.spent_seconds, f"{board.work(unit)} ({board.why(moment)})")
            return
        said = [f"{board.work(unit, effort=False)}: {board.result(moment, self.metric)}"]
        said += [f"so far {chances(moment.posterior)}"] if moment.posterior is not None and unit.what == "fit" else []
        self._line(moment.spent_seconds, "; ".join(said))

    def _line(self, spent_seconds: float, text: str) -> None:
        self.console.print(f"{clock(spent_seconds):>7}  {safe(text)}", soft_wrap=True)


class Screen(Progress):
    """The table redrawn in place; below it what is being done and why, what is believed, and the time left."""

    def __init__(self, console: Console, metric: str | None, budget_seconds: float) -> None:
        super().__init__(console, metric, budget_seconds)
        self._stage = "Starting"
        self._standings: tuple[Standing, ...] = ()
        self._board = Board()
        self._plain = is_plain(console)
        self._zero = time.monotonic()  # when the budget's clock would have started without interruptions
        self._spinner = Spinner("line" if self._plain else "dots", style="cyan")
        self._moment: Moment | None = None
        self._live = Live(
            console=console,
            get_renderable=self._draw,
            refresh_per_second=REFRESHES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=True,
        )

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the table standing where a run was broken off; a finished one prints its own."""
        self._live.transient = kind is None or not self._standings
        self._live.stop()
        if kind is None:
            self.console.print()

    def stage(self, text: str) -> None:
        """Shown below the table; what was said of the work before goes."""
        self._stage = text
        if self._moment is not None and self._moment.ending != "begun":
            self._moment = replace(self._moment, unit=None, latest_end=None)

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """Shown at the next refresh."""
        self._standings = standings
        self._board.see(standings)
        self._zero = time.monotonic() - spent_seconds

    def moment(self, moment: Moment) -> None:
        """Shown below the table at the next refresh."""
        self._moment = moment

    def _draw(self) -> Group:
        lines: list[Any] = [""]
        if self._standings:
            width = self.console.width
            table = standings_table(self._standings, self.metric, width, live=True, words=self.words, plain=self._plain)
            lines += [table, ""]
        if self._moment is not None and (said := self._said(self._moment)):
            lines += [paragraphs(said, width=6), ""]
        return Group(*lines, self._bottom_line())

    def _said(self, moment: Moment) -> list[tuple[str, Any]]:
        """What is done now and why, what is believed, and when the race is over; what is not known is left out."""
        now = "" if moment.unit is None else f"{self._board.work(moment.unit)} ({self._board.why(moment)})"
        believed = chances(moment.posterior, plain=self._plain)
        unfinished = "" if moment.verdict is None else moment.verdict.unfinished
        if believed and unfinished:
            believed += f"; the {unfinished} side may still improve"
        likely = "" if moment.likely_end is None else clock(moment.likely_end)
        ends = "" if moment.latest_end is None else ending(moment, clock(moment.latest_end), likely)
        said = (("Now", now), ("So far", believed), ("Race", ends))
        return [(label, Text(safe(text))) for label, text in said if text]

    def _bottom_line(self) -> Table:
        spent = time.monotonic() - self._zero
        # Room for the ^C that the terminal shows: in a full line it would break the line and the redrawing.
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.width = max(20, self.console.width - 4)
        grid.add_column(width=1)
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        grid.add_column(width=max(10, self.console.width // 5))
        grid.add_column(no_wrap=True, justify="right")
        bar = ProgressBar(total=self.budget_seconds, completed=min(spent, self.budget_seconds))
        times = f"{clock(spent)} of {clock(self.budget_seconds)}"
        grid.add_row(self._spinner, Text(safe(self._stage)), bar, times)
        return grid


def clock(seconds: float) -> str:
    """``"0:42"``, ``"12:05"``, ``"1:00:00"``."""
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def data_described(dataset: Dataset[Inputs], findings: Sequence[Any]) -> Table:
    """What was read, what is asked, how each column is used, and what the check found."""
    from annvil.kinds.registry import holder

    task = dataset.task
    data, *further = holder(dataset).described(dataset)
    asked = f"{task.target}: {task.describe(dataset.y)}{'; ' + task.reason if task.reason else ''}"
    lines: list[tuple[str, Any]] = [data, ("Target", asked), *further]
    left_out = [f"{note.name} ({note.kind})" for note in dataset.notes if not note.used and note.kind != "role"]
    if left_out:
        lines.append(("Left out", listed(left_out, _MOST_NAMES)))
    if findings:
        lines.append(("Found", _findings_described(findings)))
    return paragraphs(lines)


def _findings_described(findings: Sequence[Any]) -> Table:
    """The gravest first, each with what is done about it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(ratio=1, overflow="fold")
    gravest_first = sorted(findings, key=lambda finding: list(_SIGNS).index(finding.severity))
    for finding in gravest_first[:_MOST_FINDINGS]:
        sign, style = _SIGNS[finding.severity]
        said = " ".join(filter(None, (finding.what, finding.which, finding.action)))
        grid.add_row(Text(sign, style=style), Text(safe(said)))
    if len(findings) > _MOST_FINDINGS:
        grid.add_row("", f"and {len(findings) - _MOST_FINDINGS} more in the report")
    return grid
