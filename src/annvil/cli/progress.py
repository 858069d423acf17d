"""How a run is followed: a live table where there is a terminal, plain lines where there is none.

Both write to standard error.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from annvil.cli.console import safe
from annvil.cli.tables import paragraphs, standings_table
from annvil.text import quantities as wording
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
        self._started = time.monotonic()
        self._told: dict[str, tuple[str, int]] = {}

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""

    def stage(self, text: str) -> None:
        """One line with the time."""
        self._line(time.monotonic() - self._started, text)

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """A line for each contender with something new: another fold, or another state."""
        for standing in standings:
            now = (standing.state, len(standing.per_fold))
            before = self._told.get(standing.contender, ("waiting", 0))
            self._told[standing.contender] = now
            if now == before or (standing.state == "running" and now[1] == before[1]):
                continue
            words = [f"{standing.title}: {standing.state}"]
            if standing.per_fold:
                mean, spread = standing.means.get(self.metric), standing.spreads.get(self.metric)
                if mean is not None and spread is not None:
                    words.append(f"{self.metric} {wording.with_spread(mean, spread)}")
                words.append(wording.plain_count(len(standing.per_fold), "fold"))
            if standing.reason:
                words.append(standing.reason)
            self._line(spent_seconds, ", ".join(words))

    def moment(self, moment: Moment) -> None:
        """A line for each piece of work: who, why, and what is believed so far."""
        if moment.unit is not None:
            self._line(
                moment.spent_seconds,
                f"{moment.unit.contender}, step {moment.unit.rung + 1}: {moment.why}{chances(moment)}",
            )

    def _line(self, spent_seconds: float, text: str) -> None:
        self.console.print(f"{clock(spent_seconds):>7}  {safe(text)}", soft_wrap=True)


class Screen(Progress):
    """The table redrawn in place, with what is being done and the time left below it."""

    def __init__(self, console: Console, metric: str | None, budget_seconds: float) -> None:
        super().__init__(console, metric, budget_seconds)
        self._stage = "Starting"
        self._standings: tuple[Standing, ...] = ()
        self._zero = time.monotonic()  # when the budget's clock would have started without interruptions
        self._spinner = Spinner("dots", style="cyan")
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
        """Shown below the table."""
        self._stage = text

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """Shown at the next refresh."""
        self._standings = standings
        self._zero = time.monotonic() - spent_seconds

    def moment(self, moment: Moment) -> None:
        """Shown below the table at the next refresh."""
        self._moment = moment

    def _draw(self) -> Group:
        lines: list[Any] = [""]
        if self._standings:
            width = self.console.width
            lines += [standings_table(self._standings, self.metric, width, live=True, words=self.words), ""]
        if self._moment is not None and self._moment.unit is not None:
            lines.append(Text(safe(f"{self._moment.why}{chances(self._moment)}"), style="dim"))
        return Group(*lines, self._bottom_line())

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


def chances(moment: Moment) -> str:
    """``"; so far network 71% · equal 22% · simple 7%"``; nothing before both sides are known."""
    p = moment.posterior
    if p is None:
        return ""
    return f"; so far network {p.p_first:.0%} · equal {p.p_equal:.0%} · simple {p.p_second:.0%}"


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
        grid.add_row(Text(sign, style=style), Text(safe(f"{finding.what} {finding.action}")))
    if len(findings) > _MOST_FINDINGS:
        grid.add_row("", f"and {len(findings) - _MOST_FINDINGS} more in the report")
    return grid
