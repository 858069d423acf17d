"""What was asked for: everything `fit` was told, in a form that can be kept and repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from annvil.errors import RequestError
from annvil.text.durations import seconds_of

SHORTEST_BUDGET = 5.0  # seconds; importing the libraries alone takes two to three (measured)
LONGEST_BUDGET = 7 * 24 * 3600.0


@dataclass(frozen=True)
class FitRequest:
    """The arguments of one `fit`, as kept in ``request.json``.

    ``data`` is a path or a ``sample:`` name, or None when rows came from memory (then the run folder keeps a copy).
    ``budget_seconds`` covers everything from reading to report. ``groups`` is a column, or for pictures the path of a
    table. ``size`` is the height and width of pictures; ``target`` a column, or several of 0 and 1.
    ``start`` and ``backbone`` are the path or name of a network to go on from, ``start_digest`` tells its weights
    (`annvil.kinds.pictures.contenders.pretrained.Start.digest`).
    """

    data: str | None
    target: str | tuple[str, ...] | None
    budget_seconds: float = 120.0
    metric: str | None = None
    worth: float | None = None
    groups: str | None = None
    time: str | None = None
    task: str | None = None
    columns: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    drop_missing_target: bool = False
    size: tuple[int, int] | None = None
    seed: int = 0
    start: str | None = None
    backbone: str | None = None
    start_digest: str | None = None

    def command(self) -> str:
        """The command line that repeats this request; for data from memory, the Python call."""
        if self.data is None:
            options = [
                f"target={self.target!r}",
                f'budget="{_plain_seconds(self.budget_seconds)}"',
                f"seed={self.seed}",
            ]
            named = (
                "metric",
                "worth",
                "groups",
                "time",
                "task",
                "columns",
                "drop",
                "kinds",
                "missing",
                "size",
                "start",
                "backbone",
            )
            options += [f"{name}={value!r}" for name in named if (value := getattr(self, name)) not in (None, (), {})]
            options += ["drop_missing_target=True"] * self.drop_missing_target
            return f"annvil.fit(data, {', '.join(options)})"
        words = ["annvil fit", _quoted(self.data)]
        targets = (self.target,) if isinstance(self.target, str) else self.target or ()
        words += [f"--target {_quoted(name)}" for name in targets]
        words.append(f"--budget {_plain_seconds(self.budget_seconds)}")
        for name in ("metric", "worth", "groups", "time", "task"):
            if (value := getattr(self, name)) is not None:
                words.append(f"--{name} {_quoted(str(value))}")
        if self.columns is not None:
            words.append(f"--columns {_quoted(','.join(self.columns))}")
        words += [f"--drop {_quoted(name)}" for name in self.drop]
        words += [f"--as {_quoted(f'{name}={kind}')}" for name, kind in self.kinds.items()]
        words += [f"--missing {_quoted(text)}" for text in self.missing]
        if self.drop_missing_target:
            words.append("--drop-missing-target")
        if self.size is not None:
            words.append(f"--size {self.size[0]}x{self.size[1]}")
        if self.start is not None:
            words.append(f"--from {_quoted(self.start)}")
        if self.backbone is not None:
            words.append(f"--backbone {_quoted(self.backbone)}")
        return " ".join([*words, f"--seed {self.seed}"])


def budget_in_seconds(budget: str | float) -> float:
    """Seconds of a budget written as ``"90"``, ``"60s"``, ``"2m"``, ``"1h30m"`` or given as a number.

    >>> budget_in_seconds("1h30m"), budget_in_seconds("2m"), budget_in_seconds(45)
    (5400.0, 120.0, 45.0)
    """
    seconds = seconds_of(budget)
    if not seconds >= SHORTEST_BUDGET:
        raise RequestError(f"The budget of {seconds:g} s is too short: the shortest is {SHORTEST_BUDGET:g} s.")
    if seconds > LONGEST_BUDGET:
        raise RequestError(f"The budget of {seconds:g} s is too long: the longest is {LONGEST_BUDGET:g} s (a week).")
    return seconds


def size_in_pixels(size: int | Sequence[int] | str | None) -> tuple[int, int] | None:
    """Height and width of pictures from a side, a pair, or a text such as ``"64"`` or ``"48x64"``.

    >>> size_in_pixels(32), size_in_pixels("48x64"), size_in_pixels(None)
    ((32, 32), (48, 64), None)

    Raises
    ------
    RequestError
        When it is none of these. How large pictures may be is judged where they are read.
    """
    if size is None:
        return None
    sides = size.lower().replace("×", "x").split("x") if isinstance(size, str) else size
    try:
        found = [int(side) for side in sides] if isinstance(sides, Sequence) else [int(sides)]
    except (TypeError, ValueError):
        found = []
    if len(found) not in (1, 2):
        raise RequestError(
            f"size is the side of pictures in pixels, such as 64, or height and width, such as 48x64; got {size!r}."
        )
    return found[0], found[-1]


def _plain_seconds(seconds: float) -> str:
    return f"{seconds:.10g}s"


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
