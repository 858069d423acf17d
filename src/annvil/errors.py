"""What can go wrong, split by who can act.

    AnnvilError
    ├── DataError         the data: a file, a column, a row must change
    ├── RequestError      the request: an argument, an option, a name must change
    ├── MachineError      the machine: a missing extra, a full disk, no permission
    ├── BundleError       a saved model that is damaged, hostile or from another version
    └── OutOfTime         the budget ended before there was anything to return

Every message names the thing, the rule, what came and the next step, in the user's words (file, column, row,
class), and is one sentence or a short list. The CLI prints it and exits with ``exit_code``; nothing else may reach
a user. A traceback is always our own bug.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice


class AnnvilError(Exception):
    """Base of every error Annvil raises on purpose."""

    exit_code = 2


class DataError(AnnvilError):
    """The data cannot be used as it is: the message names file, column and rows."""


class RequestError(AnnvilError, ValueError):
    """The request cannot be carried out: the message names the argument and what would be accepted."""


class MachineError(AnnvilError):
    """The machine lacks something: the message names it and how to get it."""


class BundleError(AnnvilError):
    """A saved model is damaged, hostile, or made by a version this one cannot read."""


class OutOfTime(AnnvilError):
    """The budget ended before anything could be returned."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: ``" Did you mean 'price'?"``, or an empty string when nothing is close."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return " Did you mean " + " or ".join(repr(by_lower[c]) for c in close) + "?" if close else ""


def name_rows(rows: Iterable[int], total: int | None = None, most: int = 5) -> str:
    """Rows for a message, counted from 1 as a spreadsheet shows data rows: ``"rows 3, 14 and 15"``."""
    shown = [str(int(row) + 1) for row in islice(rows, most)]
    more = (total or len(shown)) - len(shown)
    if len(shown) == 1 and not more:
        return f"row {shown[0]}"
    first, last = (shown, f"{more} more") if more > 0 else (shown[:-1], shown[-1])
    return f"rows {', '.join(first)} and {last}"


def first_line(error: BaseException) -> str:
    """What an error of somebody else's code says, for a message: its first line that is not empty, without a stop."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__).rstrip(".")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run: everything finished so far is in ``folder``, and the run can be resumed.

    ``so_far`` says in a few sentences what would be answered now; nothing before the comparison began.
    """

    def __init__(self, folder: str, so_far: tuple[str, ...] = ()) -> None:
        super().__init__(folder)
        self.folder = folder
        self.so_far = so_far
