"""`--events`: what happens, for machines: one JSON object a line, written as it happens.

Every line has ``event`` and ``seconds`` (of the run so far). Contenders are named as in ``decisions.jsonl``; a ``rung``
is a step of effort, counted from 0.

    read      rows, findings               the data are read and checked
    stage     stage                        a part of the work begins, in words
    decision  what, contender, rung, repeat, step, title, rungs, effort, why, expected_seconds, ends_by
                                           a piece of work begins; ``ends_by``: when the race is over at the latest
    result    what … title, ending, took_seconds, metric, score, spread, gain
                                           it has ended; ``gain``: how much better than the rung below, if there is one
    verdict   kind, headline, recommended, network, equal, simple, unfinished
                                           what would be answered now, with the chances (None without both sides)
    notice    text                         something to know
    finished  folder, report, model, verdict, price_of_explainability, ended
                                           all is written
    stopped   folder, reason               it was broken off (``folder`` is None where there was no run yet)
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from annvil.cli.steps import Board, gain
from annvil.errors import Interrupted, MachineError, first_line

if TYPE_CHECKING:
    from annvil.comparison.request import Moment
    from annvil.comparison.results import Standing
    from annvil.data.dataset import Dataset
    from annvil.data.form import Inputs
    from annvil.run import Listener, Run


class Events(AbstractContextManager["Events"]):
    """A listener of `annvil.run` that writes JSON lines.

    Parameters
    ----------
    target : a file, which is written anew; ``-`` is standard error
    metric : the name asked for, or None: then the default of the task

    Raises
    ------
    MachineError
        When the file cannot be written.
    """

    def __init__(self, target: str, metric: str | None) -> None:
        self.metric = metric or ""
        self._board = Board()
        self._stage = ""
        self._zero = time.monotonic()  # when the run would have begun without interruptions
        self._stream: TextIO = sys.stderr
        self._is_file = target != "-"
        if self._is_file:
            try:
                self._stream = Path(target).open("w", encoding="utf-8")  # noqa: SIM115 - closed in __exit__
            except OSError as error:
                raise MachineError(f"The events cannot be written to {target}: {first_line(error)}.") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The last line of a run that was broken off; the file is closed."""
        if isinstance(error, KeyboardInterrupt):
            folder = error.folder if isinstance(error, Interrupted) else None
            self._write("stopped", folder=folder, reason="stopped by the user")
        elif error is not None:
            self._write("stopped", folder=None, reason=str(error) or type(error).__name__)
        if self._is_file:
            self._stream.close()

    def read(self, dataset: Dataset[Inputs], findings: Sequence[Any]) -> None:
        """The data, and what their check found."""
        self.metric = self.metric or dataset.task.metrics[0].name
        found = [
            {"kind": one.kind, "severity": one.severity, "what": one.what, "which": one.which, "action": one.action}
            for one in findings
        ]
        self._write("read", rows=len(dataset.y), findings=found)

    def stage(self, text: str) -> None:
        """A part of the work begins."""
        if text != self._stage:
            self._write("stage", stage=text)
        self._stage = text

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """Kept for what is said of decisions and results."""
        self._board.see(standings)
        self._zero = time.monotonic() - spent_seconds

    def moment(self, moment: Moment) -> None:
        """A decision, or a result with the verdict so far."""
        unit = moment.unit
        if unit is None:
            return
        row = self._board.rows.get(unit.contender)
        about: dict[str, Any] = asdict(unit) | {"title": self._board.title(unit.contender)}
        if moment.ending == "begun":
            rungs = row.rungs if row is not None else ()
            effort = rungs[unit.rung] if unit.what == "fit" and unit.rung < len(rungs) else ""
            about |= {"rungs": len(rungs), "effort": effort, "why": moment.why}
            self._write(
                "decision", **about, expected_seconds=moment.expected_seconds, ends_by=_rounded(moment.latest_end)
            )
            return
        about |= {"ending": moment.ending, "took_seconds": moment.seconds, "metric": self.metric}
        scored = row is not None and unit.what == "fit" and moment.ending == "complete"
        about |= {"score": None, "spread": None, "gain": None}
        if scored and row is not None:
            about |= {"score": row.means.get(self.metric), "spread": row.spreads.get(self.metric)}
            about["gain"] = gain(row, unit.rung, self.metric) if unit.repeat == 0 else None
        self._write("result", **about)
        if moment.verdict is not None and unit.what == "fit":
            said, p = moment.verdict, moment.posterior
            sides = (None, None, None) if p is None else (p.p_first, p.p_equal, p.p_second)
            chances = dict(zip(("network", "equal", "simple"), sides, strict=True))
            about = {"kind": said.kind, "headline": said.headline, "recommended": said.recommended}
            self._write("verdict", **about, **chances, unfinished=said.unfinished)

    def notice(self, text: str) -> None:
        """Something to know."""
        self._write("notice", text=text)

    def finished(self, run: Run) -> None:
        """Where everything is."""
        verdict, ended = run.verdict.kind, run.comparison.ended
        price = "" if run.comparison.price is None else run.comparison.price.kind
        places = {"folder": run.folder, "report": run.report_path, "model": run.folder / "model"}
        self._write(
            "finished",
            **{name: str(path) for name, path in places.items()},
            verdict=verdict,
            price_of_explainability=price,
            ended=ended,
        )

    def _write(self, event: str, **values: Any) -> None:
        seconds = round(time.monotonic() - self._zero, 3)
        self._stream.write(json.dumps({"event": event, "seconds": seconds} | values, ensure_ascii=False) + "\n")
        self._stream.flush()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


class Both:
    """Two listeners, told the same."""

    def __init__(self, first: Listener, second: Listener) -> None:
        self._listeners = first, second

    def read(self, dataset: Dataset[Inputs], findings: Sequence[Any]) -> None:
        """The data are read and checked."""
        for one in self._listeners:
            one.read(dataset, findings)

    def stage(self, text: str) -> None:
        """A part of the work begins."""
        for one in self._listeners:
            one.stage(text)

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """The table as it is now."""
        for one in self._listeners:
            one.standings(standings, spent_seconds)

    def moment(self, moment: Moment) -> None:
        """A piece of work begins or has ended."""
        for one in self._listeners:
            one.moment(moment)

    def notice(self, text: str) -> None:
        """Something to know."""
        for one in self._listeners:
            one.notice(text)

    def finished(self, run: Run) -> None:
        """All is written."""
        for one in self._listeners:
            one.finished(run)
