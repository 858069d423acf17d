"""`annvil fit` and `annvil resume`: start, follow, show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.cli.console import error_console, print_json, result_console
from annvil_command import started

if TYPE_CHECKING:
    from annvil.run import Listener, Run


@dataclass(frozen=True)
class Shown:
    """What is shown of a run beside its verdict; ``events`` is where `annvil.cli.events` goes, "-" standard error."""

    preparation: bool
    as_json: bool
    quiet: bool
    events: str | None = None


def fit(data: str, options: Mapping[str, Any], shown: Shown) -> None:
    """Fit and show the result; ``options`` are the arguments of `annvil.run.fit`."""
    from annvil.options import budget_in_seconds

    budget_seconds = budget_in_seconds(options["budget"])  # refused before anything else happens

    def work(listener: Listener | None) -> Run:
        from annvil.run import fit

        return fit(data, **options, listener=listener, started=started())

    _follow(work, options.get("metric"), budget_seconds, shown)


def resume(folder: Path, budget: str | None, shown: Shown) -> None:
    """Go on with a run and show the result."""
    from annvil.options import budget_in_seconds
    from annvil.run.folder import existing_folder

    request = existing_folder(folder).read_request()
    seconds = request.asked.budget if budget is None else budget_in_seconds(budget)

    def work(listener: Listener | None) -> Run:
        from annvil.run import resume

        return resume(folder, budget=None if budget is None else seconds, listener=listener, started=started())

    _follow(work, request.asked.metric, seconds, shown)


def _follow(work: Callable[[Listener | None], Run], metric: str | None, budget_seconds: float, shown: Shown) -> None:
    with ExitStack() as stack:
        events = None
        if shown.events is not None:
            from annvil.cli.events import Both, Events

            events = stack.enter_context(Events(shown.events, metric))
        quiet = shown.quiet or shown.events == "-"
        progress = stack.enter_context(_progress(metric, budget_seconds, quiet=quiet))
        run = work(Both(progress, events) if progress is not None and events is not None else progress or events)
    if shown.as_json:
        print_json(run.to_json())
    else:
        from annvil.cli.result import show_run

        console = result_console()
        already_told = console.is_terminal and not shown.quiet
        show_run(console, run, preparation=shown.preparation, notices=not already_told)


def _progress(metric: str | None, budget_seconds: float, *, quiet: bool) -> AbstractContextManager[Listener | None]:
    if quiet:
        return nullcontext()
    from annvil.cli.progress import Lines, Screen

    console = error_console()
    return (Screen if console.is_terminal else Lines)(console, metric, budget_seconds)
