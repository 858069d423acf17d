"""What the race did, in order, and why: `decisions.jsonl`, a line when a piece of work begins, another when it ends.

The log is what makes a run repeatable. The clock decides only how far the sequence gets: a run that follows the log of
another (`Request.follow`) fits the same things in the same order without looking at a clock, to the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from annvil.errors import DataError
from annvil.files import read_kept

Work = Literal["fit", "curve", "ablation", "ship"]
Ending = Literal["begun", "complete", "cut short", "failed"]


@dataclass(frozen=True)
class Unit:
    """One piece of work: all folds of a contender's rung in one repeat; a learning curve; a step of preparation; how
    the model that ships is fitted.

    ``step`` names the step of an ablation, or says how many inner folds the fit to ship has.
    """

    what: Work
    contender: str
    rung: int = 0
    repeat: int = 0
    step: str = ""


@dataclass(frozen=True)
class Decision:
    """A unit that was begun, why, what it was expected to take, and what it took (wall clock, s)."""

    number: int
    unit: Unit
    why: str
    expected_seconds: float
    ending: Ending = "begun"
    seconds: float = 0.0


class DecisionLog:
    """The decisions of one run; ``path`` is made when the first is written.

    ``tell`` is told of every decision when it is begun and when it has ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tell: Callable[[Decision], None] = lambda _: None
        self._decisions: list[Decision] = list(_latest(path)) if path.exists() else []

    def __iter__(self) -> Iterator[Decision]:
        return iter(self._decisions)

    def __len__(self) -> int:
        return len(self._decisions)

    @property
    def complete(self) -> list[Unit]:
        """Units that came to their end, in order; what a run that follows this one does."""
        return [one.unit for one in self._decisions if one.ending == "complete"]

    @property
    def open(self) -> Decision | None:
        """What was begun when the run was killed, if anything."""
        return self._decisions[-1] if self._decisions and self._decisions[-1].ending == "begun" else None

    def begin(self, unit: Unit, why: str, expected_seconds: float) -> None:
        """Write down what comes next; a unit that a killed run had begun keeps its line."""
        if self.open is not None and self.open.unit == unit:
            self.tell(self.open)
            return
        self._append(Decision(len(self._decisions), unit, why, round(expected_seconds, 3)))

    def end(self, ending: Ending, seconds: float) -> None:
        """Write down how it ended."""
        ended = replace(self._decisions.pop(), ending=ending, seconds=round(seconds, 3))
        self._append(ended)

    def _append(self, decision: Decision) -> None:
        self._decisions.append(decision)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            stream.write(msgspec.json.encode(decision) + b"\n")
        self.tell(decision)


def read_decisions(path: Path) -> Sequence[Decision]:
    """The decisions of a run, each as it ended.

    Raises
    ------
    DataError
        When the file is not there or damaged.
    """
    if not path.exists():
        raise DataError(f"There is no log of decisions at {path}.")
    return list(_latest(path))


def _latest(path: Path) -> Iterator[Decision]:
    """Every decision in its last state; a last line that was torn by a kill counts as never written."""
    lines = read_kept(path, lambda content: content.split(b"\n"))
    found: dict[int, Decision] = {}
    for number, line in enumerate(lines):
        if not line:
            continue
        try:
            decision = msgspec.json.decode(line, type=Decision)
        except (msgspec.MsgspecError, RecursionError) as error:
            if number == len(lines) - 1:
                break
            raise DataError(f"{path} is damaged in line {number + 1} ({error}).") from error
        found[decision.number] = decision
    yield from (found[number] for number in sorted(found))
