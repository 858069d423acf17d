"""What a kind brings beside fits: further commands, and studies of finished runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from annvil.kinds.found import Found, Progress
    from annvil.sections import Section


class StudyResult(Protocol):
    """What a study found."""

    def sections(self) -> Sequence[Section]:
        """For the report."""

    def to_json(self) -> Any:
        """JSON-able."""


@dataclass(frozen=True)
class Study:
    """More that can be measured on a finished run: ``annvil compare RUN --study NAME``.

    ``run`` is given what the run found, a folder to keep what it measures, seconds, whom to tell, and whom to hand
    sections as they are made. What it has measured is not measured again when it is called with the same budget.
    """

    help: str
    run: Callable[[Found, Path, float, Callable[[str], None], Callable[[Sequence[Section]], None]], StudyResult]
    least_seconds: float = 10.0  # loading, warming up and one training already take several (assumed)


@dataclass(frozen=True)
class Told:
    """How a command of a kind ended: sentences for people, and the same for machines."""

    sentences: Sequence[str]
    json: Any = None


@dataclass(frozen=True)
class Command:
    """A further command, ``annvil NAME …``: its options are declared as those of a fit, arguments first.

    ``run`` is given the options, whom to tell how it goes in words, and whom in numbers.
    """

    help: str
    Options: type[msgspec.Struct]
    run: Callable[[Any, Callable[[str], None], Progress], Told]


@dataclass(frozen=True)
class FitCommand:
    """A command that is a fit of one kind of data: ``annvil NAME DATA …`` with all options of `fit` but those of other
    kinds; what is ``implied`` is given unless the user gives it."""

    help: str
    implied: Mapping[str, Any]
